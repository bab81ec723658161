#include "net/loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "net/address.h"
#include "net/timer_wheel.h"
#include "tests/support/loop.h"
#include "tests/support/seed.h"

namespace outrider::net {
namespace {

using test::run_turns;
using test::run_until;
using test::seeded_random;

// --- address ------------------------------------------------------------------------------------------------------

TEST(Address, PrintsWhatItReads) {
  for (const auto* text : {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:443", "[::]:8080", "[2001:db8::1:2]:1",
                           "unix:/run/x.sock", "unix:relative"}) {
    const auto address = Address::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
    EXPECT_TRUE(address->valid());
  }
}

TEST(Address, KnowsItsParts) {
  const auto v4 = *Address::parse("10.1.2.3:8080");
  EXPECT_EQ(v4.family(), AF_INET);
  EXPECT_EQ(v4.ip(), "10.1.2.3");
  EXPECT_EQ(v4.port(), 8080);
  const auto v6 = *Address::parse("[2001:DB8:0:0::7]:9");
  EXPECT_EQ(v6.ip(), "2001:db8::7");
  EXPECT_EQ(v6.port(), 9);
  const auto path = *Address::parse("unix:/a/b");
  EXPECT_TRUE(path.is_unix());
  EXPECT_EQ(path.ip(), "/a/b");
  EXPECT_EQ(path.port(), 0);
  EXPECT_EQ(Address().text(), "-");
  EXPECT_FALSE(Address().valid());
}

TEST(Address, ReadsAPortAloneAsEveryAddressOfBothFamilies) {
  const auto any = *Address::parse(":80");
  EXPECT_EQ(any.text(), "[::]:80");
  EXPECT_TRUE(any.is_wildcard());
  EXPECT_TRUE(Address::parse("0.0.0.0:1")->is_wildcard());
  EXPECT_FALSE(Address::parse("127.0.0.1:1")->is_wildcard());
  EXPECT_FALSE(Address::parse("unix:/x")->is_wildcard());
}

TEST(Address, KnowsLoopback) {
  for (const auto* text : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "unix:/x"})
    EXPECT_TRUE(Address::parse(text)->is_loopback()) << text;
  for (const auto* text : {"128.0.0.1:1", "[::]:1", "0.0.0.0:1"}) EXPECT_FALSE(Address::parse(text)->is_loopback()) << text;
  EXPECT_EQ(Address::loopback(7).text(), "127.0.0.1:7");
}

TEST(Address, TakesAMappedAddressForWhatItMeans) {
  const auto mapped = *Address::parse("[::ffff:1.2.3.4]:5");
  EXPECT_EQ(mapped.family(), AF_INET);
  EXPECT_EQ(mapped.text(), "1.2.3.4:5");
  EXPECT_EQ(mapped, *Address::parse("1.2.3.4:5"));
}

TEST(Address, ComparesAddressAndPort) {
  EXPECT_EQ(*Address::parse("1.2.3.4:5"), *Address::parse("1.2.3.4:5"));
  EXPECT_FALSE(*Address::parse("1.2.3.4:5") == *Address::parse("1.2.3.4:6"));
  EXPECT_FALSE(*Address::parse("1.2.3.4:5") == *Address::parse("1.2.3.5:5"));
  auto other = *Address::parse("1.2.3.4:5");
  other.set_port(6);
  EXPECT_EQ(other, *Address::parse("1.2.3.4:6"));
  EXPECT_EQ(*Address::parse("unix:/a"), *Address::parse("unix:/a"));
  EXPECT_FALSE(*Address::parse("unix:/a") == *Address::parse("unix:/b"));
}

TEST(Address, KeysDependOnTheIpAlone) {
  EXPECT_EQ(Address::parse("1.2.3.4:5")->ip_key(), Address::parse("1.2.3.4:99")->ip_key());
  EXPECT_EQ(Address::parse("[2001:db8::1]:5")->ip_key(), Address::parse("[2001:db8::1]:6")->ip_key());
  EXPECT_NE(Address::parse("1.2.3.4:5")->ip_key(), Address::parse("1.2.3.5:5")->ip_key());
  EXPECT_NE(Address::parse("[2001:db8::1]:5")->ip_key(), Address::parse("[2001:db8::2]:5")->ip_key());
  EXPECT_NE(Address::parse("[2001:db8::1]:5")->ip_key(), Address::parse("[2001:db9::1]:5")->ip_key());
}

TEST(Address, RefusesWhatIsNone) {
  const std::string long_path = "unix:/" + std::string(200, 'x');
  for (const auto& text :
       {std::string(""), std::string("80"), std::string("1.2.3.4"), std::string("1.2.3.4:"), std::string("1.2.3.4:x"),
        std::string("1.2.3.4:65536"), std::string("1.2.3.4:-1"), std::string("1.2.3:80"), std::string("localhost:80"),
        std::string("::1:80"), std::string("[::1]"), std::string("[::g]:80"), std::string("[]:80"), std::string("[1.2.3.4]:80"),
        std::string("unix:"), std::string("1.2.3.4 :80"), long_path}) {
    const auto address = Address::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, Code::Config);
    EXPECT_STRNE(address.error().what, "");
  }
}

