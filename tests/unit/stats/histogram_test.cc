#include "stats/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace outrider::stats {
namespace {

TEST(Histogram, EveryBucketBeginsWhereTheOneBeforeItEnds) {
  for (uint32_t i = 0; i < Histogram::kBuckets; ++i) {
    ASSERT_EQ(Histogram::index(Histogram::lower(i)), i);
    if (i > 0) {
      ASSERT_EQ(Histogram::index(Histogram::lower(i) - 1), i - 1);
    }
  }
  EXPECT_EQ(Histogram::index(UINT64_MAX), Histogram::kBuckets - 1);
}

TEST(Histogram, BucketsAreAtMostAnEighthWiderThanTheirLowerEdge) {
  for (uint32_t i = Histogram::kSub; i + 2 < Histogram::kBuckets; ++i)
    ASSERT_LE(double(Histogram::lower(i + 1)), 1.125 * double(Histogram::lower(i))) << i;
}

TEST(Histogram, QuantilesAreWithinSixPercentOfTheSortedSamples) {
  const uint32_t seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 20; ++round) {
    std::lognormal_distribution<double> spread(std::uniform_real_distribution<>(2, 14)(random),
                                               std::uniform_real_distribution<>(0.1, 2)(random));
    Histogram histogram;
    std::vector<uint64_t> samples(std::uniform_int_distribution<size_t>(1, 5000)(random));
    uint64_t sum = 0;
    for (uint64_t& sample : samples) {
      sample = uint64_t(std::min(spread(random), 4e9));
      histogram.observe(sample);
      sum += sample;
    }
    std::sort(samples.begin(), samples.end());
    EXPECT_EQ(histogram.count(), samples.size());
    EXPECT_EQ(histogram.sum(), sum);
    for (double q : {0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
      size_t rank = std::clamp<size_t>(size_t(std::ceil(q * double(samples.size()))), 1, samples.size());
      double exact = double(samples[rank - 1]);
      EXPECT_NEAR(histogram.quantile(q), exact, exact / 17 + 1e-9) << "q " << q << " of " << samples.size();
    }
  }
}

TEST(Histogram, SmallValuesAreExactAndAnEmptyOneIsZero) {
  Histogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0);
  for (uint64_t value : {3, 3, 5}) histogram.observe(value);
  EXPECT_EQ(histogram.quantile(0.5), 3);
  EXPECT_EQ(histogram.quantile(1), 5);
}

TEST(Histogram, ValuesAboveTheTopAreCountedInTheLastBucketAndSummedExactly) {
  Histogram histogram;
  histogram.observe(uint64_t(1) << 40);
  const double bound = 3e7;
  EXPECT_EQ(histogram.cumulative({&bound, 1})[0], 0u);
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_EQ(histogram.sum(), uint64_t(1) << 40);
}

TEST(Histogram, CumulativeCountsRiseWithBoundsAndWithTime) {
  const uint32_t seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<double> bounds(1 + random() % 30);
    for (double& bound : bounds) bound = double(random() % (uint64_t(1) << (1 + random() % 34)));
    std::sort(bounds.begin(), bounds.end());
    Histogram histogram;
    std::vector<uint64_t> before(bounds.size(), 0);
    for (int i = 0; i < 200; ++i) {
      histogram.observe(random() % (uint64_t(1) << (1 + random() % 36)));
      std::vector<uint64_t> now = histogram.cumulative(bounds);
      ASSERT_TRUE(std::is_sorted(now.begin(), now.end()));
      ASSERT_LE(now.back(), histogram.count());
      for (size_t k = 0; k < now.size(); ++k) ASSERT_GE(now[k], before[k]);
      before = now;
    }
  }
}

TEST(Histogram, ABoundOnABucketEdgeCountsExactly) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 4096; ++value) histogram.observe(value);
  const std::vector<double> bounds = {1, 7, 511, 1023, 2047, 4095, 5000};
  EXPECT_EQ(histogram.cumulative(bounds), (std::vector<uint64_t>{1, 7, 511, 1023, 2047, 4095, 4096}));
}

TEST(Histogram, ABoundInsideABucketSharesItOutByLength) {
  Histogram histogram;
  for (uint64_t value = 960; value < 1024; ++value) histogram.observe(value);  // one bucket
  const std::vector<double> bounds = {959, 975, 991, 1000};
  EXPECT_EQ(histogram.cumulative(bounds), (std::vector<uint64_t>{0, 16, 32, 41}));
}

}  // namespace
}  // namespace outrider::stats
