#pragma once
// One per worker: services nobody configured, by the name a request carries.

#include <string>
#include <unordered_map>

#include "base/hash.h"
#include "upstream/cluster.h"

namespace outrider::upstream {

// Who has the plan, limits and endpoints of a name: the control thread, through a message. Called on the worker.
class ServiceSource {
 public:
  virtual std::shared_ptr<const ClusterPlan> plan_for(std::string_view service) = 0;  // from defaults.cluster; thread-safe
  virtual std::shared_ptr<Limits> limits_for(std::string_view service) = 0;           // thread-safe
  virtual void watch(const std::string& service) = 0;                                 // adopt() on this worker follows
  virtual void unwatch(const std::string& service) = 0;

 protected:
  ~ServiceSource() = default;
};

// Bounded (max_names, the least recently used that nobody holds goes first); lets go after idle_timeout.
class ClusterTable {
 public:
  ClusterTable(const Context& context, ServiceSource& source, size_t max_names, milliseconds idle_timeout);
  ~ClusterTable();
  Ref<Cluster> find(std::string_view service);  // known() is NotYet at first. Null: the table is full
  Cluster* existing(std::string_view service);  // null when nobody asked for it
  void renew();                                 // those of which there is another plan now are made anew, with their endpoints
  void for_each(void (*f)(Cluster&, void*), void* with);
  size_t size() const { return clusters_.size(); }

 private:
  void on_sweep();
  Context context_;
  ServiceSource& source_;
  size_t max_names_;
  milliseconds idle_timeout_;
  std::unordered_map<std::string, Ref<Cluster>, StringHash, std::equal_to<>> clusters_;
  net::BoundTimer<ClusterTable, &ClusterTable::on_sweep> sweep_{*this};
};

}  // namespace outrider::upstream
