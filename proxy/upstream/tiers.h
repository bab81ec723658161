#pragma once
// Which endpoints of a cluster come first: by priority, by labels that are preferred, by zone.

#include <cstdint>
#include <vector>

#include "discovery/registry.h"
#include "upstream/aperture.h"
#include "upstream/cluster_plan.h"

namespace outrider::upstream {

enum class Locality : uint8_t { Unknown, Local, Other };  // Unknown: one of the two has no zone

Locality locality_of(const ClusterPlan& plan, const discovery::Instance& facts);
bool has_labels(const discovery::Instance& facts, const ClusterPlan::Labels& all);

// A tier is all that have the same priority, preference and nearness. The first one has all requests while its fit
// endpoints weigh at least `spill` of all of it; below that a part in proportion, and the next tiers have the rest in turn, by
// the same rule (as Envoy's overprovisioning factor, of which `spill` is the inverse). One worker; used up by one look at a
// cluster.
class Tiers {
 public:
  explicit Tiers(const ClusterPlan& plan) : plan_(plan) {}
  uint32_t rank_of(const discovery::Instance& facts) const;  // less: comes first
  void add(uint32_t rank, double weight, bool fit, bool healthy);
  bool several() const { return tiers_.size() > 1; }
  // Once all are added. False: together their fit ones are not enough.
  bool share_out();
  bool any_healthy(uint32_t rank) const;  // in that tier
  bool reached(uint32_t rank) const;      // that tier would have requests if it were fit: those before it are not enough
  // Leaves those out whose tier has no share, and weighs the others so that each tier has its own.
  void narrow(std::vector<Aperture::Candidate>& candidates) const;

 private:
  struct Tier {
    uint32_t rank;
    double all = 0, fit = 0, share = 0;
    bool reached = false;
    uint32_t healthy = 0;
  };
  const Tier& at(uint32_t rank) const;
  const ClusterPlan& plan_;
  std::vector<Tier> tiers_;  // by rank; a handful
};

}  // namespace outrider::upstream
