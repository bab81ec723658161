#include "server/services.h"

#include "base/log.h"
#include "server/worker.h"
#include "stats/names.h"

namespace outrider::server {

using discovery::Known;

namespace {
constexpr size_t kFoundKept = 10000;  // names met at run time; beyond it a plan is made anew each time
}

Services::Services(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard,
                   std::vector<std::unique_ptr<Worker>>& workers)
    : control_(control), catalog_(catalog), shard_(shard), workers_(workers), health_(control, *this) {}

Services::~Services() { stop(); }

void Services::stop() {
  for (auto& [name, group] : groups_) {
    health_.forget(name);
    if (group.source.registry) group.source.registry->unwatch(group.source.key, *this);
  }
  groups_.clear();
  clusters_of_.clear();
}

void Services::by_name(discovery::Registry* registry, upstream::ClusterPlan defaults) {
  {
    std::lock_guard lock(mutex_);
    by_name_ = registry;
    defaults_ = std::move(defaults);
    found_.clear();
  }
  for (auto& [name, group] : groups_) {
    if (group.configured) continue;
    group.plan = plan_for(name);
    group.limits = limits_for(name);
    health_.follow(name, group.plan->health, group.set);
  }
}

void Services::add(std::shared_ptr<const upstream::ClusterPlan> plan, std::shared_ptr<upstream::Limits> limits,
                   const std::function<Source()>& find) {
  const std::string name = plan->name;
  const bool known = groups_.count(name) > 0;
  Group& group = groups_[name];
  if (plan->health.kind == upstream::HealthPlan::Kind::Off && group.set)  // nobody will say that they are back
    for (const auto& member : group.set->members)
      member.endpoint->health.store(upstream::Health::Unknown, std::memory_order_relaxed);
  group.plan = std::move(plan);
  group.limits = std::move(limits);
  group.configured = true;
  const auto before = group.set;
  Source source = find();  // it may tell us at once
  if (!known || source.registry != group.source.registry || source.key != group.source.key) {
    if (known) leave(name, group);
    group.source = std::move(source);
    follow(name, group);
  }
  if (!before || group.set != before) return;
  health_.follow(name, group.plan->health, group.set);  // the endpoints are those there were, the plan is another
  tell(name, group);
}

void Services::remove(const std::string& cluster) {
  const auto it = groups_.find(cluster);
  if (it == groups_.end()) return;
  Group& group = it->second;
  leave(cluster, group);
  health_.forget(cluster);
  const std::set<int> workers = group.workers;
  groups_.erase(it);
  for (const int worker : workers) watch(worker, cluster);  // who had found it by its name has it still
}

const upstream::ClusterPlan* Services::configured(const std::string& cluster) const {
  const auto it = groups_.find(cluster);
  return it != groups_.end() && it->second.configured ? it->second.plan.get() : nullptr;
}

std::vector<std::string> Services::configured() const {
  std::vector<std::string> names;
  for (const auto& [name, group] : groups_)
    if (group.configured) names.push_back(name);
  return names;
}

// Found by several workers at about the same time: they share plan and limits.
std::shared_ptr<const upstream::ClusterPlan> Services::plan_for(std::string_view service) {
  std::lock_guard lock(mutex_);
  if (const auto it = found_.find(service); it != found_.end()) return it->second.first;
  if (found_.size() >= kFoundKept) found_.clear();
  auto plan = std::make_shared<upstream::ClusterPlan>(defaults_);
  plan->name = std::string(service);
  plan->service = plan->name.substr(0, plan->name.find('@'));  // "shop/reviews@v2": those of a version
  if (plan->service.size() < plan->name.size()) plan->version = plan->name.substr(plan->service.size() + 1);
  plan->found = true;
  return found_.emplace(service, std::make_pair(plan, std::make_shared<upstream::Limits>())).first->second.first;
}

std::shared_ptr<upstream::Limits> Services::limits_for(std::string_view service) {
  plan_for(service);
  std::lock_guard lock(mutex_);
  const auto it = found_.find(service);
  return it == found_.end() ? std::make_shared<upstream::Limits>() : it->second.second;
}

void Services::watch(int worker, const std::string& service) {
  auto [it, fresh] = groups_.try_emplace(service);
  Group& group = it->second;
  group.workers.insert(worker);
  if (!fresh) return tell(service, group);
  group.plan = plan_for(service);
  group.limits = limits_for(service);
  group.source = {by_name_, group.plan->service};
  follow(service, group);
}

void Services::unwatch(int worker, const std::string& service) {
  const auto it = groups_.find(service);
  if (it == groups_.end() || it->second.configured) return;
  it->second.workers.erase(worker);
  if (!it->second.workers.empty()) return;
  health_.forget(service);
  leave(service, it->second);
  groups_.erase(it);
}

// Another cluster may be of the same service.
void Services::leave(const std::string& cluster, Group& group) {
  const auto same_key = clusters_of_.find(group.source.key);
  if (same_key == clusters_of_.end()) return;
  same_key->second.erase(cluster);
  if (!same_key->second.empty()) return;
  clusters_of_.erase(same_key);
  if (auto* registry = group.source.registry) registry->unwatch(group.source.key, *this);
}

void Services::follow(const std::string& cluster, Group& group) {
  clusters_of_[group.source.key].insert(cluster);
  if (group.source.registry) return group.source.registry->watch(group.source.key, *this);
  // registry.kind: none, and no endpoints: nobody will ever come, but who is called by address.
  on_instances(group.source.key, group.plan->by_destination ? Known::Yes : Known::Absent, {});
}

void Services::on_instances(const std::string& key, Known known, std::vector<std::shared_ptr<const discovery::Instance>> all) {
  const auto names = clusters_of_.find(key);
  if (names == clusters_of_.end()) return;
  for (const auto& cluster : std::set<std::string>(names->second)) {
    Group& group = groups_[cluster];
    group.leases.clear();
    for (const auto& each : all) group.leases[each->instance] = each->expires;
    const std::string trouble = group.source.registry ? group.source.registry->origin(key).trouble : std::string();
    auto next = upstream::next_set(group.set, known, all, trouble);
    if (!next) continue;
    group.set = std::move(next);
    if (!group.set->members.empty()) note_endpoints(cluster, group);
    health_.follow(cluster, group.plan->health, group.set);
    tell(cluster, group);
    if (listener_) listener_->on_cluster_changed(cluster);
  }
}

void Services::note_endpoints(const std::string& cluster, Group& group) {
  if (std::exchange(group.seen, true) || group.plan->health.kind == upstream::HealthPlan::Kind::Off) return;
  group.probes_passed = catalog_.slot(stats::names::kClusterHealthChecks, {{"cluster", cluster}, {"result", "success"}});
  group.probes_failed = catalog_.slot(stats::names::kClusterHealthChecks, {{"cluster", cluster}, {"result", "failure"}});
}

WallTime Services::Group::expires(const upstream::Member& member) const {
  const auto it = leases.find(member.facts->instance);
  return it == leases.end() ? member.facts->expires : it->second;
}

template <class F>
void Services::each_worker(const Group& group, F f) {
  for (size_t i = 0; i < workers_.size(); ++i)
    if (group.configured || group.workers.count(int(i))) f(*workers_[i]);
}

void Services::tell(const std::string& cluster, const Group& group) {
  if (group.set) each_worker(group, [&](Worker& worker) { worker.adopt(cluster, group.set); });
}

void Services::refresh(const std::string& cluster) {
  const auto it = groups_.find(cluster);
  if (it == groups_.end()) return;
  each_worker(it->second, [&](Worker& worker) { worker.refresh(cluster); });
  if (listener_) listener_->on_cluster_changed(cluster);
}

void Services::on_health(const std::string& cluster, const upstream::Endpoint& endpoint, upstream::Health,
                         const upstream::ProbeFailure* failure) {
  if (failure) log::info("endpoint unhealthy", {{"cluster", cluster}, {"endpoint", endpoint.address}, {"reason", failure->why}});
  else log::info("endpoint healthy", {{"cluster", cluster}, {"endpoint", endpoint.address}});
  refresh(cluster);
}

void Services::on_probe(const std::string& cluster, const upstream::ProbeFailure* failure) {
  const auto it = groups_.find(cluster);
  if (it == groups_.end()) return;
  shard_.add(failure ? it->second.probes_failed : it->second.probes_passed);
  if (failure)
    shard_.add(catalog_.slot(stats::names::kClusterHealthFailures, {{"cluster", cluster}, {"reason", failure->reason}}));
}

}  // namespace outrider::server
