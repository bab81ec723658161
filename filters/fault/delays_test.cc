// Delays are of the distribution that was asked for: the decisions, and what is asked of the clock for them.
//
// The test of Kolmogorov and Smirnov is one of a sample and a distribution that is known: a file of latencies is one as well,
// each of its lines as likely as the others, and not a sample of something else (the test of two samples would take it for one,
// and forgive more). It wants a distribution without steps, while files and whole milliseconds are nothing but steps, where it
// would forgive too much. So each value is spread evenly over its own step (the randomised probability integral transform;
// Brockwell 2007): what comes of it is uniform if, and only if, the values are as they should be, and the test is exact.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>

#include "filters/fault/decisions.h"
#include "tests/support/seat.h"
#include "tests/support/sockets.h"

namespace outrider::filters {
namespace {

constexpr size_t kSamples = 100'000;
constexpr double kNormal99 = 2.3263478740408408;
constexpr uint64_t kSeeds[] = {0, 1, 42, 4711};

// How far from it these are, and how likely others of the same distribution are as far or farther.
struct Far {
  double distance, p;
};

Far from_uniform(std::vector<double> numbers) {
  std::sort(numbers.begin(), numbers.end());
  const double n = double(numbers.size());
  double distance = 0;
  for (size_t i = 0; i < numbers.size(); ++i)
    distance = std::max({distance, numbers[i] - double(i) / n, double(i + 1) / n - numbers[i]});
  const double lambda = (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)) * distance;
  double p = 0;
  for (int k = 1; k <= 100; ++k) p += (k % 2 ? 2 : -2) * std::exp(-2.0 * k * k * lambda * lambda);
  return {distance, std::clamp(p, 0.0, 1.0)};
}

// Of a value: how likely are smaller ones, and how likely is one that is no larger? Both the same where there are no steps.
struct Distribution {
  std::function<double(double)> below, up_to;
};

Far far(const std::vector<double>& samples, const Distribution& asked) {
  Random random(4711);  // not the generator that is tested
  std::vector<double> numbers;
  for (const double sample : samples) {
    const double below = asked.below(sample);
    numbers.push_back(below + random.unit() * (asked.up_to(sample) - below));
  }
  return from_uniform(std::move(numbers));
}

void expect_of(const Distribution& asked, const std::vector<double>& samples, const std::string& what, uint64_t seed) {
  ASSERT_EQ(samples.size(), kSamples);
  const auto [distance, p] = far(samples, asked);
  std::printf("%s, seed %llu: D %.5f, p %.3f\n", what.c_str(), static_cast<unsigned long long>(seed), distance, p);
  EXPECT_GT(p, 0.05) << what << ", seed " << seed;
}

Distribution lognormal(double p50, double p99) {
  const double sigma = std::log(p99 / p50) / kNormal99;
  const auto up_to = [=](double value) {
    return value <= 0 ? 0 : 0.5 * std::erfc(-std::log(value / p50) / sigma / std::sqrt(2));
  };
  return {up_to, up_to};
}

Distribution lines_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double n = double(values.size());
  return {[=](double value) { return double(std::lower_bound(values.begin(), values.end(), value) - values.begin()) / n; },
          [=](double value) { return double(std::upper_bound(values.begin(), values.end(), value) - values.begin()) / n; }};
}

// What is decided, in microseconds.
std::vector<double> decided(const FaultPlan& plan, const std::vector<microseconds>* values = nullptr) {
  Decisions decisions(plan);
  std::vector<double> out;
  while (out.size() < kSamples)
    if (const Decision decision = decisions.next(values); decision.delay.count() > 0)
      out.push_back(double(decision.delay.count()));
  return out;
}

// What the filter asks of the clock, in microseconds.
std::vector<double> asked_for(const std::string& options) {
  const auto fault = test::made("fault", options);
  EXPECT_EQ(fault->feed()->load(), "");
  std::vector<double> out;
  for (size_t i = 0; i < kSamples; ++i) {
    test::Seat seat;
    if (fault->on_request(seat) == filter::Verdict::Pause) out.push_back(double(seat.waits.count()));
    fault->on_complete(seat);
  }
  return out;
}

std::string with_seed(const std::string& delay, uint64_t seed) {
  return "{delay: {" + delay + "}, seed: " + std::to_string(seed) + "}";
}

// As if measured: many between 300 us and 3 ms, some again and again, a few very long.
std::vector<microseconds> measured() {
  Random random(7);
  std::vector<microseconds> values;
  for (int i = 0; i < 4'000; ++i) values.emplace_back(300 + int64_t(2'700 * random.unit() * random.unit()));
  for (int i = 0; i < 500; ++i) values.emplace_back(5'000);
  for (int i = 0; i < 40; ++i) values.emplace_back(40'000 + i * 1'000);
  return values;
}

