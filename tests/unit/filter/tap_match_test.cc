// The language in which somebody says what he wants to see.

#include "filter/tap_match.h"

#include <gtest/gtest.h>

namespace outrider::filter {
namespace {

TapMatch of(std::initializer_list<std::pair<const char*, const char*>> words) {
  TapMatch match;
  for (const auto& [key, value] : words) EXPECT_EQ(match.add(key, value), "") << key;
  return match;
}

struct Request {
  std::string method = "GET", host = "Shop.Test:8080", path = "/cart/1?x=2";
  std::vector<http::Field> fields;
  bool is(const TapMatch& match) const { return match.of_request({method, host, path, fields}); }
  Request& with(std::string_view name, std::string_view value) {
    http::Field field;
    field.name = name;
    field.value = value;
    fields.push_back(field);
    return *this;
  }
};

TEST(TapMatch, NothingAskedForIsEverything) {
  EXPECT_TRUE(Request().is({}));
  EXPECT_TRUE(TapMatch().of_end({}));
  EXPECT_TRUE(TapMatch().of_request({}));
}

TEST(TapMatch, OfRequests) {
  const Request request;
  EXPECT_TRUE(request.is(of({{"method", "GET"}, {"prefix", "/cart"}, {"host", "shop.test"}})));
  EXPECT_TRUE(request.is(of({{"method", "POST, GET"}, {"path", "/cart/1"}})));
  EXPECT_TRUE(request.is(of({{"method", "POST"}, {"method", "GET"}})));
  EXPECT_FALSE(request.is(of({{"method", "get"}}))) << "case matters";
  EXPECT_FALSE(request.is(of({{"method", "POST"}})));
  EXPECT_FALSE(request.is(of({{"prefix", "/car"}})));
  EXPECT_FALSE(request.is(of({{"path", "/cart"}})));
  EXPECT_TRUE(request.is(of({{"host", "shop.test:8080"}})));
  EXPECT_TRUE(request.is(of({{"host", "other,*.test"}})));
  EXPECT_FALSE(request.is(of({{"host", "shop"}})));
  EXPECT_FALSE(request.is(of({{"host", "*.shop.test"}})));
  EXPECT_FALSE(request.is(of({{"host", "shop.test:80"}})));
  Request v6;
  v6.host = "[::1]:80";
  EXPECT_TRUE(v6.is(of({{"host", "[::1]"}})));
}

TEST(TapMatch, EachHeaderMustBeThere) {
  const Request request = Request().with("X-Tap", "1").with("x-tap", "a:b").with("x-b", "");
  EXPECT_TRUE(request.is(of({{"header", "x-tap"}})));
  EXPECT_TRUE(request.is(of({{"header", "x-tap:1"}, {"header", "X-TAP: a:b"}})));
  EXPECT_TRUE(request.is(of({{"header", "x-b:"}})));
  EXPECT_FALSE(request.is(of({{"header", "x-tap:1"}, {"header", "x-c"}})));
  EXPECT_FALSE(request.is(of({{"header", "x-tap:2"}})));
}

TEST(TapMatch, TcpHasNothingOfARequest) {
  for (const auto& [key, value] : {std::pair("method", "GET"), {"host", "a"}, {"prefix", "/"}, {"path", "/"}, {"header", "a"}})
    EXPECT_FALSE(of({{key, value}}).of_request({})) << key;
}

TEST(TapMatch, OfEnds) {
  TapMatch::Ended ended;
  ended.status = 503;
  ended.listener = "edge";
  ended.cluster = "shop/cart";
  ended.flag = "overload";
  ended.client = "spiffe://mesh.local/ns/shop/sa/web";
  ended.endpoint = "spiffe://other/ns/pay/sa/bank";
  ended.duration = std::chrono::milliseconds(100);
  const auto is = [&](std::initializer_list<std::pair<const char*, const char*>> words) { return of(words).of_end(ended); };
  EXPECT_TRUE(is({{"status", "503"}, {"listener", "edge"}, {"cluster", "shop/cart"}, {"flag", "overload"}, {"slower", "100ms"}}));
  for (const char* status : {"5xx", "5XX", "404,5xx", "500-503", "503-599"}) EXPECT_TRUE(is({{"status", status}})) << status;
  for (const char* status : {"4xx", "504", "500-502"}) EXPECT_FALSE(is({{"status", status}})) << status;
  EXPECT_TRUE(is({{"service", "cart"}}));
  EXPECT_FALSE(is({{"cluster", "art"}}));
  EXPECT_FALSE(is({{"cluster", "cart/shop"}}));
  EXPECT_FALSE(is({{"slower", "101ms"}}));
  EXPECT_FALSE(is({{"flag", "none"}}));
  EXPECT_FALSE(is({{"listener", "other"}}));
  for (const char* peer : {"shop/web", "shop/*", "*", "spiffe://mesh.local/ns/shop/sa/web", "pay/bank", "no/body,pay/*"})
    EXPECT_TRUE(is({{"peer", peer}})) << peer;
  for (const char* peer : {"shop/bank", "spiffe://elsewhere/ns/shop/sa/web"}) EXPECT_FALSE(is({{"peer", peer}})) << peer;
  EXPECT_FALSE(is({{"grpc_status", "14"}}));
  ended.grpc_status = 14;
  EXPECT_TRUE(is({{"grpc_status", "14"}}));
  EXPECT_TRUE(is({{"grpc_status", "1-16"}}));
  EXPECT_FALSE(is({{"grpc_status", "0"}}));
  EXPECT_FALSE(of({{"peer", "*"}}).of_end({})) << "nobody is no peer";
}

TEST(TapMatch, SaysWhatIsWrong) {
  const std::pair<std::pair<const char*, const char*>, const char*> table[] = {
      {{"status", "high"}, "status: expected a status like 404, 5xx or 400-403, got \"high\""},
      {{"status", "5x"}, "status: expected a status like 404, 5xx or 400-403, got \"5x\""},
      {{"status", "503-500"}, "status: expected a status like 404, 5xx or 400-403, got \"503-500\""},
      {{"status", "404,"}, "status: expected a value"},
      {{"grpc_status", "x"}, "grpc_status: expected a number, or a range of them, got \"x\""},
      {{"slower", "fast"}, "slower: expected a duration like 100ms, got \"fast\""},
      {{"slower", "0"}, "slower: expected a duration like 100ms, got \"0\""},
      {{"prefix", "cart"}, "prefix: expected a path, got \"cart\""},
      {{"header", ":1"}, "header: expected NAME or NAME:VALUE, got \":1\""},
      {{"method", "A B"}, "method: expected a method, got \"A B\""},
      {{"peer", "shop"}, "peer: expected NAMESPACE/ACCOUNT, NAMESPACE/* or a SPIFFE ID, got \"shop\""},
      {{"host", ""}, "host: expected a value"},
  };
  for (const auto& [word, wrong] : table) EXPECT_EQ(TapMatch().add(word.first, word.second), wrong);
  EXPECT_TRUE(TapMatch().add("colour", "red").starts_with("\"colour\" is nothing to match by; there are: method, "));
}

}  // namespace
}  // namespace outrider::filter
