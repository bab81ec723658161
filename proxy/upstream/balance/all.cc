// The table of balancers.

#include <algorithm>
#include <array>
#include <cmath>

#include "upstream/balance/latency.h"
#include "upstream/balance/rows.h"

namespace outrider::upstream {

namespace {

constexpr std::array<BalancerEntry, 7> kBalancers{{
    {"round_robin", balance::make_round_robin},
    {"random", balance::make_random},
    {"least_request", balance::make_least_request},
    {"ewma", balance::make_ewma},
    {"ring_hash", balance::make_ring_hash},
    {"maglev", balance::make_maglev},
    {"adaptive", balance::make_adaptive},
}};

constexpr milliseconds kPageDecay{10000};
constexpr float kLeastGap = 100;  // microseconds: samples of one turn have the same time, and must count all the same

}  // namespace

std::span<const BalancerEntry> all_balancers() { return kBalancers; }

std::unique_ptr<Balancer> make_balancer(const ClusterPlan& plan, Random& random) {
  for (const BalancerEntry& entry : kBalancers)
    if (entry.name == plan.balancer) return entry.make(plan, random);
  return nullptr;
}

void Balancer::on_done(Seat& seat, const Outcome& outcome, TimePoint now) {
  if (outcome.kind == Outcome::Kind::Ok) balance::fold(seat, outcome.first_byte_us, now, kPageDecay);
}

void balance::fold(Seat& seat, uint64_t sample_us, TimePoint now, milliseconds decay) {
  const float sample = std::max(1.0f, float(sample_us));  // 0 means that there was none yet
  if (seat.latency_us <= 0) {
    seat.latency_us = sample;
  } else {
    const float gap = std::chrono::duration<float, std::micro>(now - seat.latency_at).count();
    const float whole = std::chrono::duration<float, std::micro>(decay).count();
    const float kept = whole <= 0 ? 0 : std::exp(-std::max(gap, kLeastGap) / whole);
    seat.latency_us = seat.latency_us * kept + sample * (1 - kept);
  }
  seat.latency_at = now;
  seat.member.endpoint->ewma_us.store(uint32_t(std::min(seat.latency_us, 4e9f)), std::memory_order_relaxed);
}

}  // namespace outrider::upstream
