#include <cmath>
#include <deque>
#include <map>

#include "seats.h"
#include "upstream/balance/latency.h"

namespace outrider::upstream {
namespace {

class EveryBalancer : public testing::TestWithParam<std::string_view> {
 protected:
  const char* name() const { return GetParam().data(); }
};

std::vector<std::string_view> names() {
  std::vector<std::string_view> out;
  for (const auto& entry : all_balancers()) out.push_back(entry.name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Balancers, EveryBalancer, testing::ValuesIn(names()),
                         [](const auto& info) { return std::string(info.param); });

TEST(Balancers, AnUnknownNameMakesNone) {
  ClusterPlan plan;
  plan.balancer = "best";
  Random random(1);
  EXPECT_EQ(make_balancer(plan, random), nullptr);
}

TEST_P(EveryBalancer, PicksNobodyFromNobody) {
  Seats seats(name(), {}, 1);
  EXPECT_EQ(seats.made->pick({}), nullptr);
}

TEST_P(EveryBalancer, NeverPicksWeightZero) {
  Seats seats(name(), {100, 0, 100}, 2);
  const auto counts = seats.picks(10000);
  EXPECT_EQ(counts[1], 0);
  EXPECT_GT(counts[0], 0);
  EXPECT_GT(counts[2], 0);
  Seats none(name(), {0, 0}, 2);
  EXPECT_EQ(none.made->pick({}), nullptr);
}

TEST_P(EveryBalancer, AvoidsTheTriedWhileOthersAreThere) {
  for (const auto& weights : {std::vector<uint32_t>{100, 100, 100}, {100, 10000, 1}}) {
    Seats seats(name(), weights, 3);
    const Seat* tried[] = {seats.seats[1].get(), seats.seats[0].get()};
    const auto one = seats.picks(3000, {tried, 1});
    EXPECT_EQ(one[1], 0);
    EXPECT_GT(one[0], 0);
    const auto two = seats.picks(1000, tried);
    EXPECT_EQ(two[2], 1000);
  }
}

TEST_P(EveryBalancer, PicksATriedOneWhenNobodyElseIsThere) {
  Seats seats(name(), {100}, 4);
  const Seat* tried[] = {seats.seats[0].get()};
  EXPECT_EQ(seats.made->pick({.tried = tried}), seats.seats[0].get());
}

TEST_P(EveryBalancer, FollowsARebuild) {
  Seats seats(name(), {100, 100, 300}, 5);
  seats.seats.pop_back();
  seats.rebuild();
  const auto counts = seats.picks(2000);
  EXPECT_EQ(counts[0] + counts[1], 2000);
  EXPECT_GT(counts[0], 0);
  EXPECT_GT(counts[1], 0);
}

TEST_P(EveryBalancer, KeepsAnAverageOfAnswers) {
  Seats seats(name(), {100, 100}, 6);
  seats.known(0, 2000);
  EXPECT_EQ(seats.endpoint(0).ewma_us, 2000u);
  seats.now += seconds(10);
  seats.answered(0, 10000);
  EXPECT_GT(seats.endpoint(0).ewma_us, 2000u);
  EXPECT_LT(seats.endpoint(0).ewma_us, 10000u);
  EXPECT_EQ(seats.endpoint(1).ewma_us, 0u);
}

// Streams of one connection, 16 of them at a time, are answered alike by all: whoever is there has its share of them, and who
// joins has it of those that follow.
TEST_P(EveryBalancer, WhoJoinsHasItsShareOfTheNextRequests) {
  constexpr int kEach = 1000, kOpen = 16;
  Ground ground;
  ground.plan->balancer = name();
  Instances all;
  for (int i = 1; i <= 4; ++i) all.push_back(instance("10.0.0." + std::to_string(i) + ":80"));
  auto set = next_set(nullptr, Known::Yes, all);
  auto cluster = ground.cluster(set);
  std::deque<Ref<Seat>> open;
  std::map<std::string, int> served;
  const auto answer_one = [&] {
    cluster->report(*open.front(), {Outcome::Kind::Ok, 1000}, nullptr);
    open.pop_front();
  };
  const auto share = [&](int endpoints) {
    served.clear();
    for (int i = 0; i < kEach * endpoints; ++i) {
      if (open.size() == kOpen) answer_one();
      open.push_back(cluster->pick({.now = ground.loop.now()}));
      ASSERT_TRUE(open.back());
      cluster->begin(*open.back());
      ++served[open.back()->member.endpoint->address];
    }
    ASSERT_EQ(served.size(), size_t(endpoints));
    for (const auto& [address, n] : served) EXPECT_NEAR(n, kEach, kEach / 5) << address;  // seven sigma of chance
  };
  share(4);
  all.push_back(instance("10.0.0.5:80"));
  cluster->adopt(set = next_set(set, Known::Yes, all));
  share(5);
  while (!open.empty()) answer_one();
}

// --- round robin ---------------------------------------------------------------------------------------------------

TEST(RoundRobin, IsWithinOnePercent) {
  for (const auto& weights : {std::vector<uint32_t>{100, 100, 100},
                              {100, 200, 500},
                              {1, 1, 1, 1, 1, 1, 1},
                              {37, 100, 100, 100},
                              {1, 1000},
                              {7, 11, 13, 17, 19}}) {
    double sum = 0;
    for (const uint32_t weight : weights) sum += weight;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      Seats seats("round_robin", weights, seed);
      constexpr int kPicks = 50000;
      const auto counts = seats.picks(kPicks);
      for (size_t i = 0; i < weights.size(); ++i) {
        const double expected = kPicks * weights[i] / sum;
        EXPECT_NEAR(counts[i], expected, std::max(1.0, expected * 0.01)) << "seed " << seed << " seat " << i;
      }
    }
  }
}

TEST(RoundRobin, SpreadsTheHeavyEvenly) {
  Seats seats("round_robin", {100, 200, 500}, 7);
  seats.picks(100);
  // In any 16 picks in a row each has its share, give or take one: no bursts.
  for (int window = 0; window < 50; ++window) {
    const auto counts = seats.picks(16);
    EXPECT_NEAR(counts[0], 2, 1);
    EXPECT_NEAR(counts[1], 4, 1);
    EXPECT_NEAR(counts[2], 10, 1);
  }
}

TEST(RoundRobin, WorkersStartAtDifferentPlaces) {
  std::map<std::string, int> firsts;
  for (uint64_t seed = 1; seed <= 64; ++seed) {
    Seats seats("round_robin", {100, 100, 100, 100}, seed);
    ++firsts[seats.made->pick({})->member.endpoint->address];
  }
  EXPECT_EQ(firsts.size(), 4u);
}

TEST(RoundRobin, ARetryCostsTheOthersNoTurn) {
  Seats seats("round_robin", {100, 100, 100, 100}, 8);
  std::map<const Seat*, int> counts;
  for (int i = 0; i < 4000; ++i) {
    const Seat* first = seats.made->pick({});
    ++counts[first];
    if (first != seats.seats[0].get()) continue;
    const Seat* tried[] = {first};
    ++counts[seats.made->pick({.tried = tried})];  // it always fails
  }
  for (size_t i = 1; i < 4; ++i) EXPECT_NEAR(counts[seats.seats[i].get()], 4000 / 3.0, 400) << i;
}

// --- random --------------------------------------------------------------------------------------------------------

TEST(RandomBalancer, IsWithinFourSigma) {
  for (const auto& weights : {std::vector<uint32_t>{100, 100, 100}, {100, 200, 500}, {1, 1, 1, 97}}) {
    double sum = 0;
    for (const uint32_t weight : weights) sum += weight;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      Seats seats("random", weights, seed);
      constexpr int kPicks = 50000;
      const auto counts = seats.picks(kPicks);
      for (size_t i = 0; i < weights.size(); ++i) {
        const double p = weights[i] / sum;
        EXPECT_NEAR(counts[i], kPicks * p, 4 * std::sqrt(kPicks * p * (1 - p))) << "seed " << seed << " seat " << i;
      }
    }
  }
}

TEST(RandomBalancer, OneTwoFiveIsWithinTwoPercentOfAll) {
  Seats seats("random", {100, 200, 500}, 9);
  constexpr int kPicks = 50000;
  const auto counts = seats.picks(kPicks);
  EXPECT_NEAR(counts[0], kPicks / 8.0, kPicks * 0.02);
  EXPECT_NEAR(counts[1], kPicks / 4.0, kPicks * 0.02);
  EXPECT_NEAR(counts[2], kPicks * 5 / 8.0, kPicks * 0.02);
}

// --- least request -------------------------------------------------------------------------------------------------

TEST(LeastRequest, TakesTheIdleOneOfTwo) {
  Seats seats("least_request", {100, 100}, 10);
  seats.endpoint(0).in_flight = 3;
  EXPECT_EQ(seats.picks(1000), (std::vector<int>{0, 1000}));
}

// n balls into n bins by the emptier of two: at most ln ln n / ln 2 and a constant in one bin, where one choice makes it
// ln n / ln ln n (Azar, Broder, Karlin, Upfal, SIAM J. Comput. 1999; row 59 of the table of features).
TEST(LeastRequest, TwoChoicesKeepTheMaximumLoadLow) {
  constexpr int kBins = 4096;
  const auto most = [&](const char* balancer) {
    Seats seats(balancer, std::vector<uint32_t>(kBins, 100), 11);
    uint32_t load = 0;
    for (int i = 0; i < kBins; ++i) {
      Seat* const seat = seats.made->pick({.now = seats.now});
      load = std::max(load, ++seat->member.endpoint->in_flight);
    }
    return load;
  };
  EXPECT_LE(most("least_request"), 4u) << "3.06 and a constant";
  EXPECT_GE(most("random"), 6u);
}

TEST(LeastRequest, NeverTakesTheBusiestOfMany) {
  Seats seats("least_request", {100, 100, 100, 100, 100}, 11);
  for (size_t i = 0; i < 5; ++i) seats.endpoint(i).in_flight = uint32_t(i);
  const auto counts = seats.picks(20000);
  EXPECT_EQ(counts[4], 0);
  for (size_t i = 1; i < 5; ++i) EXPECT_LT(counts[i], counts[i - 1]) << i;
  // The idlest is among two distinct choices of five with probability 2/5.
  EXPECT_NEAR(counts[0], 8000, 4 * std::sqrt(20000 * 0.4 * 0.6));
}

TEST(LeastRequest, MoreChoicesFindTheIdlestMoreOften) {
  ClusterPlan plan;
  Seats two("least_request", {100, 100, 100, 100, 100, 100, 100, 100}, 12);
  two.plan.choices = 5;
  auto five = make_balancer(two.plan, two.random);
  std::vector<Seat*> usable;
  for (auto& seat : two.seats) usable.push_back(seat.get());
  five->rebuild(usable);
  for (size_t i = 1; i < 8; ++i) two.endpoint(i).in_flight = 1;
  int found = 0;
  for (int i = 0; i < 10000; ++i) found += five->pick({}) == two.seats[0].get();
  EXPECT_GT(found, two.picks(10000)[0] + 1000);
}

TEST(LeastRequest, SharesByWeightWhenAllAreIdleOrEquallyBusy) {
  for (const uint32_t busy : {0u, 4u}) {
    Seats seats("least_request", {100, 200, 500}, 13);
    for (size_t i = 0; i < 3; ++i) seats.endpoint(i).in_flight = busy * seats.seats[i]->weight / 100;
    const auto counts = seats.picks(50000);
    EXPECT_NEAR(counts[0], 50000 / 8.0, 1000) << busy;
    EXPECT_NEAR(counts[1], 50000 / 4.0, 1000) << busy;
    EXPECT_NEAR(counts[2], 50000 * 5 / 8.0, 1000) << busy;
  }
}

// --- ewma ----------------------------------------------------------------------------------------------------------

TEST(Ewma, TakesTheFastOneOfTwo) {
  Seats seats("ewma", {100, 100}, 14);
  seats.known(0, 1000);
  seats.known(1, 5000);
  EXPECT_EQ(seats.picks(1000), (std::vector<int>{1000, 0}));
}

TEST(Ewma, WeighsLatencyAgainstWhatIsInFlight) {
  Seats seats("ewma", {100, 100}, 15);
  seats.known(0, 1000);
  seats.known(1, 5000);
  seats.endpoint(0).in_flight = 9;  // ten times 1 ms against once 5 ms
  EXPECT_EQ(seats.picks(1000), (std::vector<int>{0, 1000}));
}

TEST(Ewma, TheUnknownIsAsGoodAsTheOther) {
  Seats seats("ewma", {100, 100}, 16);
  seats.known(0, 1000);
  const auto counts = seats.picks(10000);
  EXPECT_NEAR(counts[1], 5000, 4 * std::sqrt(10000 * 0.25));
  seats.endpoint(1).in_flight = 1;
  EXPECT_EQ(seats.picks(1000)[1], 0);
}

TEST(Ewma, ASlowFirstAnswerDoesNotShutASeatOut) {
  Seats seats("ewma", {100, 100, 100}, 22);
  std::vector<int> counts(3);
  for (int i = 0; i < 3000; ++i) {
    const Seat* seat = seats.made->pick({.now = seats.now});
    size_t which = 0;
    while (seats.seats[which].get() != seat) ++which;
    seats.now += milliseconds(1);
    seats.answered(which, counts[which]++ == 0 && which == 0 ? 50000 : 1000);
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 4 * std::sqrt(3000 * 2 / 9.0)) << "as if nothing had happened";
}

TEST(Ewma, AFailureCountsAsASlowAnswer) {
  Seats seats("ewma", {100, 100}, 17);
  seats.known(0, 1000);
  seats.known(1, 1000);
  seats.now += milliseconds(5);
  seats.made->on_done(*seats.seats[0], {Outcome::Kind::Failed}, seats.now);
  EXPECT_EQ(seats.picks(1000)[0], 0);
  const float before = seats.seats[1]->latency_us;
  seats.made->on_done(*seats.seats[1], {Outcome::Kind::Cancelled}, seats.now);
  EXPECT_EQ(seats.seats[1]->latency_us, before);
}

// Else whoever is always given up for another would never be known to be slow.
TEST(Ewma, WhoIsOutrunIsAtLeastAsSlowAsThat) {
  Seats seats("ewma", {100, 100}, 23);
  seats.known(0, 1000);
  seats.known(1, 1000);
  seats.now += seconds(1);
  seats.made->on_done(*seats.seats[0], {.kind = Outcome::Kind::Outrun, .first_byte_us = 50'000}, seats.now);
  EXPECT_GT(seats.seats[0]->latency_us, 1000);
  EXPECT_EQ(seats.picks(1000)[0], 0);
}

TEST(Ewma, TheSlowIsTriedAgainInTime) {
  Seats seats("ewma", {100, 100}, 18);
  seats.known(1, 5000);
  seats.now += seconds(60);
  seats.known(0, 1000);
  EXPECT_GT(seats.picks(100)[1], 0);
}

TEST(Ewma, SharesByWeightWhenAllAreAlike) {
  Seats seats("ewma", {100, 200, 500}, 19);
  for (size_t i = 0; i < 3; ++i) seats.known(i, 1000);
  const auto counts = seats.picks(50000);
  EXPECT_NEAR(counts[0], 50000 / 8.0, 1000);
  EXPECT_NEAR(counts[1], 50000 / 4.0, 1000);
  EXPECT_NEAR(counts[2], 50000 * 5 / 8.0, 1000);
}

TEST(Ewma, ALightSeatThatIsFastDoesNotTakeAll) {
  Seats seats("ewma", {1000, 100}, 20);
  seats.known(0, 2000);
  seats.known(1, 1000);
  const auto counts = seats.picks(50000);
  EXPECT_GT(counts[1], 50000 / 11);  // more than its weight alone would give
  EXPECT_LT(counts[1], 50000 / 4);
}

// A simulation: three equal servers, one of them ten times slower. Queues grow where work is slow.
TEST(Ewma, KeepsMostRequestsFromASlowServer) {
  Seats seats("ewma", {100, 100, 100}, 21);
  struct Job {
    TimePoint done;
    size_t seat;
    TimePoint began;
  };
  std::vector<Job> jobs;
  std::vector<int> counts(3);
  for (int tick = 0; tick < 20000; ++tick) {
    seats.now += std::chrono::microseconds(500);
    for (size_t i = 0; i < jobs.size();) {
      if (jobs[i].done > seats.now) {
        ++i;
        continue;
      }
      const auto took = std::chrono::duration_cast<std::chrono::microseconds>(jobs[i].done - jobs[i].began);
      --seats.endpoint(jobs[i].seat).in_flight;
      seats.answered(jobs[i].seat, uint64_t(took.count()));
      jobs[i] = jobs.back();
      jobs.pop_back();
    }
    Seat* seat = seats.made->pick({.now = seats.now});
    const size_t at = seat == seats.seats[0].get() ? 0 : seat == seats.seats[1].get() ? 1 : 2;
    ++counts[at];
    ++seats.endpoint(at).in_flight;
    jobs.push_back({seats.now + milliseconds(at == 2 ? 20 : 2), at, seats.now});
  }
  EXPECT_LT(counts[2], 20000 * 0.1);
  EXPECT_GT(counts[2], 0);
  EXPECT_NEAR(double(counts[0]) / counts[1], 1, 0.2);
}

}  // namespace
}  // namespace outrider::upstream
