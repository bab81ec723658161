// How long answers took of late.

#include "upstream/recent_latency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace outrider::upstream {
namespace {

constexpr auto kWindow = RecentLatency::kWindow;
const TimePoint kStart{std::chrono::hours(1)};

TEST(RecentLatency, IsNearTheExactPercentile) {
  const uint64_t seed = random_seed();
  Random random(seed);
  for (const double median_us : {2'000.0, 40'000.0, 900'000.0}) {
    RecentLatency recent;
    std::vector<double> all;
    for (int i = 0; i < 10'000; ++i) {
      all.push_back(median_us * std::exp(2 * random.unit() - 1));
      recent.observe(uint64_t(all.back()), kStart);
    }
    std::sort(all.begin(), all.end());
    for (const double q : {0.5, 0.95, 0.99}) {
      const double exact_ms = all[size_t(q * double(all.size())) - 1] / 1000;
      const auto found = recent.quantile(q, 100, kStart);
      ASSERT_TRUE(found);
      EXPECT_NEAR(double(found->count()), exact_ms, exact_ms * 0.07 + 1) << q << " of " << median_us << ", seed " << seed;
    }
  }
}

TEST(RecentLatency, SaysNothingOfFewAnswers) {
  RecentLatency recent;
  for (int i = 0; i < 99; ++i) recent.observe(5'000, kStart);
  EXPECT_FALSE(recent.quantile(0.5, 100, kStart));
  recent.observe(5'000, kStart);
  EXPECT_TRUE(recent.quantile(0.5, 100, kStart));
  EXPECT_FALSE(RecentLatency().quantile(0.5, 1, kStart));
}

TEST(RecentLatency, ForgetsAWindowAfterTheOther) {
  RecentLatency recent;
  for (int i = 0; i < 100; ++i) recent.observe(100'000, kStart);
  for (int i = 0; i < 300; ++i) recent.observe(1'000, kStart + kWindow);
  EXPECT_GT(recent.quantile(0.9, 1, kStart + kWindow)->count(), 90) << "the window before counts as well";
  EXPECT_LE(recent.quantile(0.9, 1, kStart + 2 * kWindow)->count(), 2) << "and the one before that does not";
  EXPECT_TRUE(recent.quantile(0.9, 300, kStart + 2 * kWindow));
  EXPECT_FALSE(recent.quantile(0.9, 1, kStart + 3 * kWindow)) << "nobody has answered for long";
}

TEST(RecentLatency, ForgetsAllBehindALongSilence) {
  RecentLatency recent;
  for (int i = 0; i < 100; ++i) recent.observe(100'000, kStart);
  EXPECT_FALSE(recent.quantile(0.9, 1, kStart + 10 * kWindow));
  recent.observe(3'000, kStart + 10 * kWindow);
  EXPECT_LE(recent.quantile(0.9, 1, kStart + 10 * kWindow)->count(), 4);
}

}  // namespace
}  // namespace outrider::upstream
