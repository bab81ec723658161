#include "discovery/dht/dht_registry.h"

#include <algorithm>
#include <functional>
#include <mutex>

#include "identity/workload_id.h"

namespace outrider::discovery {

// Collects during a turn of the node and posts once. `registry` is read and cleared on the control loop only; the control
// loop itself outlives the node's thread.
class DhtRegistry::Home final : public NodeEvents, public std::enable_shared_from_this<Home> {
 public:
  explicit Home(DhtRegistry& registry) : registry(&registry), control_(registry.control_) {}
  DhtRegistry* registry;

 private:
  using News = std::function<void(DhtRegistry&)>;
  void on_learned(const std::string& service, const std::shared_ptr<const Instance>& facts, bool tombstone,
                  bool pushed) override {
    news_.push_back([=](DhtRegistry& to) { to.learned(service, facts, tombstone, pushed); });
  }
  void on_remembered(const std::string& service, const std::shared_ptr<const Instance>& facts) override {
    news_.push_back([=](DhtRegistry& to) { to.catalog_.remember(service, facts, to.now()); });
  }
  void on_lapsed(const std::string& service, const std::shared_ptr<const Instance>& facts) override {
    news_.push_back([=](DhtRegistry& to) { to.catalog_.lapse(service, *facts, to.now()); });
  }
  void on_answered(const std::string& service, milliseconds took, bool first) override {
    news_.push_back([=](DhtRegistry& to) {
      to.catalog_.answered(service, to.now());
      if (first) to.events_.on_lookup(took);
    });
  }
  void on_version(const std::string& service, bool acknowledged) override {
    news_.push_back([=](DhtRegistry& to) { to.events_.on_published(service, acknowledged); });
  }
  void on_gone(const std::string& service, bool acknowledged) override {
    news_.push_back([=](DhtRegistry& to) { to.events_.on_withdrawn(service, acknowledged); });
  }
  void on_answering(bool yes) override {
    news_.push_back([=](DhtRegistry& to) {
      to.catalog_.answering(yes, to.now());
      to.events_.on_registry_answering(yes);
    });
  }
  void on_turn_over() override {
    if (news_.empty()) return;
    control_.post([self = shared_from_this(), news = std::exchange(news_, {})] {
      for (const auto& one : news)
        if (self->registry) one(*self->registry);
      if (self->registry) self->registry->arm();
    });
  }
  net::Loop& control_;
  std::vector<News> news_;
};

namespace {
Catalog::Options catalog_options(const DhtOptions& options) {
  Catalog::Options catalog;
  catalog.stale_serve = options.stale_serve;
  catalog.patience = options.patience;
  catalog.short_patience = options.patience / 4;
  return catalog;
}
}  // namespace

DhtRegistry::DhtRegistry(net::Loop& control, DhtOptions options, DhtEvents& events)
    : control_(control), lease_(options.lease), events_(events), catalog_(catalog_options(options)),
      home_(std::make_shared<Home>(*this)), node_(std::make_unique<Node>(std::move(options), *stats_, *home_)) {}

DhtRegistry::~DhtRegistry() {
  stop();
  home_->registry = nullptr;
}

std::string DhtRegistry::start() { return node_->start(); }

void DhtRegistry::stop() { node_->stop(); }

void DhtRegistry::watch(const std::string& service, Watcher& watcher) {
  if (!identity::valid_service(service)) return watcher.on_instances(service, Known::Absent, {});
  if (catalog_.watch(service, watcher, now())) node_->watch(service);
  arm();
}

void DhtRegistry::unwatch(const std::string& service, Watcher& watcher) {
  if (catalog_.unwatch(service, watcher)) node_->unwatch(service);
}

void DhtRegistry::announce(const std::string& service, const Instance& self) { node_->announce(service, self); }

void DhtRegistry::withdraw(const std::string& service) { node_->withdraw(service); }

void DhtRegistry::set_identity(std::shared_ptr<const identity::Identity> identity) { node_->set_identity(std::move(identity)); }

void DhtRegistry::learned(const std::string& service, const std::shared_ptr<const Instance>& facts, bool tombstone, bool pushed) {
  // Older versions linger for a lease and may come late; after that somebody repeats them.
  const auto known_for = catalog_.known_for(service, *facts, now());
  const Learned learned = catalog_.learn(service, facts, tombstone, now());
  if (learned == Learned::Older && known_for && *known_for > 2 * lease_) stats_->reject(RecordVerdict::Replayed);
  if (!pushed || tombstone || (learned != Learned::New && learned != Learned::Newer)) return;
  events_.on_seen(std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(net::Loop::wall() - facts->issued)));
}

void DhtRegistry::on_due() {
  catalog_.tick(now());
  arm();
}

void DhtRegistry::arm() {
  const TimePoint due = catalog_.due();
  if (due == TimePoint::max()) return due_.cancel();
  control_.arm(due_, std::max(milliseconds(1), std::chrono::ceil<milliseconds>(due - control_.now())));
}

}  // namespace outrider::discovery
