// Who is left out for what it did, and how it comes back.

#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";

std::string failure() { return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"; }

// Takes every request in, and never answers.
struct Silent {
  std::atomic<int> requests{0};
  Origin origin{[this](Stream& connection) {
    while (connection.read_message()) ++requests;
  }};
};

TEST(Outliers, AnEndpointThatAcceptsAndNeverAnswersIsEjectedAfterThreeTries) {
  Silent silent;
  const auto good = Origin::answering("fine"), other = Origin::answering("fine");
  Proxy proxy(Proxy::edge({silent.origin.text(), good->text(), other->text()},
                          "lb: round_robin, retry: {per_try_timeout: 1s}, outlier_detection: {base_ejection: 1h}"),
              {"overload.threads=1"});
  int failed = 0;
  for (int i = 0; i < 60; ++i) {
    const int status = request(proxy.address(), kGet).status();
    failed += status != 200;
    if (status != 200) EXPECT_EQ(status, 504);
  }
  EXPECT_EQ(failed, 3);
  EXPECT_EQ(silent.requests, 3);
  EXPECT_EQ(proxy.metric("outrider_cluster_ejections_total", "reason=\"no_answer\""), 1);
  EXPECT_EQ(proxy.metric("outrider_cluster_endpoints", "state=\"ejected\""), 1);
  EXPECT_NE(proxy.get("/clusters").body.find("did not answer in time, or broke off; tried again in "), std::string::npos);
}

TEST(Outliers, ARequestThatIsTriedElsewhereDoesNotFailOverIt) {
  Silent silent;
  const auto good = Origin::answering("fine");
  Proxy proxy(Proxy::edge({silent.origin.text(), good->text()},
                          "lb: round_robin, retry: {when: [safe, timeout], per_try_timeout: 1s, backoff: {max: 1ms}}, "
                          "outlier_detection: {base_ejection: 1h}"),
              {"overload.threads=1"});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(request(proxy.address(), kGet).status(), 200);
  EXPECT_EQ(silent.requests, 3);
  EXPECT_EQ(proxy.metric("outrider_cluster_ejections_total"), 1);
}

TEST(Outliers, TheLimitOfTheWholeRequestCountsToo) {
  Silent silent;
  const auto good = Origin::answering("fine");
  Proxy proxy(
      Proxy::edge({silent.origin.text(), good->text()}, "lb: round_robin, timeout: 1s, outlier_detection: {base_ejection: 1h}"),
      {"overload.threads=1"});
  int failed = 0;
  for (int i = 0; i < 20; ++i) failed += request(proxy.address(), kGet).status() != 200;
  EXPECT_EQ(failed, 3);
  EXPECT_EQ(silent.requests, 3);
}

TEST(Outliers, OneRequestTriesWhetherAnEndpointIsWellAgain) {
  std::atomic<bool> ill{true};
  const auto sick = Origin::answering([&](const Message&) { return ill ? failure() : ok("well"); });
  const auto good = Origin::answering("fine");
  Proxy proxy(Proxy::edge({sick->text(), good->text()}, "lb: round_robin, outlier_detection: {base_ejection: 50ms}"),
              {"overload.threads=1"});
  int failed = 0;
  const auto ejections = [&] { return proxy.metric("outrider_cluster_ejections_total", "reason=\"gateway_error\""); };
  for (int i = 0; i < 100000 && ejections() < 3; ++i) failed += request(proxy.address(), kGet).status() == 503;
  EXPECT_EQ(ejections(), 3);
  EXPECT_EQ(failed, 5 + 1 + 1);  // in a row, and then one each time
  ill = false;
  bool well = false;
  for (int i = 0; i < 100000 && !well; ++i) well = request(proxy.address(), kGet).body == "well";
  EXPECT_TRUE(well);
  proxy.expect_metric(0, "outrider_cluster_endpoints", "state=\"ejected\"");
}

TEST(Outliers, OffLeavesEverybodyIn) {
  const auto sick = Origin::answering([](const Message&) { return failure(); });
  const auto good = Origin::answering("fine");
  Proxy proxy(Proxy::edge({sick->text(), good->text()}, "lb: round_robin, outlier_detection: off"), {"overload.threads=1"});
  for (int i = 0; i < 40; ++i) request(proxy.address(), kGet);
  EXPECT_EQ(sick->requests(), 20);
  EXPECT_EQ(proxy.metric("outrider_cluster_ejections_total"), 0);
}

}  // namespace
}  // namespace outrider::test
