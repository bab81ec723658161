#pragma once
// Which worker watches which service, and what all of them are told of it.

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "discovery/registry.h"
#include "exchange/snapshot.h"
#include "stats/stats.h"
#include "upstream/health_checker.h"

namespace outrider::server {

class Worker;

// Endpoint sets and limits by cluster name. Owned by the supervisor; on the control loop, but for plan_for() and
// limits_for(), which workers call when they meet a name for the first time (one lock, never per request).
class Services final : discovery::Watcher, upstream::HealthEvents {
 public:
  // Which registry to ask, and by what key.
  struct Source {
    discovery::Registry* registry = nullptr;
    std::string key;
    bool fixed = false;  // it never says anything else
  };
  Services(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, std::vector<std::unique_ptr<Worker>>& workers);
  ~Services();
  void by_name(discovery::Registry* registry, upstream::ClusterPlan defaults);  // names nobody configured
  // One that is configured; of a name that is known already: by this plan from now on, and workers that have it are told of
  // its endpoints. `find`: where they come from.
  void add(std::shared_ptr<const upstream::ClusterPlan> plan, std::shared_ptr<upstream::Limits> limits,
           const std::function<Source()>& find);
  void remove(const std::string& cluster);                                    // it is configured no more
  const upstream::ClusterPlan* configured(const std::string& cluster) const;  // its plan; null: it is not
  std::vector<std::string> configured() const;
  void stop();  // unwatches everything

  std::shared_ptr<const upstream::ClusterPlan> plan_for(std::string_view service);
  std::shared_ptr<upstream::Limits> limits_for(std::string_view service);
  void watch(int worker, const std::string& service);
  void unwatch(int worker, const std::string& service);
  void refresh(const std::string& cluster);  // one worker ejected an endpoint: the others are told

  struct Group {
    std::shared_ptr<const upstream::ClusterPlan> plan;
    std::shared_ptr<upstream::Limits> limits;
    Source source;
    std::set<int> workers;                  // who watches; empty with `configured`: all
    bool configured = false, seen = false;  // seen: it has had endpoints
    std::shared_ptr<const upstream::EndpointSet> set;
    std::unordered_map<std::string, WallTime> leases;  // by instance: a set is not made anew for their sake
    WallTime expires(const upstream::Member& member) const;
    stats::Slot probes_passed = 0, probes_failed = 0;
  };
  const std::unordered_map<std::string, Group, StringHash, std::equal_to<>>& all() const { return groups_; }

  // Called after every change of any set or health; the supervisor looks at what it cares for.
  struct Listener {
    virtual void on_cluster_changed(const std::string& cluster) = 0;

   protected:
    ~Listener() = default;
  };
  void listen(Listener* listener) { listener_ = listener; }

 private:
  void on_instances(const std::string& key, discovery::Known known,
                    std::vector<std::shared_ptr<const discovery::Instance>> all) override;
  void on_health(const std::string& cluster, const upstream::Endpoint& endpoint, upstream::Health health,
                 const upstream::ProbeFailure* failure) override;
  void on_probe(const std::string& cluster, const upstream::ProbeFailure* failure) override;
  void note_endpoints(const std::string& cluster, Group& group);
  void follow(const std::string& cluster, Group& group);
  void leave(const std::string& cluster, Group& group);  // its source
  void tell(const std::string& cluster, const Group& group);
  template <class F>
  void each_worker(const Group& group, F f);
  net::Loop& control_;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  Listener* listener_ = nullptr;
  discovery::Registry* by_name_ = nullptr;
  std::mutex mutex_;  // guards defaults_ and found_
  upstream::ClusterPlan defaults_;
  std::unordered_map<std::string, std::pair<std::shared_ptr<const upstream::ClusterPlan>, std::shared_ptr<upstream::Limits>>,
                     StringHash, std::equal_to<>>
      found_;
  std::unordered_map<std::string, Group, StringHash, std::equal_to<>> groups_;                       // by cluster name
  std::unordered_map<std::string, std::set<std::string>, StringHash, std::equal_to<>> clusters_of_;  // by registry key
  upstream::HealthChecker health_;
};

}  // namespace outrider::server
