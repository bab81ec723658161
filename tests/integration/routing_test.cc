// Rules that ask for more than host and path, as a file has them.

#include <gtest/gtest.h>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

class Routing : public testing::Test {
 protected:
  // Who answers: the name of the rule, in the body.
  std::string asked(const std::string& line, const std::string& fields = "") {
    return request(proxy.address(), line + " HTTP/1.1\r\nHost: shop\r\n" + fields + "Connection: close\r\n\r\n").body;
  }
  Proxy proxy{R"(
version: 1
mode: edge
listeners: {edge: {address: "127.0.0.1:0"}}
routes:
  edge:
    - {match: {method: [POST, PUT]}, respond: {body: method}}
    - {match: {header: {x-beta: "1", user-agent: {prefix: curl}}}, respond: {body: header}}
    - {match: {query: {debug: {present: true}}}, respond: {body: query}}
    - {match: {cookie: {group: {not: a}}, prefix: /cookie}, respond: {body: cookie}}
    - {match: {regex: "/v[0-9]+/.*"}, respond: {body: regex}}
    - {match: {grpc: {service: shop.Cart, method: Add}}, respond: {body: grpc}}
    - {match: {source: {cidr: [10.0.0.0/8]}}, respond: {body: far}}
    - {match: {source: {cidr: [127.0.0.0/8]}, prefix: /near}, respond: {body: near}}
    - {match: {percent: 0%}, respond: {body: nobody}}
    - {respond: {body: rest}}
)"};
};

TEST_F(Routing, ARequestGoesToTheFirstRuleAllOfWhichItFulfils) {
  EXPECT_EQ(asked("POST /"), "method");
  EXPECT_EQ(asked("GET /", "X-Beta: 1\r\nUser-Agent: curl/8\r\n"), "header");
  EXPECT_EQ(asked("GET /", "X-Beta: 1\r\nUser-Agent: wget\r\n"), "rest");
  EXPECT_EQ(asked("GET /?a=1&debug"), "query");
  EXPECT_EQ(asked("GET /cookie", "Cookie: group=b\r\n"), "cookie");
  EXPECT_EQ(asked("GET /cookie"), "cookie");
  EXPECT_EQ(asked("GET /cookie", "Cookie: group=a\r\n"), "rest");
  EXPECT_EQ(asked("GET /v2/cart?x=1"), "regex");
  EXPECT_EQ(asked("GET /x/v2/cart"), "rest");
  EXPECT_EQ(asked("GET /shop.Cart/Add", "Content-Type: application/grpc\r\n"), "grpc");
  EXPECT_EQ(asked("GET /shop.Cart/Add"), "rest");
  EXPECT_EQ(asked("GET /near"), "near");
  EXPECT_EQ(asked("GET /"), "rest");
}

