// Requests that are made to wait, to fail or to break.

#include <gtest/gtest.h>

#include <chrono>

#include "filters/fault/decisions.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

class Fault : public testing::Test {
 protected:
  // The filter stands at /hurt alone.
  void start(const std::string& options) {
    proxy_ = std::make_unique<Proxy>(
        "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
        "routes: {edge: [{match: {prefix: /hurt}, cluster: web, filters: [{fault: " +
            options + "}]}, {cluster: web}]}\nclusters: {web: {endpoints: [\"" + origin_->text() + "\"]}}\n",
        std::vector<std::string>{"overload.threads=1"});
  }
  static std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: shop\r\n\r\n"; }
  void expect_counted(double times, const std::string& action) {
    proxy_->expect_metric(times, "outrider_filter_actions_total", "filter=\"fault\",action=\"" + action + "\"");
  }

  std::unique_ptr<Origin> origin_ = Origin::answering("fine");
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(Fault, AnAbortedRequestReachesNobody) {
  start("{abort: {status: 418}}");
  Stream client = proxy_->connect();
  for (int i = 0; i < 3; ++i) {
    client.send(get("/hurt"));
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 418);
    EXPECT_EQ(answer->field("x-outrider-reason"), "fault_abort");
  }
  EXPECT_EQ(origin_->requests(), 0);
  client.send(get("/"));
  EXPECT_EQ(client.read_message()->status(), 200) << "the connection is as good as before";
  expect_counted(3, "aborted");
}

TEST_F(Fault, AResetRequestEndsItsConnectionWithoutAnAnswer) {
  start("{reset: 100%}");
  Stream client = proxy_->connect();
  client.send(get("/hurt"));
  EXPECT_EQ(client.read_all(), "");
  EXPECT_EQ(origin_->requests(), 0);
  EXPECT_EQ(request(proxy_->address(), get("/")).status(), 200);
  expect_counted(1, "reset");
}

TEST_F(Fault, ADelayedRequestWaitsAndOneThatComesLaterDoesNot) {
  start("{delay: {fixed: 10m}}");
  Stream slow = proxy_->connect(), quick = proxy_->connect();
  slow.send(get("/hurt"));
  expect_counted(1, "delayed");
  quick.send(get("/"));
  EXPECT_EQ(quick.read_message()->status(), 200);
  EXPECT_FALSE(slow.await(0));
  EXPECT_EQ(origin_->requests(), 1);
  slow.abort();
  proxy_->expect_metric(0, "outrider_requests_in_flight");
}

