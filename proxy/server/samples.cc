#include "server/samples.h"

#include "admin/metrics_page.h"
#include "server/build.h"
#include "stats/names.h"

namespace outrider::server {

namespace names = stats::names;

namespace {

void add_identity(const State& state, stats::Samples& samples) {
  if (!state.identity) return;
  samples.add(names::kIdentityExpiry, double(to_ms(state.identity->leaf.not_after())) / 1000);
  samples.add(names::kIdentityInfo, 1, {{"spiffe_id", state.identity->id.text()}, {"issuer", state.identity->leaf.issuer()}});
}

void add_process(const State& state, stats::Samples& samples) {
  const auto build = this_build();
  samples.add(names::kBuildInfo, 1, {{"version", build.version}, {"revision", build.revision}});
  samples.add(names::kConfigInfo, 1, {{"version", "1"}, {"hash", state.document->digest}});
  if (!state.local_cluster.empty())
    samples.add(names::kServiceUp, state.app_up ? 1 : 0, {{"service", state.document->service.name}});
}

}  // namespace

void add_sources(stats::Collector& collector, const State& state, const View& view, const exchange::AccessLogWriter* log) {
  const bool each_endpoint = state.document->metrics.endpoint_metrics;
  collector.add_source([&state, &view, log, each_endpoint](stats::Samples& samples) {
    admin::endpoint_samples(view, each_endpoint, samples);
    state.mesh->add_samples(samples);
    add_identity(state, samples);
    add_process(state, samples);
    samples.add(names::kAccessLogDropped, log ? double(log->dropped_lines()) : 0);
  });
}

}  // namespace outrider::server
