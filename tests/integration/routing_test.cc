// Rules that ask for more than host and path, as a file has them.

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace outrider::test
