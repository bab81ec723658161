#include "upstream/tiers.h"

#include <algorithm>
#include <cmath>

namespace outrider::upstream {

namespace {

constexpr double kMostWeight = 1e9;

auto before(uint32_t rank) {
  return [rank](const auto& tier) { return tier.rank < rank; };
}

}  // namespace

Locality locality_of(const ClusterPlan& plan, const discovery::Instance& facts) {
  if (plan.zone.empty() || facts.zone.empty()) return Locality::Unknown;
  return plan.zone == facts.zone ? Locality::Local : Locality::Other;
}

bool has_labels(const discovery::Instance& facts, const ClusterPlan::Labels& all) {
  return std::all_of(all.begin(), all.end(), [&](const auto& wanted) {
    return std::find(facts.labels.begin(), facts.labels.end(), wanted) != facts.labels.end();
  });
}

uint32_t Tiers::rank_of(const discovery::Instance& facts) const {
  const bool preferred = has_labels(facts, plan_.prefer);
  const bool near = !plan_.local_first || locality_of(plan_, facts) == Locality::Local;
  return uint32_t(facts.priority) << 2 | uint32_t(!preferred) << 1 | uint32_t(!near);
}

void Tiers::add(uint32_t rank, double weight, bool fit, bool healthy) {
  auto tier = std::partition_point(tiers_.begin(), tiers_.end(), before(rank));
  if (tier == tiers_.end() || tier->rank != rank) tier = tiers_.insert(tier, Tier{rank});
  tier->all += weight;
  tier->fit += fit ? weight : 0;
  tier->healthy += healthy;
}

const Tiers::Tier& Tiers::at(uint32_t rank) const { return *std::partition_point(tiers_.begin(), tiers_.end(), before(rank)); }

bool Tiers::any_healthy(uint32_t rank) const { return at(rank).healthy > 0; }

bool Tiers::reached(uint32_t rank) const { return at(rank).reached; }

bool Tiers::share_out() {
  constexpr double kRounding = 1e-9;
  double left = 1;
  for (Tier& tier : tiers_) {
    tier.reached = left >= kRounding;
    left -= tier.share = std::min(left, tier.all > 0 ? tier.fit / (tier.all * plan_.spill) : 0);
  }
  return left < kRounding;
}

void Tiers::narrow(std::vector<Aperture::Candidate>& candidates) const {
  std::erase_if(candidates, [&](const auto& one) { return at(one.seat->rank).share <= 0; });
  std::vector<double> weights(tiers_.size());
  const auto index_of = [&](const Aperture::Candidate& one) { return size_t(&at(one.seat->rank) - tiers_.data()); };
  for (const auto& one : candidates) weights[index_of(one)] += one.weight;
  // The lightest for its share stays as it is, the others weigh more.
  double most = 0;
  size_t sharing = 0;
  for (size_t i = 0; i < tiers_.size(); ++i)
    if (weights[i] > 0) most = std::max(most, weights[i] / tiers_[i].share), ++sharing;
  if (sharing < 2) return;
  for (auto& one : candidates) {
    const size_t i = index_of(one);
    one.weight = uint32_t(std::clamp(std::round(one.weight * tiers_[i].share * most / weights[i]), 1.0, kMostWeight));
  }
}

}  // namespace outrider::upstream
