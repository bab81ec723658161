#include "net/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/support/seed.h"

namespace outrider::net {
namespace {

using test::seeded_random;

TimePoint at_ms(int64_t ms) { return TimePoint(milliseconds(ms)); }

// Writes down when it fired and checks that this was not early and not later than asked for.
struct Probe final : Timer {
  void on_timer() override {
    EXPECT_GE(*now, due) << "early";
    ++fired;
    if (order) order->push_back(number);
    if (again) again(*this);
  }
  const TimePoint* now = nullptr;
  TimePoint due{};
  int fired = 0, number = 0;
  std::vector<int>* order = nullptr;
  void (*again)(Probe&) = nullptr;
  TimerWheel* wheel = nullptr;
};

TEST(TimerWheel, FiresInTheTickBehindItsTimeAndNeverBefore) {
  for (const int64_t start : {0, 5, 1000003})
    for (const int64_t after : {0, 1, 7, 8, 9, 63 * 8, 64 * 8, 64 * 8 + 1, 65 * 8, 4095 * 8, 4096 * 8, 4097 * 8, 300000}) {
      TimerWheel wheel(at_ms(start));
      TimePoint now = at_ms(start);
      Probe probe;
      probe.now = &now;
      probe.due = now + milliseconds(after);
      wheel.arm(probe, probe.due);
      while (probe.fired == 0) {
        now += milliseconds(1);
        wheel.advance(now);
        ASSERT_LE(now, probe.due + milliseconds(16)) << after;
      }
      EXPECT_FALSE(probe.armed());
      EXPECT_TRUE(wheel.empty());
    }
}

TEST(TimerWheel, WithFineTicksFiresWithinOneOfThem) {
  const auto tick = TimerWheel::kFineTick;
  for (const int64_t after : {0, 1, 49, 50, 51, 63 * 50, 64 * 50, 64 * 50 + 1, 4096 * 50, 4097 * 50, 2'000'000, 900'000'000}) {
    TimePoint now = at_ms(5);
    TimerWheel wheel(now, tick);
    Probe probe;
    probe.now = &now;
    probe.due = now + std::chrono::microseconds(after);
    wheel.arm(probe, probe.due);
    while (probe.fired == 0) {
      ASSERT_NE(wheel.next(), TimePoint::max());
      now = wheel.next();
      ASSERT_LE(now, probe.due + tick) << after;
      wheel.advance(now);
    }
    EXPECT_EQ(wheel.next(), TimePoint::max());
  }
}

TEST(TimerWheel, SaysWhenItWantsToBeCalled) {
  Random random = seeded_random();
  for (int round = 0; round < 300; ++round) {
    TimePoint now = at_ms(random.below(1000));
    TimerWheel wheel(now);
    now += milliseconds(random.below(100000));
    wheel.advance(now);
    EXPECT_EQ(wheel.next(), TimePoint::max());
    Probe probe;
    probe.now = &now;
    probe.due = now + milliseconds(random.below(uint32_t(1) << (random.below(28) + 1)));
    wheel.arm(probe, probe.due);
    int calls = 0;
    while (probe.fired == 0) {
      const TimePoint next = wheel.next();
      ASSERT_GT(next, now - milliseconds(8));
      ASSERT_NE(next, TimePoint::max());
      now = std::max(now + milliseconds(1), next);
      wheel.advance(now);
      ASSERT_LE(++calls, 8) << "one call a level, and no more";
      ASSERT_LE(now, probe.due + milliseconds(16));
    }
    EXPECT_EQ(wheel.next(), TimePoint::max());
  }
}

TEST(TimerWheel, ReachesBeyondItsLastWheel) {
  TimePoint now = at_ms(12345);
  TimerWheel wheel(now);
  Probe month;
  month.now = &now;
  month.due = now + std::chrono::hours(24 * 80);  // the wheels reach 37 days
  wheel.arm(month, month.due);
  for (int calls = 0; month.fired == 0; ++calls) {
    now = std::max(now + milliseconds(1), wheel.next());
    wheel.advance(now);
    ASSERT_LE(now, month.due + milliseconds(16));
    ASSERT_LT(calls, 100);
  }
}

TEST(TimerWheel, FiresInOrderOfTime) {
  Random random = seeded_random();
  TimePoint now = at_ms(0);
  TimerWheel wheel(now);
  std::vector<int> order;
  std::vector<std::unique_ptr<Probe>> probes;
  for (int i = 0; i < 500; ++i) {
    probes.push_back(std::make_unique<Probe>());
    Probe& probe = *probes.back();
    probe.now = &now;
    probe.number = int(random.below(100000));
    probe.order = &order;
    probe.due = now + milliseconds(probe.number);
    wheel.arm(probe, probe.due);
  }
  for (int i = 0; i < 20000 && order.size() < 500; ++i) {
    now += milliseconds(random.below(3) ? 8 : 500);
    wheel.advance(now);
  }
  ASSERT_EQ(order.size(), 500u);
  for (size_t i = 1; i < order.size(); ++i) ASSERT_LT(order[i - 1] / 8, order[i] / 8 + 2) << "by more than a tick";
}

TEST(TimerWheel, MovesATimerThatIsArmedAgainAndForgetsOneThatIsCancelled) {
  TimePoint now = at_ms(0);
  TimerWheel wheel(now);
  Probe a, b, c;
  for (Probe* probe : {&a, &b, &c}) probe->now = &now;
  wheel.arm(a, at_ms(100));
  wheel.arm(b, at_ms(100));
  wheel.arm(c, at_ms(5000));
  a.due = at_ms(1000);
  wheel.arm(a, a.due);
  b.cancel();
  c.due = at_ms(40);
  wheel.arm(c, c.due);
  EXPECT_TRUE(a.armed());
  EXPECT_FALSE(b.armed());
  now = at_ms(500);
  wheel.advance(now);
  EXPECT_EQ(a.fired, 0);
  EXPECT_EQ(c.fired, 1);
  now = at_ms(1100);
  wheel.advance(now);
  EXPECT_EQ(a.fired, 1);
  now = at_ms(10000);
  wheel.advance(now);
  EXPECT_EQ(a.fired + b.fired + c.fired, 2);
  EXPECT_TRUE(wheel.empty());
}

TEST(TimerWheel, ATimerMayArmItselfAndCancelOthersWhileItFires) {
  static Probe* victim = nullptr;
  TimePoint now = at_ms(0);
  TimerWheel wheel(now);
  Probe again, other;
  victim = &other;
  for (Probe* probe : {&again, &other}) probe->now = &now, probe->wheel = &wheel;
  again.again = [](Probe& self) {
    victim->cancel();
    self.due = *self.now;
    self.wheel->arm(self, self.due);
  };
  wheel.arm(again, at_ms(10));
  wheel.arm(other, at_ms(10));
  now = at_ms(16);
  wheel.advance(now);
  EXPECT_EQ(again.fired, 1) << "in the next tick, not without end";
  EXPECT_EQ(other.fired, 0);
  now = at_ms(24);
  wheel.advance(now);
  EXPECT_EQ(again.fired, 2);
}

TEST(TimerWheel, ATimerThatDiesIsForgotten) {
  TimePoint now = at_ms(0);
  TimerWheel wheel(now);
  {
    Probe probe;
    wheel.arm(probe, at_ms(10));
  }
  now = at_ms(100);
  wheel.advance(now);
  EXPECT_TRUE(wheel.empty());
}

TEST(TimerWheel, AgreesWithASortedListWhateverIsDone) {
  Random random = seeded_random();
  TimePoint now = at_ms(random.below(100000));
  TimerWheel wheel(now);
  std::vector<Probe> probes(40);
  std::vector<bool> armed(probes.size());
  for (auto& probe : probes) probe.now = &now;
  for (int step = 0; step < 20000; ++step) {
    const size_t i = random.below(uint32_t(probes.size()));
    Probe& probe = probes[i];
    switch (random.below(4)) {
      case 0:
      case 1:
        probe.due = now + milliseconds(random.below(uint32_t(1) << (random.below(22) + 1)));
        probe.fired = 0;
        wheel.arm(probe, probe.due);
        armed[i] = true;
        break;
      case 2:
        probe.cancel();
        armed[i] = false;
        break;
      case 3:
        now += milliseconds(random.below(20) ? random.below(100) : random.below(1000000));
        wheel.advance(now);
        for (size_t k = 0; k < probes.size(); ++k) {
          if (!armed[k]) continue;
          if (now >= probes[k].due + milliseconds(16)) {
            ASSERT_EQ(probes[k].fired, 1) << "late";
          }
          if (probes[k].fired) armed[k] = false;
        }
        break;
    }
    for (size_t k = 0; k < probes.size(); ++k) ASSERT_EQ(probes[k].armed(), bool(armed[k])) << k;
  }
}

}  // namespace
}  // namespace outrider::net
