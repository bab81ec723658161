#include "net/loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/loop.h"

namespace outrider::net {
namespace {

using test::run_turns;
using test::run_until;

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
