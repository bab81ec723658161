// ring_hash and maglev beside what has been published of them.

#include <cmath>

#include "base/hash.h"
#include "seats.h"

namespace outrider::upstream {
namespace {

class EveryConsistent : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Balancers, EveryConsistent, testing::Values("ring_hash", "maglev"),
                         [](const auto& info) { return std::string(info.param); });

std::vector<double> shares(Seats& seats, int keys = 100'000) {
  std::vector<double> out(seats.seats.size());
  for (int i = 0; i < keys; ++i) out[seats.led(mix(uint64_t(i)))] += 1.0 / keys;
  return out;
}

std::vector<uint32_t> equal(size_t n) { return std::vector<uint32_t>(n, 100); }

// Of the keys of both, how many lead elsewhere.
double moved(Seats& before, Seats& after, size_t without, int keys = 50'000) {
  int moved = 0, stayed = 0;
  for (int i = 0; i < keys; ++i) {
    const size_t then = before.led(mix(uint64_t(i)));
    if (then == without) continue;
    const size_t now = after.led(mix(uint64_t(i)));
    ++(now + (now >= without) == then ? stayed : moved);
  }
  return double(moved) / (moved + stayed);
}

TEST_P(EveryConsistent, LeadsAKeyToTheSameEndpointInEveryProcessAndWhateverTheOrder) {
  Seats one(GetParam(), {100, 200, 300, 400}, 1), other(GetParam(), {100, 200, 300, 400}, 2);
  std::reverse(other.seats.begin(), other.seats.end());
  other.rebuild();
  for (uint64_t key = 0; key < 1000; ++key) EXPECT_EQ(one.led(mix(key)), 3 - other.led(mix(key)));
}

TEST_P(EveryConsistent, SharesByWeight) {
  Seats seats(GetParam(), {100, 300, 600}, 1);
  const auto got = shares(seats);
  const double off = seats.plan.balancer == "maglev" ? 0.01 : 0.06;
  EXPECT_NEAR(got[0], 0.1, off);
  EXPECT_NEAR(got[1], 0.3, off);
  EXPECT_NEAR(got[2], 0.6, off);
}

// With v places each, shares differ by about one part in the root of v (Karger et al. 1997; here 160: 8 %).
TEST(RingHash, SpreadsAsFarAsItsVirtualNodesLetIt) {
  Seats seats("ring_hash", equal(50), 1);
  double squares = 0;
  for (const double share : shares(seats)) squares += (share * 50 - 1) * (share * 50 - 1);
  EXPECT_LT(std::sqrt(squares / 50), 0.12);
}

TEST(RingHash, MovesNoKeyButThoseOfWhoLeaves) {
  Seats before("ring_hash", equal(20), 1), after("ring_hash", equal(20), 1);
  after.seats.erase(after.seats.begin() + 7);
  after.rebuild();
  EXPECT_EQ(moved(before, after, 7), 0);
}

// "The table size should be larger than 100 times the number of backends, to ensure at most a 1 % difference" (NSDI 2016,
// 3.4): of the places, which a key each finds here, everybody has as many as everybody else.
TEST(Maglev, SpreadsWithinOnePercent) {
  constexpr uint64_t kPlaces = 65537;
  Seats seats("maglev", equal(600), 1);
  std::vector<int> places(600);
  for (uint64_t key = 0; key < kPlaces; ++key) ++places[seats.led(key)];
  const auto [least, most] = std::ranges::minmax(places);
  EXPECT_LE(most - least, 1);
  EXPECT_LT(double(most - least) / least, 0.01);
}

// Section 5.3: with 1,000 backends and 65,537 places, some keys move besides those of who leaves.
TEST(Maglev, MovesFewKeysBesidesThoseOfWhoLeaves) {
  Seats before("maglev", equal(600), 1), after("maglev", equal(600), 1);
  after.seats.erase(after.seats.begin() + 300);
  after.rebuild();
  EXPECT_LT(moved(before, after, 300), 0.06);
}

TEST_P(EveryConsistent, WhoHasMoreThanItsShareIsPassedBy) {
  Seats seats(GetParam(), equal(10), 1);
  seats.plan.bounded_load = 1.25;
  seats.made = make_balancer(seats.plan, seats.random);
  seats.rebuild();
  const size_t first = seats.led(42);
  for (; seats.in_flight < 1000; ++seats.in_flight) ++seats.seats[seats.led(42)]->in_flight;
  std::vector<uint32_t> has;
  for (const auto& seat : seats.seats) has.push_back(seat->in_flight);
  EXPECT_EQ(*std::ranges::max_element(has), 125u) << "a quarter more than the average";
  EXPECT_EQ(has[first], 125u);
  for (const auto& seat : seats.seats) seat->in_flight = 0;
  seats.in_flight = 0;
  EXPECT_EQ(seats.led(42), first) << "and comes back";
}

TEST_P(EveryConsistent, WhoHasBeenTriedIsPassedByAndAlwaysForTheSame) {
  Seats seats(GetParam(), equal(5), 1);
  const size_t first = seats.led(7);
  const Seat* const tried[] = {seats.seats[first].get()};
  const size_t second = seats.led(7, tried);
  EXPECT_NE(second, first);
  EXPECT_EQ(seats.led(7, tried), second);
}

}  // namespace
}  // namespace outrider::upstream
