// When what is served counts as worse than what was served before.

#include "server/guard.h"

#include <gtest/gtest.h>

#include <random>

#include "stats/names.h"
#include "tests/support/loop.h"
#include "tests/support/seed.h"

namespace outrider::server {
namespace {

Ended ended(uint64_t requests, uint64_t failed, uint64_t us = 1000) {
  Ended all{requests, failed, {}};
  for (uint64_t i = 0; i < requests; ++i) all.durations.observe(us);
  return all;
}

const config::Upkeep::Guard kLimits;

TEST(Guard, FailuresBeyondWhatIsAllowedAreWorse) {
  EXPECT_EQ(worse(ended(1000, 0), ended(1000, 0), kLimits), "");
  EXPECT_EQ(worse(ended(1000, 0), ended(1000, 20), kLimits), "") << "2% more is allowed";
  EXPECT_NE(worse(ended(1000, 0), ended(1000, 60), kLimits), "");
  EXPECT_EQ(worse(ended(1000, 500), ended(1000, 510), kLimits), "") << "half of them failed before, too";
  EXPECT_NE(worse(ended(1000, 100), ended(1000, 200), kLimits), "");
  EXPECT_EQ(worse(ended(1000, 0), ended(1000, 60), kLimits).substr(0, 43), "60 of 1000 requests failed (6.00%), before ");
}

TEST(Guard, AFewRequestsAreEnoughWhereAllOfThemFail) {
  EXPECT_EQ(worse(ended(1000, 0), ended(1, 1), kLimits), "") << "chance";
  EXPECT_NE(worse(ended(1000, 0), ended(3, 3), kLimits), "");
  EXPECT_EQ(worse({}, ended(3, 3), kLimits), "") << "nobody knows how it was before";
  EXPECT_NE(worse({}, ended(40, 40), kLimits), "");
  EXPECT_EQ(worse(ended(1000, 0), {}, kLimits), "");
}

TEST(Guard, SlowerByMoreThanIsAllowedIsWorse) {
  EXPECT_EQ(worse(ended(1000, 0, 100'000), ended(1000, 0, 140'000), kLimits), "");
  EXPECT_NE(worse(ended(1000, 0, 100'000), ended(1000, 0, 190'000), kLimits), "");
  EXPECT_EQ(worse(ended(1000, 0, 500), ended(1000, 0, 5000), kLimits), "") << "a few milliseconds";
  EXPECT_EQ(worse(ended(50, 0, 100'000), ended(1000, 0, 900'000), kLimits), "") << "too few to know a 99th percentile";
  Ended tail = ended(1000, 0, 100'000);
  for (int i = 0; i < 60; ++i) tail.durations.observe(1'000'000);
  tail.requests += 60;
  EXPECT_NE(worse(ended(1000, 0, 100'000), tail, kLimits), "") << "of some";
}

// Sixty looks in a window, each with what has come until then: a guard that cries wolf once in a thousand reloads is switched
// off.
TEST(Guard, ChanceIsLeftOut) {
  std::mt19937_64 random(test::seeded_random().next());
  int alarms = 0;
  for (int reload = 0; reload < 300; ++reload) {
    std::binomial_distribution<uint64_t> fails(20, 0.05);
    std::lognormal_distribution<double> takes(9, 1);
    Ended before, after;
    const auto more = [&](Ended& to) {
      to.requests += 20;
      to.failed += fails(random);
      for (int i = 0; i < 20; ++i) to.durations.observe(uint64_t(takes(random)));
    };
    for (int i = 0; i < 60; ++i) more(before);
    bool alarm = false;
    for (int i = 0; i < 60 && !alarm; ++i) {
      more(after);
      alarm = !worse(before, after, kLimits).empty();
    }
    alarms += alarm;
  }
  EXPECT_LE(alarms, 1) << "of 300 reloads that changed nothing";
}

struct Heard final : GuardEvents {
  void on_worse(const std::string& text) override { why = text; }
  void on_passed(bool judged) override { passed = judged ? "judged" : "nobody came"; }
  std::string why, passed;
};

struct GuardTest : testing::Test {
  net::Loop loop;
  stats::Catalog catalog;
  std::unique_ptr<stats::Shard> shard = catalog.make_shard();
  Heard heard;
  Guard guard{loop, catalog, heard};
  void end(int n, const char* code, const char* flag) {
    shard->add(catalog.slot(stats::names::kRequests, {{"code", code}, {"flag", flag}}), uint64_t(n));
  }
  void SetUp() override {
    config::Upkeep::Guard limits;
    limits.window = milliseconds(300);
    guard.follow(limits);
  }
};

TEST_F(GuardTest, SaysSoBeforeTheWindowIsOver) {
  end(1000, "200", "none");
  guard.watch();
  end(30, "503", "connect_failure");
  ASSERT_TRUE(test::run_until(loop, [&] { return !heard.why.empty(); }));
  EXPECT_FALSE(guard.watching());
  EXPECT_EQ(heard.passed, "");
}

TEST_F(GuardTest, AClientThatLeavesIsNoFailure) {
  end(1000, "200", "none");
  guard.watch();
  end(1000, "other", "downstream_gone");
  end(1000, "404", "none");
  ASSERT_TRUE(test::run_until(loop, [&] { return !heard.passed.empty(); }));
  EXPECT_EQ(heard.passed, "judged");
  EXPECT_EQ(heard.why, "");
}

TEST_F(GuardTest, ARuleThatIsGoneIsAFailure) {
  end(1000, "200", "none");
  guard.watch();
  end(30, "404", "no_route");
  ASSERT_TRUE(test::run_until(loop, [&] { return !heard.why.empty(); }));
}

TEST_F(GuardTest, NobodyCame) {
  guard.watch();
  ASSERT_TRUE(test::run_until(loop, [&] { return !heard.passed.empty(); }));
  EXPECT_EQ(heard.passed, "nobody came");
}

}  // namespace
}  // namespace outrider::server