// --- timer wheel --------------------------------------------------------------------------------------------------

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

// --- loop ---------------------------------------------------------------------------------------------------------

struct Work final : EndOfTurn {
  explicit Work(Loop& l) : loop(l) {}
  void on_end_of_turn() override {
    ++runs;
    if (repeats-- > 0) loop.at_end_of_turn(*this);
    if (log) log->push_back("work");
  }
  Loop& loop;
  int runs = 0, repeats = 0;
  std::vector<std::string>* log = nullptr;
};

struct Leaving final : Retired {
  Leaving(Loop& l, std::vector<std::string>& w, int d = 0) : loop(l), log(w), depth(d) {}
  void on_retired() override {
    log.push_back("retired");
    if (depth > 0) loop.retire(*new Leaving(loop, log, depth - 1));
    delete this;
  }
  Loop& loop;
  std::vector<std::string>& log;
  int depth;
};

struct Ring final : Timer {
  void on_timer() override {}
};

TEST(Loop, RunsTheWorkOfATurnOnceHoweverOftenItWasAskedFor) {
  Loop loop;
  Work work(loop);
  loop.at_end_of_turn(work);
  loop.at_end_of_turn(work);
  loop.run_turn(false);
  EXPECT_EQ(work.runs, 1);
  run_turns(loop);
  EXPECT_EQ(work.runs, 1);
}

TEST(Loop, WorkThatAsksForMoreIsDoneInTheSameTurn) {
  Loop loop;
  Work work(loop);
  work.repeats = 5;
  loop.at_end_of_turn(work);
  loop.run_turn(false);
  EXPECT_EQ(work.runs, 6);
}

TEST(Loop, WorkThatNeverEndsStopsNeitherTheTurnNorTheLoop) {
  Loop loop;
  Work work(loop);
  work.repeats = 1000;
  loop.at_end_of_turn(work);
  loop.run_turn(false);
  EXPECT_LT(work.runs, 1000);
  EXPECT_TRUE(run_until(loop, [&] { return work.runs == 1001; }));
}

struct Postponing final : EndOfTurn {
  Postponing(Loop& l, Work& w) : loop(l), work(w) {}
  void on_end_of_turn() override {
    loop.at_end_of_turn(work);
    loop.at_end_of_next_turn(work);
    runs_then = work.runs;
    loop.at_end_of_turn(work);
  }
  Loop& loop;
  Work& work;
  int runs_then = -1;
};

// Behind the events of that turn, for which the loop does not wait.
TEST(Loop, WorkForTheNextTurnIsNotDoneInThisOne) {
  Loop loop;
  Work work(loop);
  std::vector<std::string> log;
  work.log = &log;
  Postponing postponing(loop, work);
  loop.run_turn(false);
  loop.at_end_of_turn(postponing);
  loop.post([&] { log.push_back("event"); });
  loop.run_turn(true);
  EXPECT_EQ(postponing.runs_then, 0);
  EXPECT_EQ(log, (std::vector<std::string>{"event", "work"}));
}

TEST(Loop, ATimerArmedWithinATimeKeepsAnEarlierOne) {
  Loop loop;
  Ring ring;
  loop.arm_within(ring, seconds(3600));
  ASSERT_TRUE(ring.armed());
  const uint64_t far = ring.due_tick;
  loop.arm_within(ring, seconds(7200));
  EXPECT_EQ(ring.due_tick, far);
  loop.arm_within(ring, seconds(60));
  EXPECT_LT(ring.due_tick, far);
  ring.cancel();
}

TEST(Loop, WorkThatDiesIsNotDone) {
  Loop loop;
  {
    Work work(loop);
    loop.at_end_of_turn(work);
  }
  run_turns(loop);
}

TEST(Loop, RetiresBehindTheWorkOfTheTurn) {
  std::vector<std::string> log;
  Loop loop;
  Work work(loop);
  work.log = &log;
  auto* leaving = new Leaving(loop, log);
  loop.retire(*leaving);
  loop.retire(*leaving);
  loop.at_end_of_turn(work);
  run_turns(loop);
  EXPECT_EQ(log, (std::vector<std::string>{"work", "retired"}));
}

TEST(Loop, RetiresTheLastOnesWhenItEnds) {
  std::vector<std::string> log;
  {
    Loop loop;
    loop.retire(*new Leaving(loop, log, 3));
  }
  EXPECT_EQ(log.size(), 4u) << "what retired when something retired, too";
}

TEST(Loop, TimersFireInOrderAndNotEarly) {
  struct Alarm final : Timer {
    void on_timer() override { fired_at = Loop::clock(); }
    TimePoint fired_at{};
  };
  Loop loop;
  Alarm soon, later, cancelled, zero;
  loop.run_turn(false);
  const TimePoint start = loop.now();
  loop.arm(later, milliseconds(40));
  loop.arm(soon, milliseconds(20));
  loop.arm(cancelled, milliseconds(10));
  loop.arm(zero, milliseconds(0));
  cancelled.cancel();
  ASSERT_TRUE(run_until(loop, [&] { return later.fired_at != TimePoint{}; }));
  EXPECT_GE(soon.fired_at, start + milliseconds(20));
  EXPECT_GE(later.fired_at, start + milliseconds(40));
  EXPECT_LE(soon.fired_at, later.fired_at);
  EXPECT_LE(zero.fired_at, soon.fired_at);
  EXPECT_EQ(cancelled.fired_at, TimePoint{});
}

