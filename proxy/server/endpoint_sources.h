#pragma once
// Where each configured cluster has its endpoints from.

#include <map>
#include <string>

#include "config/document.h"
#include "discovery/dns/dns_registry.h"
#include "discovery/file/file_registry.h"
#include "discovery/fixed/fixed_registry.h"
#include "server/services.h"
#include "stats/stats.h"

namespace outrider::server {

// Those registries that need no network of their own: configuration, files, DNS. Counts what they do. Owned by the
// supervisor, whose services end first; control loop.
class EndpointSources final : discovery::DnsEvents, discovery::FileEvents {
 public:
  EndpointSources(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, milliseconds file_look);
  // `mesh` is the registry of names that are looked up there; null: there is none. Of a cluster that is known: what it says is
  // so from now on, and where that is another registry, the former one has nobody to tell any more.
  Services::Source add(const config::Cluster& cluster, discovery::Registry* mesh);
  void remove(const std::string& cluster);  // that nobody watches any more; one that was never added: nothing

 private:
  void on_dns_lookup(const char* result) override;
  void on_endpoints_file(const std::string& cluster, bool good) override;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  discovery::FixedRegistry fixed_;
  discovery::DnsRegistry dns_;
  discovery::FileRegistry files_;
};

}  // namespace outrider::server