std::string text_of(const std::vector<microseconds>& values) {
  std::string text = "# of yesterday\n\n";
  for (const auto value : values) text += std::to_string(value.count()) + "us\n";
  return text;
}

std::vector<double> numbers_of(const std::vector<microseconds>& values) {
  std::vector<double> numbers;
  for (const auto value : values) numbers.push_back(double(value.count()));
  return numbers;
}

TEST(FaultDelays, AreLognormalAsWasAskedFor) {
  const std::pair<int, int> table[] = {{20, 200}, {1, 2}, {100, 5'000}};
  for (const auto& [p50, p99] : table)
    for (const uint64_t seed : kSeeds) {
      const std::string what = "p50 " + std::to_string(p50) + " ms, p99 " + std::to_string(p99) + " ms";
      FaultPlan plan{.delay = Delay::lognormal(milliseconds(p50), milliseconds(p99)), .delayed = 0.5, .seed = seed};
      expect_of(lognormal(p50 * 1e3, p99 * 1e3), decided(plan), what, seed);
      const std::string options = "dist: lognormal, p50: " + std::to_string(p50) + "ms, p99: " + std::to_string(p99) + "ms";
      expect_of(lognormal(p50 * 1e3, p99 * 1e3), asked_for(with_seed(options, seed)), what + ", asked for", seed);
    }
}

TEST(FaultDelays, AreThoseOfTheFile) {
  const auto values = measured();
  const auto read = read_latencies(text_of(values));
  ASSERT_TRUE(read) << read.why();
  const test::TemporaryDirectory folder;
  const std::string path = folder.file("a");
  std::ofstream(path) << text_of(values);
  for (const uint64_t seed : kSeeds) {
    const FaultPlan plan{.delay = Delay::measured(), .seed = seed};
    expect_of(lines_of(numbers_of(values)), decided(plan, read->get()), "of a file", seed);
    expect_of(lines_of(numbers_of(values)), asked_for(with_seed("file: " + path, seed)), "of a file, asked for", seed);
  }
}

TEST(FaultDelays, OfAFixedTimeAreThatTime) {
  for (const uint64_t seed : kSeeds)
    for (const double wait : asked_for(with_seed("fixed: 7ms", seed))) ASSERT_EQ(wait, 7'000);
}

// The seeds above were not chosen until it fitted: of all seeds one in twenty is to be so far away.
TEST(FaultDelays, AreAsFarAwayAsChanceHasThem) {
  int lognormals = 0, files = 0;
  const auto values = measured();
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const FaultPlan plan{.delay = Delay::lognormal(milliseconds(20), milliseconds(200)), .seed = seed};
    lognormals += far(decided(plan), lognormal(20e3, 200e3)).p <= 0.05;
    files += far(decided({.delay = Delay::measured(), .seed = seed}, &values), lines_of(numbers_of(values))).p <= 0.05;
  }
  std::printf("of 40 seeds p <= 0.05: %d lognormal, %d of a file\n", lognormals, files);
  EXPECT_LE(lognormals, 6);  // more: 3 times in 1,000
  EXPECT_LE(files, 6);
}

TEST(FaultDelays, OfAnotherDistributionAreNoticed) {
  const FaultPlan plan{.delay = Delay::lognormal(milliseconds(20), milliseconds(200))};
  EXPECT_LT(far(decided(plan), lognormal(20.5e3, 200e3)).p, 0.05);
  EXPECT_LT(far(decided(plan), lognormal(20e3, 210e3)).p, 0.05);
  EXPECT_LT(far(asked_for(with_seed("dist: lognormal, p50: 20ms, p99: 200ms", 0)), lognormal(20, 200)).p, 0.05)
      << "whole milliseconds are not those that they were rounded from";
  std::vector<microseconds> values(9, microseconds(1'000));
  values.emplace_back(2'000);
  std::vector<double> other(10, 1'000);
  other.push_back(2'000);
  EXPECT_GT(far(decided({.delay = Delay::measured()}, &values), lines_of(numbers_of(values))).p, 0.05);
  EXPECT_LT(far(decided({.delay = Delay::measured()}, &values), lines_of(other)).p, 0.05) << "a tenth is not an eleventh";
}

TEST(FaultDelays, SaysWhichLineOfAFileIsNone) {
  EXPECT_EQ(read_latencies("5ms\nsoon\n").why(), "line 2: expected a duration of at most 10m, like 12.5ms");
  EXPECT_EQ(read_latencies("# none\n").why(), "there is no duration in it");
}

}  // namespace
}  // namespace outrider::filters