// Two versions of a service, by the labels of its endpoints.
class Split : public testing::Test {
 protected:
  std::string asked(const std::string& fields = "") {
    return request(proxy.address(), "GET / HTTP/1.1\r\nHost: shop\r\n" + fields + "Connection: close\r\n\r\n").body;
  }
  std::unique_ptr<Origin> old = Origin::answering("v1"), next = Origin::answering("v2");
  Proxy proxy{
      "version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "clusters: {cart: {endpoints: [{address: \"" +
      old->text() +
      "\", labels: {version: v1}}, "
      "{address: \"" +
      next->text() +
      "\", labels: {version: v2}}]}}\n"
      "routes:\n  edge:\n"
      "    - {match: {header: {x-test: {present: true}}}, cluster: cart@v2}\n"
      "    - {match: {header: {x-half: {present: true}}, percent: 50%}, sticky: header.x-half, cluster: cart@v2}\n"
      "    - {split: {cart@v1: 3, cart@v2: 1}, sticky: cookie.sid}\n"};
};

TEST_F(Split, LeadsToThoseEndpointsThatHaveTheVersion) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(asked("X-Test: 1\r\n"), "v2");
  EXPECT_EQ(proxy.metric("outrider_requests_total", "cluster=\"cart@v2\",code=\"200\""), 10);
}

TEST_F(Split, SharesByWeightAndKeepsWhoSticks) {
  int second = 0;
  for (int user = 0; user < 200; ++user) {
    const std::string cookie = "Cookie: sid=user" + std::to_string(user) + "\r\n";
    const std::string first = asked(cookie);
    second += first == "v2";
    if (user < 20) EXPECT_EQ(asked(cookie), first);
  }
  EXPECT_NEAR(second, 50, 30) << "five standard deviations";
}

TEST_F(Split, APercentageSticksToo) {
  int second = 0;
  for (int user = 0; user < 100; ++user) {
    const std::string half = "Cookie: sid=1\r\nX-Half: user" + std::to_string(user) + "\r\n";
    const std::string first = asked(half);
    second += first == "v2";
    if (user < 20) EXPECT_EQ(asked(half), first);
  }
  EXPECT_GT(second, 25);
}

// What an endpoint is asked, and what goes back: it tells of the request's first line and fields.
class Rewriting : public testing::Test {
 protected:
  std::string asked(const std::string& target) {
    return request(proxy.address(), "GET " + target + " HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").body;
  }
  std::unique_ptr<Origin> origin = Origin::answering([](const Message& request) {
    std::string body = request.start + " @" + request.field("host") + " team=" + request.field("x-team");
    return "HTTP/1.1 200 OK\r\nServer: app\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  });
  Proxy proxy{
      "version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "clusters: {cart: {endpoints: [\"" +
      origin->text() +
      "\"]}}\n"
      "routes:\n  edge:\n"
      "    - {match: {prefix: /api}, rewrite: {prefix: /}, cluster: cart}\n"
      "    - {match: {path: /home}, rewrite: {path: /index.html, host: cart.internal}, cluster: cart}\n"
      "    - {match: {prefix: /v1}, rewrite: {regex: {match: \"^/v([0-9]+)/([a-z]+)\", replace: '/\\2/\\1'}}, cluster: cart}\n"
      "    - {request_headers: {set: {x-team: shop}}, response_headers: {remove: [server]}, cluster: cart}\n"};
};

TEST_F(Rewriting, TheEndpointIsAskedForAnotherPathOrHost) {
  EXPECT_EQ(asked("/api/cart?x=1"), "GET /cart?x=1 HTTP/1.1 @shop team=");
  EXPECT_EQ(asked("/api"), "GET / HTTP/1.1 @shop team=");
  EXPECT_EQ(asked("/home?x=1"), "GET /index.html?x=1 HTTP/1.1 @cart.internal team=");
  EXPECT_EQ(asked("/v1/cart/2"), "GET /cart/1/2 HTTP/1.1 @shop team=");
}

TEST_F(Rewriting, ARuleChangesHeadersOfItsOwnRequests) {
  const auto answer = request(proxy.address(), "GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer.body, "GET / HTTP/1.1 @shop team=shop");
  EXPECT_EQ(answer.field("server"), "");
  EXPECT_EQ(request(proxy.address(), "GET /api HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").field("server"), "app");
}

// Row 139: tests with two versions, by what a request carries.
TEST(AbRouting, AHeaderOrACookieChoosesTheVersion) {
  const auto a = Origin::answering("a"), b = Origin::answering("b");
  Proxy proxy("version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nclusters: {a: {endpoints: [\"" + a->text() +
              "\"]}, b: {endpoints: [\"" + b->text() +
              "\"]}}\nroutes:\n  edge:\n    - {match: {header: {x-group: {regex: \"b[0-9]+\"}}}, cluster: b}\n"
              "    - {match: {cookie: {group: b}}, cluster: b}\n    - {cluster: a}\n");
  const auto asked = [&](const std::string& fields) {
    return request(proxy.address(), "GET / HTTP/1.1\r\nHost: shop\r\n" + fields + "Connection: close\r\n\r\n").body;
  };
  EXPECT_EQ(asked(""), "a");
  EXPECT_EQ(asked("X-Group: b12\r\n"), "b");
  EXPECT_EQ(asked("X-Group: b\r\n"), "a");
  EXPECT_EQ(asked("Cookie: a=1; group=b\r\n"), "b");
  EXPECT_EQ(asked("Cookie: group=a; xgroup=b\r\n"), "a");
  EXPECT_EQ(proxy.metric("outrider_requests_total", "route=\"edge-1\",cluster=\"b\""), 1);
}

}  // namespace
}  // namespace outrider::test
