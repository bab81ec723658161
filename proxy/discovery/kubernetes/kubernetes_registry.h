#pragma once
// Services of a Kubernetes cluster, by the EndpointSlices of those that are called.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "discovery/kubernetes/service_watch.h"
#include "discovery/registry.h"

namespace outrider::discovery {

// Its keys are "namespace/service", or "namespace/service:port" for another target port than the one that looks most like HTTP.
// A service is watched while somebody watches it here. Nothing is announced: that is Kubernetes' own to do. Owned by the
// supervisor's Mesh; control loop.
class KubernetesRegistry final : public Registry, ServiceWatch::Owner, net::EndOfTurn {
 public:
  KubernetesRegistry(net::Loop& control, Api& api, KubernetesEvents& events, KubernetesOptions options);
  ~KubernetesRegistry();
  void start();  // asks once whether anybody answers, and whether we may ask
  void watch(const std::string& service, Watcher& watcher) override;
  void unwatch(const std::string& service, Watcher& watcher) override;
  void announce(const std::string&, const Instance&) override {}
  void withdraw(const std::string&) override {}
  Origin origin(const std::string& service) const override;

  struct Watched {
    std::string service;
    Known known = Known::NotYet;
    uint32_t instances = 0, draining = 0;
    std::optional<milliseconds> age;
  };
  std::vector<Watched> watched() const;
  struct Facts {
    bool answering = false;
    std::string trouble;  // why not
  };
  Facts facts() const;
  const KubernetesOptions& options() const { return options_; }

 private:
  struct Service {
    std::unique_ptr<ServiceWatch> watch;  // null: it is not asked for
    std::string trouble;                  // why not
    std::vector<Watcher*> watchers;
  };
  std::unique_ptr<ServiceWatch> watch_of(const std::string& key, ServiceWatch::Name name);
  void on_known(ServiceWatch& watch) override;
  void on_end_of_turn() override;
  net::Loop& control_;
  Api& api_;
  KubernetesEvents& events_;
  const KubernetesOptions options_;
  std::unique_ptr<ServiceWatch> question_;  // start()'s
  std::map<std::string, Service> services_;
  size_t asked_ = 0;                                 // of them, with a watch
  std::vector<std::unique_ptr<ServiceWatch>> over_;  // stopped, and perhaps in the middle of something
};

}  // namespace outrider::discovery
