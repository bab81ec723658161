#pragma once
// Active health checks: one probe per endpoint on the control loop, not one per worker.

#include <memory>
#include <string>
#include <unordered_map>

#include "net/loop.h"
#include "upstream/cluster_plan.h"
#include "upstream/endpoint.h"
#include "upstream/probe.h"

namespace outrider::upstream {

class HealthEvents {
 public:
  // A flip, or another reason to stay unhealthy. `failure`: of the probe that led to it; null where it is healthy.
  virtual void on_health(const std::string& cluster, const Endpoint& endpoint, Health health, const ProbeFailure* failure) = 0;
  virtual void on_probe(const std::string& cluster, const ProbeFailure* failure) = 0;  // every one; null: it passed

 protected:
  ~HealthEvents() = default;
};

// Flips Endpoint::health after `healthy` successes or `unhealthy` failures in a row (the very first result flips Unknown at
// once), with jittered intervals. Owned by the supervisor; control loop.
class HealthChecker {
 public:
  HealthChecker(net::Loop& control, HealthEvents& events);
  ~HealthChecker();
  void follow(const std::string& cluster, const HealthPlan& plan, std::shared_ptr<const EndpointSet> set);  // again: the new set
  void forget(const std::string& cluster);

 private:
  class Check;
  struct Group;
  net::Loop& control_;
  HealthEvents& events_;
  std::unordered_map<std::string, std::unique_ptr<Group>> groups_;
};

}  // namespace outrider::upstream
