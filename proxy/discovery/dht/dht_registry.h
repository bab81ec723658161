#pragma once
// Services found and announced in the DHT.

#include <map>
#include <memory>

#include "discovery/catalog.h"
#include "discovery/dht/mesh_registry.h"
#include "discovery/dht/node.h"
#include "net/loop.h"

namespace outrider::discovery {

// The control loop's side: the catalog lives here, the node on its own thread posts what it learns. With nothing watched
// and nothing announced it is a bare node for others to start from. Owned by the supervisor; control loop. stop(), or its
// end, withdraws what is announced and blocks up to `farewell` for it, so a drain calls withdraw() first.
class DhtRegistry final : public MeshRegistry {
 public:
  DhtRegistry(net::Loop& control, DhtOptions options, DhtEvents& events);
  ~DhtRegistry();
  std::string start() override;
  void stop() override;

  void watch(const std::string& service, Watcher& watcher) override;
  void unwatch(const std::string& service, Watcher& watcher) override;
  void announce(const std::string& service, const Instance& self) override;
  void withdraw(const std::string& service) override;  // DhtEvents::on_withdrawn follows
  Origin origin(const std::string& service) const override { return {"the registry, as " + service, {}}; }
  void list() override { node_->list(); }
  void set_identity(std::shared_ptr<const identity::Identity> identity) override;

  int fall_silent() override { return node_->fall_silent(); }
  void speak_again() override { node_->speak_again(); }
  void leave_silently() override { node_->leave_silently(); }

  net::Address local() const override { return node_->local(); }
  bool answering() const override { return catalog_.answering(); }
  DhtFacts facts() const override { return node_->facts(); }
  const DhtStats& stats() const override { return *stats_; }
  std::vector<Catalog::Summary> services() const override { return catalog_.summary(now()); }
  std::vector<Catalog::Held> held(const std::string& service) const override { return catalog_.held(service, now()); }
  Catalog::Counts records() const override { return catalog_.counts(now()); }

 private:
  class Home;  // the node's events, carried to the control loop
  Moment now() const { return {control_.now(), net::Loop::wall()}; }
  void on_due();
  void arm();
  void learned(const std::string& service, const std::shared_ptr<const Instance>& facts, bool tombstone, bool pushed);
  net::Loop& control_;
  const milliseconds lease_;
  DhtEvents& events_;
  Catalog catalog_;
  std::unique_ptr<DhtStats> stats_ = std::make_unique<DhtStats>();
  std::shared_ptr<Home> home_;
  std::unique_ptr<Node> node_;
  net::BoundTimer<DhtRegistry, &DhtRegistry::on_due> due_{*this};
};

}  // namespace outrider::discovery
