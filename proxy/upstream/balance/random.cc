// By lot, as often as the weight says.

#include "upstream/balance/draw.h"
#include "upstream/balance/rows.h"

namespace outrider::upstream::balance {

namespace {

class RandomBalancer final : public Balancer {
 public:
  explicit RandomBalancer(Random& random) : draw_(random) {}
  void rebuild(std::span<Seat* const> usable) override { draw_.rebuild(usable); }
  Seat* pick(const Pick& what) override { return draw_.by_weight(what.tried); }

 private:
  Draw draw_;
};

}  // namespace

std::unique_ptr<Balancer> make_random(const ClusterPlan&, Random& random) { return std::make_unique<RandomBalancer>(random); }

}  // namespace outrider::upstream::balance
