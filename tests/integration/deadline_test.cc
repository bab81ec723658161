// Row 44: what is left of a request's time goes on to the next hop, and is kept there. Of calls of gRPC: grpc_test.cc.

#include <gtest/gtest.h>

#include "base/text.h"
#include "tests/support/mutual_tls.h"

namespace outrider::test {
namespace {

const std::string kField = "x-outrider-timeout-ms";

std::string asking(const std::string& field) { return "GET / HTTP/1.1\r\nHost: shop\r\n" + field + "\r\n"; }

// Milliseconds that the mirror was told of; 0: none.
uint64_t told(const Message& answer) {
  const size_t at = answer.body.find(kField + ": ");
  if (at == answer.body.npos) return 0;
  const size_t from = at + kField.size() + 2;
  return parse_number(std::string_view(answer.body).substr(from, answer.body.find('\n', from) - from)).value_or(0);
}

std::string edge_to(const Origin& origin, const std::string& rule) {
  return "version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\", http: {forwarded: append}}}\nregistry: {kind: none}\n"
         "clusters: {web: {timeout: 0, retry: {attempts: 0}, endpoints: [\"" +
         origin.address().text() + "\"]}}\nroutes: {edge: [{cluster: web" + rule + "}]}\n";
}

TEST(Deadlines, TheShorterOfRuleAndCallerIsTheLimitAndGoesOn) {
  const auto app = mirror();
  struct Row {
    const char *rule, *field;
    uint64_t most;  // 0: nothing goes on
  };
  for (const Row& row : {Row{"", "", 0}, Row{"", "X-Outrider-Timeout-Ms: 60000\r\n", 60'000},
                         Row{", timeout: 20s", "X-Outrider-Timeout-Ms: 60000\r\n", 20'000},
                         Row{", timeout: 2h", "X-Outrider-Timeout-Ms: 60000\r\n", 60'000}, Row{", timeout: 20s", "", 0}}) {
    Proxy proxy(edge_to(*app, row.rule));
    const Message answer = request(proxy.address(), asking(row.field));
    ASSERT_EQ(answer.status(), 200);
    EXPECT_LE(told(answer), row.most) << row.rule << row.field;
    EXPECT_EQ(told(answer) > 0, row.most > 0) << row.rule << row.field << answer.body;
  }
}

TEST(Deadlines, WhatIsNoNumberIsTheEndpointsToJudge) {
  const auto app = mirror();
  Proxy proxy(edge_to(*app, ""));
  for (const char* value : {"soon", "-1", "86400001", "99999999999999999999"}) {
    const Message answer = request(proxy.address(), asking(kField + ": " + value + "\r\n"));
    ASSERT_EQ(answer.status(), 200) << value;
    EXPECT_TRUE(has(answer.body, kField + ": " + value)) << answer.body;
  }
}

TEST(Deadlines, WhoSaysThatItIsOverIsAnsweredSo) {
  Origin silent([](Stream& connection) { connection.read_all(); });
  Proxy proxy(edge_to(silent, ""));
  for (const char* value : {"0", "1", "30"}) {
    const Message answer = request(proxy.address(), asking(kField + ": " + value + "\r\n"));
    EXPECT_EQ(answer.status(), 504) << value;
    EXPECT_EQ(answer.field("x-outrider-reason"), "request_timeout") << value;
  }
}

TEST(Deadlines, StrangersAtTheEdgeSetNone) {
  const auto app = mirror();
  Proxy proxy(Proxy::edge({app->address().text()}, "", "http: {forwarded: replace}"));
  const Message answer = request(proxy.address(), asking("X-Outrider-Timeout-Ms: 60000\r\n"));
  ASSERT_EQ(answer.status(), 200);
  EXPECT_EQ(told(answer), 0u) << answer.body;
}

// The rule is the caller's; the application is told by its own sidecar what is left.
class MeshDeadlines : public MutualTls {};

TEST_F(MeshDeadlines, WhatIsLeftGoesOnBetweenSidecarsToTheApplication) {
  auto set = common("web", "web");
  for (const char* each : {"listeners.outbound.address=127.0.0.1:0", "defaults.cluster.timeout=40s"}) set.push_back(each);
  Proxy web("version: 1\nmode: sidecar\n", std::move(set));
  seed = registry_of(web);
  const auto app = mirror();
  Proxy shop("version: 1\nmode: sidecar\n", replica("one", std::to_string(app->address().port())));
  Message answer;
  until("an answer", [&] { return (answer = request(web.address("outbound"), asking(""))).status() == 200; });
  EXPECT_GT(told(answer), 0u) << answer.body;
  EXPECT_LE(told(answer), 40'000u) << answer.body;
}

}  // namespace
}  // namespace outrider::test
