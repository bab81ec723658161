#include "upstream/cluster_table.h"

#include <algorithm>

namespace outrider::upstream {

namespace {
constexpr milliseconds kShortestSweep{100}, kLongestSweep{30000};
}

ClusterTable::ClusterTable(const Context& context, ServiceSource& source, size_t max_names, milliseconds idle_timeout)
    : context_(context), source_(source), max_names_(max_names), idle_timeout_(idle_timeout) {}

ClusterTable::~ClusterTable() = default;

Ref<Cluster> ClusterTable::find(std::string_view service) {
  if (const auto known = clusters_.find(service); known != clusters_.end()) {
    known->second->last_used = context_.loop.now();
    return known->second;
  }
  if (clusters_.size() >= max_names_) {
    auto oldest = clusters_.end();
    for (auto at = clusters_.begin(); at != clusters_.end(); ++at)
      if (at->second->holders == 1 && (oldest == clusters_.end() || at->second->last_used < oldest->second->last_used))
        oldest = at;
    if (oldest == clusters_.end()) return {};
    source_.unwatch(oldest->first);
    clusters_.erase(oldest);
  }
  auto plan = source_.plan_for(service);
  if (!plan) return {};
  Ref<Cluster> cluster(new Cluster(context_, std::move(plan), source_.limits_for(service)));
  cluster->last_used = context_.loop.now();
  const auto added = clusters_.emplace(std::string(service), cluster).first;
  source_.watch(added->first);
  if (idle_timeout_.count() && !sweep_.armed())
    context_.loop.arm(sweep_, std::clamp(idle_timeout_ / 4, kShortestSweep, kLongestSweep));
  return cluster;
}

Cluster* ClusterTable::existing(std::string_view service) {
  const auto known = clusters_.find(service);
  return known == clusters_.end() ? nullptr : known->second.get();
}

void ClusterTable::renew() {
  for (auto& [name, cluster] : clusters_) {
    auto plan = source_.plan_for(name);
    if (!plan || plan.get() == &cluster->plan()) continue;
    Ref<Cluster> fresh(new Cluster(context_, std::move(plan), source_.limits_for(name)));
    fresh->last_used = cluster->last_used;
    fresh->ejections = cluster->ejections;
    fresh->adopt(cluster->shared_set());
    cluster = std::move(fresh);
  }
}

void ClusterTable::for_each(void (*f)(Cluster&, void*), void* with) {
  for (auto& [name, cluster] : clusters_) f(*cluster, with);
}

// An exchange that holds a cluster uses it, however long ago it was found.
void ClusterTable::on_sweep() {
  const TimePoint now = context_.loop.now();
  for (auto at = clusters_.begin(); at != clusters_.end();) {
    Cluster& cluster = *at->second;
    if (cluster.holders > 1) cluster.last_used = now;
    if (now - cluster.last_used < idle_timeout_) {
      ++at;
      continue;
    }
    source_.unwatch(at->first);
    at = clusters_.erase(at);
  }
  if (!clusters_.empty()) context_.loop.arm(sweep_, std::clamp(idle_timeout_ / 4, kShortestSweep, kLongestSweep));
}

}  // namespace outrider::upstream
