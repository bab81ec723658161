#pragma once
// Numbers that are known only when somebody asks: gathered for each scrape, on the control loop.

#include "exchange/access_log.h"
#include "server/view.h"
#include "stats/collector.h"

namespace outrider::server {

// Endpoints, registry, identity, build, configuration, the app. All of it outlives the collector's last prepare().
void add_sources(stats::Collector& collector, const State& state, const View& view, const exchange::AccessLogWriter* log);

}  // namespace outrider::server
