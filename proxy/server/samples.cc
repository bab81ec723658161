#include "server/samples.h"

#include "admin/metrics_page.h"
#include "server/build.h"
#include "server/sandbox.h"
#include "stats/names.h"

namespace outrider::server {

namespace names = stats::names;

namespace {

void add_identity(const State& state, stats::Samples& samples) {
  if (!state.identity) return;
  samples.add(names::kIdentityExpiry, double(to_ms(state.identity->leaf.not_after())) / 1000);
  for (const auto& [domain, last] : authority_ends(*state.identity))
    samples.add(names::kAuthorityExpiry, double(to_ms(last)) / 1000, {{"trust_domain", domain}});
  samples.add(names::kIdentityInfo, 1, {{"spiffe_id", state.identity->id.text()}, {"issuer", state.identity->leaf.issuer()}});
}

void add_process(const State& state, stats::Samples& samples) {
  const auto build = this_build();
  samples.add(names::kBuildInfo, 1, {{"version", build.version}, {"revision", build.revision}});
  samples.add(names::kConfigInfo, 1, {{"version", "1"}, {"hash", state.document->digest}});
  samples.add(names::kRefusedCalls, double(refused_calls()));
  if (!state.local_cluster.empty())
    samples.add(names::kServiceUp, state.app_up ? 1 : 0, {{"service", state.document->service.name}});
}

uint64_t microseconds(milliseconds time) { return uint64_t(time.count()) * 1000; }

constexpr milliseconds kSecond{1000};

}  // namespace

TurnWatch::TurnWatch(net::Loop& control, const Mesh& mesh, stats::Catalog& catalog, stats::Shard& shard)
    : control_(control), mesh_(mesh), catalog_(catalog), shard_(shard),
      own_(catalog.slot(names::kEventLoopLag, {{"loop", "control"}})) {
  control_.arm(second_, kSecond);
}

void TurnWatch::on_second() {
  shard_.observe(own_, microseconds(control_.longest_turn()));
  if (const auto turn = mesh_.longest_turn())
    shard_.observe(catalog_.slot(names::kEventLoopLag, {{"loop", "registry"}}), microseconds(*turn));
  refused_calls();
  control_.arm(second_, kSecond);
}

void add_sources(stats::Collector& collector, const stats::Catalog& catalog, const State& state, const View& view,
                 const TlsFiles& files, exchange::AccessLogWriter* log) {
  const bool each_endpoint = state.document->metrics.endpoint_metrics;
  collector.add_source([&catalog, &state, &view, &files, log, each_endpoint](stats::Samples& samples) {
    state.mesh->add_samples(samples);
    add_identity(state, samples);
    files.add_samples(samples);
    add_process(state, samples);
    samples.add(names::kMemory, double(catalog.memory_bytes()), {{"subsystem", "stats"}});
    if (log) samples.add(names::kMemory, double(log->queued_bytes()), {{"subsystem", "access_log"}});
    samples.add(names::kAccessLogDropped, log ? double(log->dropped_lines()) : 0);
    admin::endpoint_samples(view, each_endpoint, samples);
  });
}

}  // namespace outrider::server
