#pragma once
// Active health checks: one probe per endpoint on the control loop, not one per worker.

#include <memory>
#include <string>
#include <unordered_map>

#include "net/loop.h"
#include "upstream/cluster_plan.h"
#include "upstream/endpoint.h"

namespace outrider::upstream {

class HealthEvents {
 public:
  virtual void on_health(const std::string& cluster, const Endpoint& endpoint, Health health) = 0;  // a flip
  virtual void on_probe(const std::string& cluster, bool passed) = 0;                               // every one

 protected:
  ~HealthEvents() = default;
};

// A probe is a connect (tcp), or one GET (http) or one call of grpc.health.v1.Health/Check (grpc) on a connection of its own.
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
