// Requests that would only fail are refused in time.

#include "upstream/throttle.h"

#include <gtest/gtest.h>

#include "tests/support/seed.h"

namespace outrider::upstream {
namespace {

constexpr TimePoint kStart{seconds(1000)};

void record(Throttle& throttle, TimePoint now, int good, int bad) {
  for (int i = 0; i < good; ++i) throttle.record(now, true);
  for (int i = 0; i < bad; ++i) throttle.record(now, false);
}

// Row 73.
TEST(Throttle, RefusesWithTheProbabilityOfTheBook) {
  for (const int bad : {0, 5, 6, 20, 50}) {
    Throttle throttle(0.95);
    record(throttle, kStart, 100 - bad, bad);
    EXPECT_DOUBLE_EQ(throttle.probability(kStart), std::max(0.0, (100 - (100 - bad) / 0.95) / 101)) << bad;
  }
}

TEST(Throttle, OneInFiveIsLetInHoweverBadItIs) {
  Throttle throttle(0.95);
  record(throttle, kStart, 0, 10'000);
  EXPECT_DOUBLE_EQ(throttle.probability(kStart), 0.8);
}

TEST(Throttle, OfAFewNothingIsConcluded) {
  Throttle throttle(0.95);
  record(throttle, kStart, 0, 19);
  EXPECT_EQ(throttle.probability(kStart), 0);
  record(throttle, kStart, 0, 1);
  EXPECT_GT(throttle.probability(kStart), 0.7);
}

TEST(Throttle, ForgetsWithinHalfAMinute) {
  Throttle throttle(0.95);
  record(throttle, kStart, 0, 100);
  record(throttle, kStart + seconds(20), 100, 0);
  EXPECT_GT(throttle.probability(kStart + seconds(29)), 0.4);
  EXPECT_EQ(throttle.probability(kStart + seconds(30)), 0);
  record(throttle, kStart + seconds(31), 0, 100);
  EXPECT_GT(throttle.probability(kStart + seconds(31)), 0.4);
  EXPECT_EQ(throttle.probability(kStart + seconds(1000)), 0);
  record(throttle, kStart + seconds(1000), 0, 20);
  EXPECT_GT(throttle.probability(kStart + seconds(1000)), 0.7);
}

TEST(Throttle, DrawsSoManyOfThem) {
  Throttle throttle(1);
  record(throttle, kStart, 50, 50);
  Random random = test::seeded_random();
  int refused = 0;
  for (int i = 0; i < 100'000; ++i) refused += throttle.refuses(kStart, random);
  EXPECT_NEAR(refused / 100'000.0, 50 / 101.0, 0.02);
}

// A service that fails for a minute, and then is well: it has all of its requests again soon after.
TEST(Throttle, AServiceThatIsWellAgainHasItsRequestsBack) {
  Throttle throttle(0.95);
  Random random = test::seeded_random();
  TimePoint now = kStart;
  const auto run = [&](int seconds_, bool well) {
    int refused = 0;
    for (int i = 0; i < seconds_ * 100; ++i) {
      now += milliseconds(10);
      if (throttle.refuses(now, random)) ++refused;
      else throttle.record(now, well);
    }
    return refused;
  };
  EXPECT_EQ(run(60, true), 0);
  EXPECT_GT(run(60, false), 3000);
  run(40, true);
  EXPECT_EQ(run(10, true), 0);
}

}  // namespace
}  // namespace outrider::upstream
