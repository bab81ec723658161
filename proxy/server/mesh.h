#pragma once
// The registry as the supervisor sees it, whatever this program was built with.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/facts.h"
#include "config/document.h"
#include "discovery/all.h"
#include "stats/collector.h"

namespace outrider::server {

class KubernetesMesh;

// Made of the configuration's `registry` block; with kind none there is nothing in it. Owned by the supervisor; control
// loop. Its end withdraws what is announced.
class Mesh final : discovery::DhtEvents {
 public:
  Mesh(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard);
  ~Mesh();
  // Empty, or what could not be done and by what key.
  // `socket`: bound to registry.bind by the process before us; -1: it is to be bound.
  std::string start(const config::Document& document, const std::optional<identity::Identity>& identity, int socket,
                    milliseconds file_look);
  void renew(const identity::Identity& identity);                   // another certificate: registrations are signed anew
  void stop();                                                      // withdraws, waiting a little for an acknowledgement
  discovery::MeshRegistry* registry() const { return dht_.get(); }  // in which we register; null: there is none
  explicit operator bool() const { return dht_ != nullptr; }
  discovery::Registry* names() const;  // in which services are found by their names; null: kind none
  admin::RegistryView view() const;
  struct Watched {
    std::string service, known;
    uint32_t instances = 0, draining = 0;
    std::optional<double> age_s;
  };
  std::vector<Watched> watched() const;
  struct Names {
    std::vector<std::string> services;
    bool complete = true;
  };
  Names listed() const;  // services that list themselves, as far as they have been read: to ask is to go on reading
  std::optional<milliseconds> longest_turn() const;  // of the registry's loop in the last second; none: there is none
  void add_samples(stats::Samples& samples) const;   // peers, records, rejections, bytes, staleness

 private:
  void on_registry_answering(bool yes) override;
  void on_lookup(milliseconds took) override;
  void on_seen(milliseconds took) override;
  void on_published(const std::string& service, bool acknowledged) override;
  void on_withdrawn(const std::string& service, bool acknowledged) override;
  net::Loop& control_;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  stats::Slot lookup_, propagation_, published_, unpublished_;
  std::unique_ptr<discovery::MeshRegistry> dht_;
  std::unique_ptr<KubernetesMesh> kubernetes_;
};

}  // namespace outrider::server
