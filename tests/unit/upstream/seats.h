#pragma once

#include <map>

#include "ground.h"

namespace outrider::upstream {

// Seats of given weights, and how often each was picked.
class Seats {
 public:
  Seats(const char* balancer, std::vector<uint32_t> weights, uint64_t seed) : random(seed) {
    plan.balancer = balancer;
    for (size_t i = 0; i < weights.size(); ++i) {
      const auto facts = instance("127.0.0.1:" + std::to_string(1000 + i), weights[i]);
      seats.push_back(std::make_unique<Seat>(Member{std::make_shared<Endpoint>(facts->address, ""), facts}));
      seats.back()->weight = weights[i];
    }
    made = make_balancer(plan, random);
    rebuild();
  }
  void rebuild() {
    std::vector<Seat*> usable;
    for (auto& seat : seats) usable.push_back(seat.get());
    made->rebuild(usable);
  }
  std::vector<int> picks(int n, std::span<const Seat* const> tried = {}) {
    std::map<const Seat*, int> counts;
    for (int i = 0; i < n; ++i) ++counts[made->pick({.tried = tried, .now = now})];
    std::vector<int> out;
    for (auto& seat : seats) out.push_back(counts[seat.get()]);
    return out;
  }
  size_t led(uint64_t key, std::span<const Seat* const> tried = {}) {  // to whom
    const Seat* const to = made->pick({.tried = tried, .now = now, .key = key, .in_flight = in_flight});
    return size_t(std::ranges::find_if(seats, [&](const auto& seat) { return seat.get() == to; }) - seats.begin());
  }
  Endpoint& endpoint(size_t i) { return *seats[i]->member.endpoint; }
  void answered(size_t i, uint64_t microseconds) { made->on_done(*seats[i], {Outcome::Kind::Ok, microseconds}, now); }
  void known(size_t i, uint64_t microseconds) {  // by as many answers as it takes to be believed
    for (int n = 0; n < 8; ++n) answered(i, microseconds);
  }

  ClusterPlan plan;
  Random random;
  std::vector<std::unique_ptr<Seat>> seats;
  std::unique_ptr<Balancer> made;
  TimePoint now{seconds(1000)};
  uint32_t in_flight = 0;
};

}  // namespace outrider::upstream
