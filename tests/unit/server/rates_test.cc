// What two looks at a proxy say of the time between them.

#include "server/rates.h"

#include <gtest/gtest.h>

#include "tests/support/json.h"

namespace outrider::server {
namespace {

Look look_of(const char* stat, const char* clusters = "{}") {
  Look look;
  rapidjson::Document document;
  document.Parse(stat);
  EXPECT_TRUE(look.read_stat(document)) << stat;
  document.Parse(clusters);
  look.read_clusters(document);
  return look;
}

constexpr const char* kBefore =
    R"({"name": "web", "uptime_s": 10, "traffic": [{"direction": "edge", "cluster": "a", "requests": 100,
  "failures": 10, "in_flight": 1, "buckets": [[8, 100]]}], "upstream": [{"cluster": "a", "retries": 5}]})";
constexpr const char* kAfter =
    R"({"name": "web", "uptime_s": 12, "traffic": [{"direction": "edge", "cluster": "a", "requests": 140,
  "failures": 20, "in_flight": 3, "buckets": [[8, 100], [60, 40]]}, {"direction": "edge", "cluster": "b", "requests": 2}],
  "routes": [{"direction": "edge", "route": "r", "cluster": "a", "requests": 4}],
  "peers": [{"direction": "inbound", "peer": "shop/web", "requests": 6}],
  "upstream": [{"cluster": "a", "retries": 9, "connections": 7, "pending": 2}]})";

TEST(Rates, AreOfWhatPassedInBetween) {
  const Rates rates = rates_of(
      look_of(kBefore, R"({"clusters": [{"name": "a", "endpoints": [{"address": "1:1", "requests": 10}]}]})"),
      look_of(kAfter, R"({"clusters": [{"name": "a", "endpoints": [{"address": "1:1", "requests": 30, "state": "ready"}]}]})"));
  EXPECT_DOUBLE_EQ(rates.seconds, 2);
  ASSERT_EQ(rates.traffic.size(), 2u);
  const auto& a = rates.traffic[0];
  EXPECT_DOUBLE_EQ(a.rps, 20);
  EXPECT_DOUBLE_EQ(a.failures, 5);
  EXPECT_DOUBLE_EQ(a.success, 0.75);
  EXPECT_DOUBLE_EQ(a.in_flight, 3);
  EXPECT_DOUBLE_EQ(a.requests, 140);
  EXPECT_NEAR(a.p50 * 1000, double(stats::Histogram::lower(60)), double(stats::Histogram::lower(60)) / 8)
      << "what came before does not count";
  EXPECT_DOUBLE_EQ(rates.traffic[1].rps, 1) << "it was not there before";
  EXPECT_LT(rates.traffic[1].p50, 0);
  EXPECT_DOUBLE_EQ(rates.routes[0].rps, 2);
  EXPECT_DOUBLE_EQ(rates.peers[0].rps, 3);
  EXPECT_DOUBLE_EQ(rates.upstream[0].retries, 2);
  EXPECT_DOUBLE_EQ(rates.upstream[0].pending, 2);
  EXPECT_DOUBLE_EQ(rates.endpoints[0].rps, 10);
}

TEST(Rates, AProxyThatHasStartedAnewIsSeenFromItsStart) {
  const Rates rates = rates_of(look_of(kAfter), look_of(kBefore));
  EXPECT_DOUBLE_EQ(rates.seconds, 10);
  EXPECT_DOUBLE_EQ(rates.traffic[0].rps, 10);
}

TEST(Rates, WhereNothingPassedThereIsNoSuccessAndNoQuantile) {
  const Rates rates = rates_of(look_of(kBefore), look_of(kBefore));
  EXPECT_DOUBLE_EQ(rates.traffic[0].rps, 0);
  EXPECT_LT(rates.traffic[0].success, 0);
  EXPECT_LT(rates.traffic[0].p99, 0);
}

TEST(Rates, AreALineOfJson) {
  std::string line = rates_json(rates_of(look_of(kBefore), look_of(kAfter)));
  ASSERT_TRUE(line.ends_with('\n'));
  line.pop_back();
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_TRUE(test::is_json(line)) << line;
  EXPECT_NE(line.find("\"rps\": 20"), std::string::npos) << line;
}

TEST(Rates, WhatIsNotTheAnswerOfAProxyIsNotRead) {
  Look look;
  rapidjson::Document document;
  for (const char* other : {"[]", "{}", "{\"traffic\": 1}", "3"}) {
    document.Parse(other);
    EXPECT_FALSE(look.read_stat(document)) << other;
  }
  document.Parse(R"({"traffic": [1, {"requests": "x", "buckets": [3, [1], ["a", 2], [100000, 1]]}]})");
  EXPECT_TRUE(look.read_stat(document));
}

}  // namespace
}  // namespace outrider::server