// By the clock itself, whenever in a turn it was asked for; arm() goes by the time at which the turn began.
TEST(Loop, PreciseTimersFireInOrderAndNotEarlyByTheClock) {
  struct Alarm final : Timer {
    void on_timer() override { fired_at = Loop::clock(); }
    TimePoint due_at{}, fired_at{};
  };
  Loop loop;
  std::array<Alarm, 8> alarms;
  Alarm cancelled, coarse;
  using std::chrono::microseconds;
  const auto arm = [&](Alarm& alarm, microseconds after) {
    alarm.due_at = Loop::clock() + after;
    loop.arm_precisely(alarm, after);
  };
  loop.arm(coarse, milliseconds(1));
  for (size_t i = alarms.size(); i-- > 0;) arm(alarms[i], microseconds(1 + 700 * i));
  arm(cancelled, microseconds(300));
  cancelled.cancel();
  ASSERT_TRUE(run_until(loop, [&] { return alarms.back().fired_at != TimePoint{} && coarse.fired_at != TimePoint{}; }));
  for (size_t i = 0; i < alarms.size(); ++i) {
    EXPECT_GE(alarms[i].fired_at, alarms[i].due_at) << i;
    if (i > 0) EXPECT_GE(alarms[i].fired_at, alarms[i - 1].fired_at) << i;
  }
  EXPECT_EQ(cancelled.fired_at, TimePoint{});
  // Again, when the wheel has stood still for a while, and as the other kind of timer.
  alarms[0].fired_at = {};
  loop.arm(cancelled, milliseconds(20));
  ASSERT_TRUE(run_until(loop, [&] { return cancelled.fired_at != TimePoint{}; }));
  arm(alarms[0], microseconds(500));
  arm(alarms[1], microseconds(200));
  loop.arm(alarms[1], std::chrono::hours(1));
  alarms[1].fired_at = {};
  ASSERT_TRUE(run_until(loop, [&] { return alarms[0].fired_at != TimePoint{}; }));
  EXPECT_GE(alarms[0].fired_at, alarms[0].due_at);
  EXPECT_EQ(alarms[1].fired_at, TimePoint{});
  alarms[1].cancel();
}

TEST(Loop, DeliversWhatOtherThreadsPostInTheirOrder) {
  Loop loop;
  constexpr int kThreads = 4, kEach = 2000;
  std::vector<int> next(kThreads);
  int total = 0;
  const auto here = std::this_thread::get_id();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i)
        loop.post([&, t, i] {
          ASSERT_EQ(std::this_thread::get_id(), here);
          ASSERT_EQ(next[size_t(t)]++, i);
          ++total;
        });
    });
  EXPECT_TRUE(run_until(loop, [&] { return total == kThreads * kEach; }));
  for (auto& thread : threads) thread.join();
}

TEST(Loop, RunsUntilAnotherThreadStopsIt) {
  Loop loop;
  int delivered = 0;
  std::thread other([&] {
    loop.post([&] { ++delivered; });
    loop.stop();
    loop.post([&] { ADD_FAILURE() << "posted after stop()"; });
  });
  loop.run();
  other.join();
  EXPECT_EQ(delivered, 1);
}

TEST(Loop, StopsWhenItIsToldBeforeItRuns) {
  Loop loop;
  std::vector<std::string> log;
  loop.retire(*new Leaving(loop, log));
  loop.stop();
  loop.run();
  EXPECT_EQ(log.size(), 1u);
}

TEST(Loop, MessagesThatNeverArriveAreDestroyed) {
  auto token = std::make_shared<int>(1);
  {
    Loop loop;
    loop.post([token] {});
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Loop, AMessageMayPostAnother) {
  Loop loop;
  int last = 0;
  loop.post([&] {
    loop.post([&] { last = 2; });
    last = 1;
  });
  EXPECT_TRUE(run_until(loop, [&] { return last == 2; }));
}

TEST(Loop, SaysHowLongTheLongestTurnTookOnce) {
  struct Reader final : Timer {
    void on_timer() override { seen = loop->longest_turn(); }
    Loop* loop = nullptr;
    milliseconds seen{-1};
  } reader;
  Loop loop;
  reader.loop = &loop;
  run_turns(loop);
  loop.post([&] {
    loop.arm(reader, milliseconds(60));
    const TimePoint until = Loop::clock() + milliseconds(40);
    while (Loop::clock() < until) {}
  });
  ASSERT_TRUE(run_until(loop, [&] { return reader.seen >= milliseconds(0); }));
  EXPECT_GE(reader.seen, milliseconds(30)) << "as a timer of a later turn sees it";
  EXPECT_LT(loop.longest_turn(), reader.seen);
}

}  // namespace
}  // namespace outrider::net
