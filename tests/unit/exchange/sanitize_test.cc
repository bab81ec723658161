#include "exchange/sanitize.h"

#include <gtest/gtest.h>

#include <string>

namespace outrider::exchange {
namespace {

using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

struct Request {
  explicit Request(Fields fields = {}) {
    head.method = http::Method::Get;
    head.method_text = "GET";
    head.path = "/";
    head.authority = "web";
    for (const auto& [name, value] : fields) head.headers.add(name, value);
    peer.remote_ip = "10.0.0.9";
    plan.forwarded = Forwarded::Off;
  }
  Result<Done> run() { return sanitize_request(head, plan, peer, random); }
  std::string fields() {  // after run(); without the request id, which is chance
    if (const auto ok = run(); !ok) return ok.error().what;
    head.headers.remove(http::HeaderId::XRequestId);
    std::string text;
    for (const auto& field : head.headers.fields()) text += std::string(field.name) + "=" + std::string(field.value) + ";";
    return text;
  }
  Arena arena;
  http::RequestHead head{arena};
  ListenerPlan plan;
  filter::Peer peer;
  Random random{1};
};

TEST(Sanitize, WhatConcernsOneConnectionStaysThere) {
  EXPECT_EQ(Request({{"Host", "a"},
                     {"Connection", "close, X-Gone , ,x-also"},
                     {"X-Gone", "1"},
                     {"X-ALSO", "1"},
                     {"Keep-Alive", "5"},
                     {"Proxy-Connection", "x"},
                     {"TE", "trailers"},
                     {"Transfer-Encoding", "chunked"},
                     {"Upgrade", "h2c"},
                     {"X-Stays", "1"}})
                .fields(),
            "Host=a;X-Stays=1;");
  EXPECT_EQ(Request({{"Host", "a"}, {"Connection", "x"}, {"Connection", "y"}, {"X", "1"}, {"Y", "1"}}).fields(), "Host=a;");
}

TEST(Sanitize, ConnectionCannotNameWhatFramesOrRoutes) {
  EXPECT_EQ(Request({{"Host", "a"}, {"Content-Length", "5"}, {"Connection", "Host, content-length"}}).fields(),
            "Host=a;Content-Length=5;");
}

TEST(Sanitize, ARequestWithoutAHostIsGivenOne) {
  Request named;
  EXPECT_EQ(named.fields(), "Host=web;");
}

TEST(Sanitize, ARequestIdIsKeptOrMade) {
  Request kept({{"X-Request-Id", "mine"}});
  ASSERT_TRUE(kept.run());
  EXPECT_EQ(kept.head.headers.value(http::HeaderId::XRequestId), "mine");
  Request made, other;
  other.random = Random(2);
  ASSERT_TRUE(made.run() && other.run());
  const auto id = made.head.headers.value(http::HeaderId::XRequestId);
  EXPECT_EQ(id.size(), 32u);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string_view::npos);
  EXPECT_NE(id, other.head.headers.value(http::HeaderId::XRequestId));
}

std::string forwarded(Forwarded how, Fields fields, uint32_t trusted = 0, std::string_view ip = "10.0.0.9") {
  Request request(fields);
  request.head.headers.add("Host", "a");
  request.plan.forwarded = how;
  request.plan.trusted_hops = trusted;
  request.peer.remote_ip = ip;
  std::string text = request.fields();
  const size_t host = text.find("Host=a;");
  return text.erase(host, 7);
}

TEST(Sanitize, TheClientIsAppended) {
  EXPECT_EQ(forwarded(Forwarded::Append, {}), "X-Forwarded-For=10.0.0.9;X-Forwarded-Proto=http;");
  EXPECT_EQ(forwarded(Forwarded::Append, {{"X-Forwarded-For", "1.1.1.1"}, {"X-Forwarded-Proto", "https"}}),
            "X-Forwarded-For=1.1.1.1, 10.0.0.9;X-Forwarded-Proto=https;");
  EXPECT_EQ(forwarded(Forwarded::Append, {}, 0, ""), "X-Forwarded-For=unknown;X-Forwarded-Proto=http;");
  EXPECT_EQ(forwarded(Forwarded::Append, {{"Forwarded", "for=1.1.1.1"}}, 0, "::1"),
            "Forwarded=for=1.1.1.1, for=\"[::1]\";X-Forwarded-For=::1;X-Forwarded-Proto=http;");
}

// A list may come in several fields (RFC 9110 5.3), and each hop of it counts.
TEST(Sanitize, HopsInSeveralFieldsAreOneList) {
  EXPECT_EQ(forwarded(Forwarded::Append, {{"X-Forwarded-For", "1.1.1.1"}, {"x-forwarded-for", "2.2.2.2, 3.3.3.3"}}),
            "X-Forwarded-For=1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9;X-Forwarded-Proto=http;");
  EXPECT_EQ(forwarded(Forwarded::Append, {{"X-Forwarded-For", "made.up"}, {"X-Forwarded-For", "2.2.2.2"}}, 1),
            "X-Forwarded-For=2.2.2.2, 10.0.0.9;X-Forwarded-Proto=http;");
  EXPECT_EQ(forwarded(Forwarded::Append, {{"Forwarded", "for=1.1.1.1"}, {"Forwarded", "for=2.2.2.2"}}),
            "Forwarded=for=1.1.1.1, for=2.2.2.2, for=10.0.0.9;X-Forwarded-For=10.0.0.9;X-Forwarded-Proto=http;");
}

TEST(Sanitize, WhereTheClientIsNotTrustedItsWordIsReplaced) {
  EXPECT_EQ(forwarded(Forwarded::Replace, {{"X-Forwarded-For", "1.1.1.1"},
                                           {"X-Forwarded-For", "2.2.2.2"},
                                           {"X-Forwarded-Proto", "https"},
                                           {"X-Forwarded-Host", "made.up"},
                                           {"X-Outrider-Attempt", "1/9"},
                                           {"Forwarded", "for=1.1.1.1"}}),
            "X-Forwarded-For=10.0.0.9;X-Forwarded-Proto=http;");
  EXPECT_EQ(forwarded(Forwarded::Off, {{"X-Forwarded-For", "1.1.1.1"}}), "X-Forwarded-For=1.1.1.1;");
}

TEST(Sanitize, WhatIsNotServedIsRefused) {
  Request connect;
  connect.head.method = http::Method::Connect;
  EXPECT_EQ(connect.run().error().status, 501);
  Request upgrade;
  upgrade.head.protocol = "websocket";
  EXPECT_TRUE(upgrade.run());
  Request trace({{"Content-Length", "1"}});
  trace.head.method = http::Method::Trace;
  EXPECT_STREQ(trace.run().error().what, "trace_with_body");
}

std::string normal(std::string_view target, Slash slash = Slash::Keep) {
  Arena arena;
  return std::string(normalize_path(target, slash, arena));
}

TEST(Sanitize, PathsAreToldInTheirNormalForm) {
  const std::pair<const char*, const char*> kPaths[] = {{"/", "/"},
                                                        {"/a/b", "/a/b"},
                                                        {"//", "/"},
                                                        {"///a//b///", "/a/b/"},
                                                        {"/.", "/"},
                                                        {"/./", "/"},
                                                        {"/a/.", "/a/"},
                                                        {"/a/./b", "/a/b"},
                                                        {"/a/..", "/"},
                                                        {"/a/../", "/"},
                                                        {"/a/b/..", "/a/"},
                                                        {"/a/b/../..", "/"},
                                                        {"/a/b/../../c", "/c"},
                                                        {"/a//../b", "/b"},
                                                        {"/...", "/..."},
                                                        {"/.a", "/.a"},
                                                        {"/a..", "/a.."},
                                                        {"/..a/b", "/..a/b"},
                                                        {"/%41%7e%2D", "/A~-"},
                                                        {"/%2e/a", "/a"},
                                                        {"/a/%2E%2e/b", "/b"},
                                                        {"/a%2fb", "/a%2fb"},
                                                        {"/a%2F..%2fb", "/a%2F..%2fb"},
                                                        {"/%20%3f%ff", "/%20%3f%ff"},
                                                        {"/a?b/../c//%41", "/a?b/../c//%41"},
                                                        {"//a?//", "/a?//"},
                                                        {"/a/..?x", "/?x"},
                                                        {"*", "*"}};
  for (const auto& [from, to] : kPaths) EXPECT_EQ(normal(from), to) << from;
}

TEST(Sanitize, PathsThatLeaveTheRootOrHoldNonsenseAreRefused) {
  for (const char* bad : {"/..", "/../", "/../a", "/a/../..", "/a/../../b", "/%2e%2e", "/./../a", "//..", "/%00", "/a%00b", "/%",
                          "/%1", "/%zz", "/a%2", "/%%41"})
    EXPECT_EQ(normal(bad), "") << bad;
}

TEST(Sanitize, EscapedSlashesFollowTheirRule) {
  EXPECT_EQ(normal("/a%2Fb", Slash::Decode), "/a/b");
  EXPECT_EQ(normal("/a%2F..%2fb", Slash::Decode), "/b");
  EXPECT_EQ(normal("/%2F%2f", Slash::Decode), "/");
  EXPECT_EQ(normal("/..%2fa", Slash::Decode), "");
  EXPECT_EQ(normal("/a%2Fb", Slash::Reject), "");
  EXPECT_EQ(normal("/a?%2F", Slash::Reject), "/a?%2F");
}

}  // namespace
}  // namespace outrider::exchange
