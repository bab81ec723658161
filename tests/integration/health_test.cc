// Endpoints that are asked how they are (FEATURES rows 54 and 67).

#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";

// Answers requests with its name, and says of itself what it is told to.
struct App {
  explicit App(std::string name) : name_(std::move(name)) {}
  std::atomic<bool> well{true};
  std::atomic<int> asked{0};

 private:
  const std::string name_;

 public:
  std::unique_ptr<Origin> origin = Origin::answering([this](const Message& message) -> std::string {
    if (message.start.find(" /healthz ") == std::string::npos) return ok(name_);
    ++asked;
    return well ? ok("well") : "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
  });
};

void expect_endpoints(Proxy& proxy, double ready, double unhealthy) {
  proxy.expect_metric(ready, "outrider_cluster_endpoints", "state=\"ready\"");
  proxy.expect_metric(unhealthy, "outrider_cluster_endpoints", "state=\"unhealthy\"");
}

std::set<std::string> answered_by(Proxy& proxy, int times) {
  std::set<std::string> names;
  for (int i = 0; i < times; ++i) {
    const auto answer = request(proxy.address(), kGet);
    EXPECT_EQ(answer.status(), 200) << answer.body;
    names.insert(answer.body);
  }
  return names;
}

TEST(ActiveHealth, WhoSaysOverHttpThatItIsUnwellGetsNothingUntilItIsWell) {
  App a("a"), b("b");
  Proxy proxy(Proxy::edge({a.origin->text(), b.origin->text()},
                          "lb: round_robin, panic: 0%, health_check: {http: /healthz, interval: 20ms, timeout: 20ms, healthy: 2, "
                          "unhealthy: 2}"),
              {"overload.threads=1"});
  expect_endpoints(proxy, 2, 0);
  EXPECT_EQ(answered_by(proxy, 4), (std::set<std::string>{"a", "b"}));
  b.well = false;
  expect_endpoints(proxy, 1, 1);
  EXPECT_EQ(answered_by(proxy, 10), (std::set<std::string>{"a"}));
  b.well = true;
  expect_endpoints(proxy, 2, 0);
  EXPECT_EQ(answered_by(proxy, 4), (std::set<std::string>{"a", "b"}));
  EXPECT_GT(a.asked, 2);
}

TEST(ActiveHealth, OverTcpWhoTakesNoConnectionIsUnwell) {
  App a("a"), b("b");
  Proxy proxy(
      Proxy::edge({a.origin->text(), b.origin->text()},
                  "lb: round_robin, panic: 0%, retry: off, outlier_detection: off, health_check: {tcp: connect, interval: "
                  "20ms, timeout: 20ms, unhealthy: 1}"),
      {"overload.threads=1"});
  expect_endpoints(proxy, 2, 0);
  b.origin->stop();
  expect_endpoints(proxy, 1, 1);
  EXPECT_EQ(answered_by(proxy, 10), (std::set<std::string>{"a"})) << "without a retry: it is not asked";
}

TEST(Panic, WhereTooFewAreWellAllAreAsked) {
  App a("a"), b("b"), c("c");
  const auto of = [&](const char* panic) {
    return Proxy::edge({a.origin->text(), b.origin->text(), c.origin->text()},
                       std::string("lb: round_robin, panic: ") + panic +
                           ", health_check: {http: /healthz, interval: 20ms, timeout: 20ms, unhealthy: 1, healthy: 1}");
  };
  b.well = c.well = false;
  Proxy proxy(of("50%"), {"overload.threads=1"}), patient(of("20%"), {"overload.threads=1"});
  for (Proxy* each : {&proxy, &patient}) expect_endpoints(*each, 1, 2);
  proxy.expect_metric(1, "outrider_cluster_panic");
  EXPECT_EQ(answered_by(proxy, 9), (std::set<std::string>{"a", "b", "c"}));
  EXPECT_EQ(patient.metric("outrider_cluster_panic"), 0);
  EXPECT_EQ(answered_by(patient, 9), (std::set<std::string>{"a"}));
  b.well = true;
  expect_endpoints(proxy, 2, 1);
  proxy.expect_metric(0, "outrider_cluster_panic");
  EXPECT_EQ(answered_by(proxy, 9), (std::set<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace outrider::test
