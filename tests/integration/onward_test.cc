// Rules for redirected connections, where nobody redirects any. What the kernel does redirect is tests/capture/.

#include <gtest/gtest.h>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

std::string onward(const std::string& listener = {}, const std::string& more = {}) {
  return "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"" + listener +
         "}}\nroutes: {edge: [" + more + "{passthrough: original_dst}]}\n";
}

constexpr char kGet[] = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

TEST(Onward, WhatCameDirectlyIsRefusedAndNotSentInACircle) {
  for (const char* transparent : {"", ", transparent: redirect"}) {
    Proxy proxy(onward(transparent));
    const auto answer = request(proxy.address(), kGet);
    EXPECT_EQ(answer.status(), 503);
    EXPECT_EQ(answer.field("x-outrider-reason"), "not_redirected");
    EXPECT_EQ(answer.field("x-outrider-cluster"), "passthrough");
    EXPECT_NE(answer.body.find("came here directly"), std::string::npos) << answer.body;
    proxy.expect_metric(1, "outrider_passthrough_refused_total", R"(reason="not_redirected")");
    proxy.expect_metric(1, "outrider_requests_total", R"(cluster="passthrough",code="503",flag="no_endpoint")");
    proxy.expect_metric(1, "outrider_connections_total");
  }
}

TEST(Onward, SoAreBytes) {
  Proxy proxy(onward(", protocol: tcp, transparent: redirect"));
  Stream client = proxy.connect();
  client.send("anything");
  EXPECT_TRUE(client.at_end());
  proxy.expect_metric(1, "outrider_passthrough_refused_total", R"(reason="not_redirected")");
}

TEST(Onward, BytesThatCameDirectlyAreNoHttpAsEver) {
  Proxy proxy(onward(", transparent: redirect"));
  Stream client = proxy.connect();
  client.send("*1\r\n$4\r\nPING\r\n\r\n");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 400);
}

TEST(Onward, OtherRulesComeFirst) {
  const auto origin = Origin::answering("by rule");
  Proxy proxy(onward(", transparent: redirect", "{match: {host: web}, cluster: web}, ") + "clusters: {web: {endpoints: [\"" +
              origin->text() + "\"]}}\n");
  EXPECT_EQ(request(proxy.address(), kGet).body, "by rule");
  EXPECT_EQ(request(proxy.address(), "GET / HTTP/1.1\r\nHost: other\r\n\r\n").status(), 503);
}

// A preset's way on is for what was redirected alone: whoever calls directly is told what he was told before.
TEST(Onward, ASidecarTellsDirectCallersThatNobodyIsThere) {
  Proxy proxy("version: 1\nmode: sidecar\nregistry: {kind: none}\n", {"listeners.outbound.address=127.0.0.1:0"});
  const auto answer = request(proxy.address("outbound"), kGet);
  EXPECT_EQ(answer.status(), 404);
  EXPECT_EQ(answer.field("x-outrider-reason"), "no_route");
  proxy.expect_metric(1, "outrider_requests_total", R"(route="none",cluster="",code="404")");
  EXPECT_EQ(proxy.metric("outrider_passthrough_refused_total"), 0);
}

}  // namespace
}  // namespace outrider::test
