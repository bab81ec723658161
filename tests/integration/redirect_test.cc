// Redirects: where a client is sent.

#include <gtest/gtest.h>

#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

std::string with_rules(const std::string& rules) {
  return "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [" +
         rules + "]}\n";
}

std::string location(Proxy& proxy, const std::string& target, const std::string& host = "old.example.com:8080") {
  const Message answer =
      request(proxy.address(), "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
  return std::to_string(answer.status()) + " " + answer.field("location");
}

TEST(Redirect, SchemeHostAndPathAreReplacedAndTheQueryStays) {
  Proxy proxy(with_rules(
      "{match: {prefix: /scheme}, redirect: {scheme: https}}, {match: {prefix: /host}, redirect: {host: \"new.example.com:81\", status: 302}}, "
      "{redirect: {path: /all}}"));
  EXPECT_EQ(location(proxy, "/scheme/a?b=1"), "308 https://old.example.com/scheme/a?b=1");
  EXPECT_EQ(location(proxy, "/host/a?b=1"), "302 http://new.example.com:81/host/a?b=1");
  EXPECT_EQ(location(proxy, "/x/y?b=1"), "308 http://old.example.com:8080/all?b=1");
}

TEST(Redirect, APrefixTakesTheMatchedPrefixesPlace) {
  Proxy proxy(with_rules(
      "{match: {prefix: [/old, /old/deep, /past/]}, redirect: {prefix: /new}}, {match: {prefix: /gone}, redirect: {prefix: /}}, "
      "{match: {prefix: /slash}, redirect: {prefix: /there/}}, {redirect: {prefix: /all}}"));
  const std::string base = "308 http://old.example.com:8080";
  EXPECT_EQ(location(proxy, "/old"), base + "/new");
  EXPECT_EQ(location(proxy, "/old/"), base + "/new/");
  EXPECT_EQ(location(proxy, "/old/a/b?c=/old"), base + "/new/a/b?c=/old");
  EXPECT_EQ(location(proxy, "/old?c"), base + "/new?c");
  EXPECT_EQ(location(proxy, "/old/deep/a"), base + "/new/a");
  EXPECT_EQ(location(proxy, "/past/a"), base + "/new/a");
  EXPECT_EQ(location(proxy, "/gone/a"), base + "/a");
  EXPECT_EQ(location(proxy, "/gone"), base + "/");
  EXPECT_EQ(location(proxy, "/slash/a"), base + "/there/a");
  EXPECT_EQ(location(proxy, "/slash"), base + "/there/");
  EXPECT_EQ(location(proxy, "/older"), base + "/all/older");
  EXPECT_EQ(location(proxy, "/"), base + "/all/");
}

TEST(DirectResponse, HasItsStatusBodyAndHeaders) {
  Proxy proxy(
      with_rules("{match: {prefix: /closed}, respond: {status: 503, body: \"closed for today\", headers: {retry-after: "
                 "\"60\", content-type: text/x-own}}}, {match: {prefix: /}, respond: {status: 204}}"));
  const auto ask = [&](const std::string& line) {
    return request(proxy.address(), line + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", line.starts_with("HEAD"));
  };
  const Message closed = ask("GET /closed");
  EXPECT_EQ(closed.status(), 503);
  EXPECT_EQ(closed.body, "closed for today");
  EXPECT_EQ(closed.field("retry-after"), "60");
  EXPECT_EQ(closed.field("content-type"), "text/x-own");
  EXPECT_EQ(ask("HEAD /closed").body, "");
  EXPECT_EQ(ask("HEAD /closed").field("content-length"), "16");
  EXPECT_EQ(ask("GET /").status(), 204);
}

}  // namespace
}  // namespace outrider::test
