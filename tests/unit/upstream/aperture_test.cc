#include "upstream/aperture.h"

#include <cmath>
#include <set>

#include "ground.h"

namespace outrider::upstream {
namespace {

using Candidates = std::vector<Aperture::Candidate>;

// Endpoints by weight, as one worker sees them.
struct Seats {
  Seats(const Aperture& aperture, const std::shared_ptr<const EndpointSet>& set) {
    for (const Member& member : set->members) {
      seats.emplace_back(member);
      seats.back().lot = aperture.lot_of(*member.endpoint);
    }
  }
  Candidates all(const Seat* without = nullptr) {
    Candidates candidates;
    for (Seat& seat : seats)
      if (&seat != without) candidates.push_back({&seat, seat.member.facts->weight});
    return candidates;
  }
  std::list<Seat> seats;
};

std::shared_ptr<EndpointSet> weighing(const std::vector<uint32_t>& weights) {
  Instances all;
  for (size_t i = 0; i < weights.size(); ++i) all.push_back(instance("10.0.0." + std::to_string(i) + ":80", weights[i]));
  return set_of(all);
}

std::set<Seat*> chosen_of(Aperture& aperture, Candidates candidates) {
  aperture.narrow(candidates);
  std::set<Seat*> chosen;
  for (const auto& one : candidates) chosen.insert(one.seat);
  return chosen;
}

TEST(Aperture, LeavesAFewAndThoseOfSizeZeroAsTheyAre) {
  const auto set = weighing({1, 2, 3});
  for (const uint32_t size : {0u, 3u, 100u}) {
    Aperture aperture(size, 1);
    Seats seats(aperture, set);
    Candidates candidates = seats.all();
    aperture.narrow(candidates);
    ASSERT_EQ(candidates.size(), 3u) << size;
    for (const auto& one : candidates) EXPECT_EQ(one.weight, one.seat->member.facts->weight);
    EXPECT_FALSE(aperture.narrowed());
    EXPECT_FALSE(aperture.is_too_small(1000));
  }
}

TEST(Aperture, OneThatLeavesIsReplacedByOneAndTheOthersStay) {
  Aperture aperture(10, 7);
  Seats seats(aperture, weighing(std::vector<uint32_t>(100, 5)));
  const auto before = chosen_of(aperture, seats.all());
  EXPECT_EQ(before.size(), 10u);
  for (Seat& gone : seats.seats) {
    auto after = chosen_of(aperture, seats.all(&gone));
    EXPECT_EQ(after.size(), 10u);
    size_t stayed = 0;
    for (Seat* seat : after) stayed += before.contains(seat);
    EXPECT_EQ(stayed, before.contains(&gone) ? 9u : 10u);
  }
}

TEST(Aperture, OfEqualWeightsAllThatWereChosenWeighTheSame) {
  Aperture aperture(10, 7);
  Seats seats(aperture, weighing(std::vector<uint32_t>(100, 5)));
  Candidates candidates = seats.all();
  aperture.narrow(candidates);
  for (const auto& one : candidates) EXPECT_EQ(one.weight, 5u);
}

// What each worker gives an endpoint is its weight among the chosen's.
TEST(Aperture, OverManyWorkersEveryEndpointHasItsShareByWeight) {
  std::vector<uint32_t> weights(120, 1000);
  for (size_t i = 0; i < 20; ++i) weights[i] = 8000;
  for (size_t i = 20; i < 40; ++i) weights[i] = 100;
  const auto set = weighing(weights);
  const double sum = 20 * 8000 + 20 * 100 + 80 * 1000;
  constexpr size_t kWorkers = 4000;
  std::vector<double> share(3), square(3);  // of the heavy, the light, the others
  for (uint64_t seed = 1; seed <= kWorkers; ++seed) {
    Aperture aperture(30, seed);
    Seats seats(aperture, set);
    Candidates candidates = seats.all();
    aperture.narrow(candidates);
    double whole = 0, part[3] = {};
    for (const auto& one : candidates) {
      const uint32_t weight = one.seat->member.facts->weight;
      whole += one.weight;
      part[weight == 8000 ? 0 : weight == 100 ? 1 : 2] += one.weight;
    }
    for (size_t i = 0; i < 3; ++i) {
      share[i] += part[i] / whole / kWorkers;
      square[i] += std::pow(part[i] / whole, 2) / kWorkers;
    }
  }
  const double expected[] = {20 * 8000 / sum, 20 * 100 / sum, 80 * 1000 / sum};
  for (size_t i = 0; i < 3; ++i) {
    const double error = std::sqrt((square[i] - share[i] * share[i]) / kWorkers);
    EXPECT_NEAR(share[i], expected[i], 5 * error + 0.01 * expected[i]) << i;
  }
}

TEST(Aperture, OfTwoWorkersEachChoosesItsOwn) {
  Aperture one(10, 1), other(10, 2);
  const auto set = weighing(std::vector<uint32_t>(200, 1));
  Seats of_one(one, set), of_other(other, set);
  const auto addresses = [](const std::set<Seat*>& seats) {
    std::set<std::string> out;
    for (const Seat* seat : seats) out.insert(seat->member.endpoint->address);
    return out;
  };
  EXPECT_NE(addresses(chosen_of(one, of_one.all())), addresses(chosen_of(other, of_other.all())));
}

TEST(Aperture, WidensByDoublingAndNarrowsAgainToTheLeast) {
  Aperture aperture(12, 1);
  Seats seats(aperture, weighing(std::vector<uint32_t>(100, 1)));
  const auto least = chosen_of(aperture, seats.all());
  EXPECT_FALSE(aperture.is_too_small(11));
  EXPECT_TRUE(aperture.is_too_small(12));
  aperture.widen(40);
  EXPECT_EQ(aperture.size(), 48u);
  const auto more = chosen_of(aperture, seats.all());
  EXPECT_TRUE(std::includes(more.begin(), more.end(), least.begin(), least.end()));
  EXPECT_FALSE(aperture.shrink(12));
  EXPECT_TRUE(aperture.shrink(11));
  EXPECT_TRUE(aperture.shrink(0));
  EXPECT_EQ(aperture.size(), 12u);
  EXPECT_FALSE(aperture.shrink(0));
  EXPECT_FALSE(aperture.is_widened());
}

}  // namespace
}  // namespace outrider::upstream
