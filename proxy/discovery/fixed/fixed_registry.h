#pragma once
// Endpoints that stand in the configuration.

#include <map>

#include "discovery/registry.h"

namespace outrider::discovery {

// Nobody announces here and nothing ever changes but by add(). Owned by the supervisor; control loop.
class FixedRegistry final : public Registry {
 public:
  void add(const std::string& service, std::vector<Instance> endpoints);  // again: replaces, and watchers are told
  void remove(const std::string& service) { services_.erase(service); }   // nobody watches it any more
  void watch(const std::string& service, Watcher& watcher) override;      // calls back at once: Yes, or Absent
  void unwatch(const std::string& service, Watcher& watcher) override;
  void announce(const std::string&, const Instance&) override {}
  void withdraw(const std::string&) override {}
  Origin origin(const std::string&) const override { return {"the configuration", {}}; }

 private:
  struct Service {
    std::vector<std::shared_ptr<const Instance>> endpoints;
    std::vector<Watcher*> watchers;
  };
  static void tell(const std::string& name, const Service& service, Watcher& watcher);
  std::map<std::string, Service> services_;
};

}  // namespace outrider::discovery
