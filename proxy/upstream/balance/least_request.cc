// Of a few choices the one with the fewest requests for its weight, over all workers of this proxy.

#include "upstream/balance/draw.h"
#include "upstream/balance/rows.h"

namespace outrider::upstream::balance {

namespace {

class LeastRequest final : public Balancer {
 public:
  LeastRequest(uint32_t choices, Random& random) : choices_(choices), draw_(random) {}
  void rebuild(std::span<Seat* const> usable) override { draw_.rebuild(usable); }
  Seat* pick(const Pick& what) override {
    return draw_.best(choices_, what.tried, [](const Seat& a, const Seat& b) {
      const uint64_t at_a = a.member.endpoint->in_flight.load(std::memory_order_relaxed);
      const uint64_t at_b = b.member.endpoint->in_flight.load(std::memory_order_relaxed);
      return at_a * b.weight < at_b * a.weight;
    });
  }

 private:
  const uint32_t choices_;
  Draw draw_;
};

}  // namespace

std::unique_ptr<Balancer> make_least_request(const ClusterPlan& plan, Random& random) {
  return std::make_unique<LeastRequest>(std::max(plan.choices, 2u), random);
}

}  // namespace outrider::upstream::balance
