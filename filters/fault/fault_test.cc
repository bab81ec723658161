// Which requests are made to wait, to fail or to break, and for how long.

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <thread>

#include "filters/fault/decisions.h"
#include "tests/support/seat.h"
#include "tests/support/seed.h"
#include "tests/support/sockets.h"

namespace outrider::filters {
namespace {

using test::complaint_of;
using test::made;

std::string told(Decisions& decisions, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const Decision decision = decisions.next();
    text += std::to_string(decision.delay.count()) + (decision.abort ? "a" : "") + (decision.reset ? "r" : "") + " ";
  }
  return text;
}

TEST(FaultDecisions, TheSameSeedDecidesTheSame) {
  FaultPlan plan{.delay = Delay::lognormal(milliseconds(5), milliseconds(50)), .delayed = 0.3, .aborted = 0.2, .reset = 0.1};
  plan.blast_radius = 0.4;
  std::set<std::string> different;
  for (const uint64_t seed : {0u, 1u, 2u, 42u}) {
    plan.seed = seed;
    Decisions one(plan), other(plan);
    const std::string text = told(one, 2'000);
    EXPECT_EQ(text, told(other, 2'000));
    different.insert(text);
  }
  EXPECT_EQ(different.size(), 4u);
}

TEST(FaultDecisions, TheSameSeedDecidesTheSameOnManyThreads) {
  const FaultPlan plan{.aborted = 0.3, .reset = 0.1, .blast_radius = 0.2, .seed = 42};
  constexpr int kEach = 5'000, kThreads = 4;
  const auto count = [&](Decisions& decisions, int n) {
    std::pair<int, int> counted{0, 0};
    for (int i = 0; i < n; ++i) {
      const Decision decision = decisions.next();
      counted.first += decision.abort;
      counted.second += decision.reset;
    }
    return counted;
  };
  Decisions alone(plan), together(plan);
  std::atomic<int> aborted{0}, reset{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&] {
      const auto [a, r] = count(together, kEach);
      aborted += a;
      reset += r;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::make_pair(aborted.load(), reset.load()), count(alone, kThreads * kEach));
}

TEST(FaultDecisions, SharesAreWhatWasAskedFor) {
  Decisions decisions({.delay = Delay::fixed(milliseconds(1)), .delayed = 0.5, .aborted = 0.1, .reset = 0.01, .seed = 42});
  int delayed = 0, aborted = 0, reset = 0;
  for (int i = 0; i < 100'000; ++i) {
    const Decision decision = decisions.next();
    delayed += decision.delay.count() > 0;
    aborted += decision.abort;
    reset += decision.reset;
  }
  EXPECT_NEAR(delayed, 50'000, 800);  // five standard deviations
  EXPECT_NEAR(aborted, 9'900, 480);
  EXPECT_NEAR(reset, 1'000, 160);
}

TEST(FaultDecisions, NeverTouchMoreThanTheBlastRadius) {
  Random random = test::seeded_random();
  for (int round = 0; round < 300; ++round) {
    FaultPlan plan{.aborted = random.unit(), .reset = random.unit() / 2, .seed = random.next()};
    if (round % 2) plan.delay = Delay::lognormal(milliseconds(1), milliseconds(9));
    plan.delayed = random.unit();
    plan.blast_radius = round % 10 ? random.unit() : 0;
    Decisions decisions(plan);
    uint64_t touched = 0;
    for (uint64_t seen = 1; seen <= 500; ++seen) {
      touched += decisions.next().touches();
      ASSERT_LE(double(touched), plan.blast_radius * double(seen)) << "round " << round;
    }
  }
}

TEST(FaultDecisions, ComeUpToTheBlastRadiusWhereMoreIsWanted) {
  Decisions decisions({.aborted = 0.5, .blast_radius = 0.1, .seed = 7});
  int touched = 0;
  for (int i = 0; i < 10'000; ++i) touched += decisions.next().touches();
  EXPECT_LE(touched, 1'000);
  EXPECT_GE(touched, 990);
}

TEST(FaultFilter, AbortsAndResets) {
  test::Seat seat;
  EXPECT_EQ(made("fault", "{abort: {status: 418}}")->on_request(seat), filter::Verdict::Answered);
  EXPECT_EQ(seat.said, "418 fault_abort");
  EXPECT_EQ(seat.noted, "fault aborted\n");
  test::Seat other;
  EXPECT_EQ(made("fault", "{reset: 100%, abort: {percent: 100%}}")->on_request(other), filter::Verdict::Answered);
  EXPECT_EQ(other.said, "reset fault_reset");
  EXPECT_EQ(other.noted, "fault reset\n");
}

TEST(FaultFilter, DelaysAndThenDoesTheRest) {
  const auto fault = made("fault", "{delay: {fixed: 200ms}, abort: {status: 503}}");
  test::Seat seat;
  EXPECT_EQ(fault->on_request(seat), filter::Verdict::Pause);
  EXPECT_EQ(seat.waits, milliseconds(200));
  EXPECT_EQ(seat.said, "");
  EXPECT_EQ(fault->on_waited(seat, http::Way::Request), filter::Verdict::Answered);
  EXPECT_EQ(seat.said, "503 fault_abort");
}

TEST(FaultFilter, HoldsNoMoreThanItMayAndLetsTheOthersPass) {
  const auto fault = made("fault", "{delay: {fixed: 1s}, abort: {}, max_held: 2}");
  test::Seat first, second, third, fourth, fifth;
  EXPECT_EQ(fault->on_request(first), filter::Verdict::Pause);
  EXPECT_EQ(fault->on_request(second), filter::Verdict::Pause);
  EXPECT_EQ(fault->on_request(third), filter::Verdict::Continue);
  EXPECT_EQ(third.noted, "fault over_limit\n");
  EXPECT_EQ(third.said, "");
  fault->on_complete(third);
  EXPECT_EQ(fault->on_waited(first, http::Way::Request), filter::Verdict::Answered);
  fault->on_complete(first);
  EXPECT_EQ(fault->on_request(fourth), filter::Verdict::Pause);
  fault->on_complete(second);  // its client has left
  EXPECT_EQ(fault->on_request(fifth), filter::Verdict::Pause);
  test::Seat sixth;
  EXPECT_EQ(fault->on_request(sixth), filter::Verdict::Continue);
}

// By what is written and what is done, and in whole numbers: 12.34% of 1,000 requests are 123.
TEST(FaultFilter, NeverTouchesMoreThanTheBlastRadiusThatIsWritten) {
  Random random = test::seeded_random();
  const auto percent = [&](uint64_t hundredths) {
    return std::to_string(hundredths / 100) + "." + std::to_string(hundredths / 10 % 10) + std::to_string(hundredths % 10) + "%";
  };
  for (int round = 0; round < 100; ++round) {
    const uint64_t radius = round % 10 == 0 ? 0 : round % 10 == 1 ? 10'000 : random.next() % 10'001;
    const std::string options = "{delay: {dist: lognormal, p50: 1ms, p99: 9ms, percent: " + percent(random.next() % 10'001) +
                                "}, abort: {percent: " + percent(random.next() % 10'001) +
                                "}, reset: " + percent(random.next() % 10'001) + ", seed: " + std::to_string(random.next()) +
                                ", max_held: " + std::to_string(1 + random.next() % 5) + ", blast_radius: " + percent(radius) +
                                "}";
    const auto fault = made("fault", options);
    uint64_t touched = 0;
    for (uint64_t seen = 1; seen <= 1'000; ++seen) {
      test::Seat seat;
      const auto verdict = fault->on_request(seat);
      touched += verdict != filter::Verdict::Continue;
      if (verdict == filter::Verdict::Pause && random.next() % 2) fault->on_waited(seat, http::Way::Request);
      fault->on_complete(seat);
      ASSERT_LE(touched * 10'000, radius * seen) << options << " after " << seen;
    }
  }
}

TEST(FaultFilter, IsOverByItself) {
  const auto fault = made("fault", "{abort: {}, for: 1ms}");
  ASSERT_EQ(fault->feed()->load(), "");
  const auto soon = std::chrono::steady_clock::now() + milliseconds(2);
  while (std::chrono::steady_clock::now() < soon) {}
  test::Seat seat;
  EXPECT_EQ(fault->on_request(seat), filter::Verdict::Continue);
  const auto later = made("fault", "{abort: {}, for: 24h}");
  EXPECT_EQ(later->on_request(seat), filter::Verdict::Answered);
}

TEST(FaultFilter, SaysWhyAFileOfLatenciesCannotBeUsed) {
  EXPECT_NE(made("fault", "{delay: {file: /nowhere/latencies.txt}}")->feed()->load(), "");
  const test::TemporaryDirectory folder;
  const std::string path = folder.file("a");
  std::ofstream(path) << "7ms\n";
  const auto fault = made("fault", "{delay: {file: " + path + "}}");
  EXPECT_EQ(fault->feed()->load(), "");
  test::Seat seat;
  EXPECT_EQ(fault->on_request(seat), filter::Verdict::Pause);
  EXPECT_EQ(seat.waits, milliseconds(7));
}

TEST(FaultFilter, ComplainsAboutWhatItDoesNotUnderstand) {
  EXPECT_EQ(complaint_of("fault",
                         "{delay: {fixed: 200ms, percent: 50%}, abort: {status: 503, percent: 10%}, reset: 1%, seed: 42, "
                         "blast_radius: 10%, for: 15m, max_held: 10}"),
            "");
  EXPECT_EQ(complaint_of("fault", "{delay: {dist: lognormal, p50: 20ms, p99: 200ms}}"), "");
  EXPECT_EQ(complaint_of("fault", "{}"), ": nothing to do: give delay, abort or reset");
  EXPECT_EQ(complaint_of("fault", "{delay: {}}"), "delay: one of fixed, dist and file says how long");
  EXPECT_EQ(complaint_of("fault", "{delay: {fixed: 1ms, dist: lognormal}}"), "delay: one of fixed, dist and file says how long");
  EXPECT_EQ(complaint_of("fault", "{delay: {dist: normal}}"), "delay.dist: expected lognormal, got \"normal\"");
  EXPECT_EQ(complaint_of("fault", "{delay: {dist: lognormal, p50: 2ms, p99: 2ms}}"),
            "delay.p99: expected p50, and a p99 above it");
  EXPECT_EQ(complaint_of("fault", "{delay: {fixed: 1ms, p50: 1ms}}"), "delay: p50 and p99 are of dist: lognormal");
  EXPECT_EQ(complaint_of("fault", "{delay: {fixed: 0}}"), "delay.fixed: expected a duration from 1ms to 10m");
  EXPECT_EQ(complaint_of("fault", "{abort: {status: 200}}"), "abort.status: expected a number from 400 to 599, got \"200\"");
  EXPECT_EQ(complaint_of("fault", "{reset: 2}"), "reset: expected a percentage from 0% to 100%, got \"2\"");
  EXPECT_EQ(complaint_of("fault", "{reset: 1%, seed: x}").substr(0, 6), "seed: ");
  EXPECT_EQ(complaint_of("fault", "{reset: 1%, for: 0}").substr(0, 5), "for: ");
  EXPECT_EQ(complaint_of("fault", "{reset: 1%, max_held: 0}").substr(0, 10), "max_held: ");
  EXPECT_EQ(complaint_of("fault", "{abort: {every: 2}}"), "abort.every: unknown key; there are: status, percent");
}

}  // namespace
}  // namespace outrider::filters
