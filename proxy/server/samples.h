#pragma once
// Numbers that are known only when somebody asks: gathered for each scrape, on the control loop.

#include "server/access_logs.h"
#include "server/tls_files.h"
#include "server/view.h"
#include "stats/collector.h"

namespace outrider::server {

// Endpoints, registry, identity, build, configuration, memory, the app. All of it outlives the collector's last prepare().
void add_sources(stats::Collector& collector, const stats::Catalog& catalog, const State& state, const View& view,
                 const TlsFiles& files, const AccessLogs& logs);

// Once a second: the longest turns of the control loop and of the registry's. A worker sees to its own. Owned by the
// supervisor; control loop.
class TurnWatch {
 public:
  TurnWatch(net::Loop& control, const Mesh& mesh, stats::Catalog& catalog, stats::Shard& shard);

 private:
  void on_second();
  net::Loop& control_;
  const Mesh& mesh_;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  stats::Slot own_;
  net::BoundTimer<TurnWatch, &TurnWatch::on_second> second_{*this};
};

}  // namespace outrider::server