TEST_F(Fault, ABodyThatComesMeanwhileIsNotLost) {
  origin_ = Origin::answering([](const Message& message) { return ok(message.body); });
  start("{delay: {fixed: 50ms}}");
  const std::string body(200'000, 'x');
  const Message answer = request(proxy_->address(), "POST /hurt HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: " +
                                                        std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, body);
  expect_counted(1, "delayed");
}

TEST_F(Fault, WhoLeavesMeanwhileIsHeldNoLonger) {
  start("{delay: {fixed: 10m}, max_held: 1}");
  {
    Stream first = proxy_->connect();
    first.send(get("/hurt"));
    expect_counted(1, "delayed");
    Stream second = proxy_->connect();
    second.send(get("/hurt"));
    EXPECT_EQ(second.read_message()->status(), 200) << "over the limit it goes on as it was";
    expect_counted(1, "over_limit");
    first.abort();
  }
  proxy_->expect_metric(0, "outrider_requests_in_flight");
  Stream third = proxy_->connect();
  third.send(get("/hurt"));
  expect_counted(2, "delayed");
  third.abort();
  proxy_->expect_metric(0, "outrider_requests_in_flight");
}

TEST_F(Fault, ARequestsLimitEndsItWhileItWaits) {
  proxy_ = std::make_unique<Proxy>(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "routes: {edge: [{cluster: web, timeout: 20ms, filters: [{fault: {delay: {fixed: 10m}}}]}]}\n"
      "clusters: {web: {endpoints: [\"" +
      origin_->text() + "\"]}}\n");
  EXPECT_EQ(request(proxy_->address(), get("/")).status(), 504);
  EXPECT_EQ(origin_->requests(), 0);
}

// Two rules, of which one alone leads to the cluster of the experiment; whom another filter refuses is none of its business.
TEST_F(Fault, AnExperimentTouchesItsClusterAndNobodyElse) {
  proxy_ = std::make_unique<Proxy>(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "routes: {edge: [{match: {prefix: /web}, cluster: web}, {match: {prefix: /me}, cluster: web, filters: [{ip: {deny: "
      "[127.0.0.1]}}]}, {name: rest, cluster: other}]}\nclusters: {web: {endpoints: [\"" +
      origin_->text() + "\"]}, other: {endpoints: [\"" + origin_->text() +
      "\"]}}\nexperiments: {sick: {cluster: web, for: 1h, blast_radius: 50%, fault: {abort: {status: 418}}}}\n");
  std::string told;
  for (int i = 0; i < 4; ++i) told += std::to_string(request(proxy_->address(), get("/web")).status()) + " ";
  EXPECT_EQ(told, "200 418 200 418 ");
  EXPECT_EQ(request(proxy_->address(), get("/me")).status(), 403);
  EXPECT_EQ(request(proxy_->address(), get("/")).status(), 200);
  EXPECT_EQ(request(proxy_->address(), get("/")).status(), 200);
  expect_counted(2, "aborted");
}

// What the clock of a loop rounds makes a wait longer, never shorter.
TEST_F(Fault, AClientWaitsNoLessThanWasDecided) {
  constexpr int kAsked = 150;
  filters::Decisions decisions({.delay = filters::Delay::lognormal(milliseconds(2), milliseconds(20)), .seed = 42});
  start("{delay: {dist: lognormal, p50: 2ms, p99: 20ms}, seed: 42}");
  Stream client = proxy_->connect();
  for (int i = 0; i < kAsked; ++i) {
    const auto delay = decisions.next().delay;
    const auto asked = std::chrono::steady_clock::now();
    client.send(get("/hurt"));
    const auto answer = client.read_message();
    const auto took = std::chrono::steady_clock::now() - asked;
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200);
    EXPECT_GE(std::chrono::duration_cast<std::chrono::microseconds>(took).count(), delay.count()) << "request " << i;
  }
  expect_counted(kAsked, "delayed");
}

// What a client sees of the n-th request is what the seed says of it, whichever proxy it is, and whoever listens.
TEST_F(Fault, TwoProxiesOfOneSeedDoTheSame) {
  const filters::FaultPlan plan{.delay = filters::Delay::fixed(milliseconds(1)),
                                .delayed = 0.3,
                                .aborted = 0.3,
                                .reset = 0.1,
                                .blast_radius = 0.5,
                                .seed = 42};
  constexpr int kAsked = 100;
  const auto seen = [&](const std::string& seed) {
    start("{delay: {fixed: 1ms, percent: 30%}, abort: {percent: 30%}, reset: 10%, blast_radius: 50%, seed: " + seed + "}");
    std::string text;
    const std::string ask = get("/hurt");
    for (int i = 0; i < kAsked; ++i) {
      Stream client = proxy_->connect();
      client.send(ask);
      const auto answer = client.read_message();
      text += (answer ? std::to_string(answer->status()) : "reset") + " ";
    }
    return text;
  };
  filters::Decisions decisions(plan);
  std::string decided;
  int delayed = 0;
  for (int i = 0; i < kAsked; ++i) {
    const auto decision = decisions.next();
    delayed += decision.delay.count() > 0;
    decided += std::string(decision.reset ? "reset" : decision.abort ? "503" : "200") + " ";
  }
  const std::string first = seen("42");
  EXPECT_EQ(first, decided);
  expect_counted(delayed, "delayed");
  EXPECT_EQ(seen("42"), first);
  expect_counted(delayed, "delayed");
  EXPECT_NE(seen("43"), first);
}

}  // namespace
}  // namespace outrider::test
