#include "server/samples.h"

#include <algorithm>
#include <unordered_set>

#include "admin/metrics_page.h"
#include "base/hash.h"
#include "server/autoscale.h"
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
  samples.add(names::kConfigInfo, 1, {{"version", std::to_string(state.version)}, {"hash", state.document->digest}});
  samples.add(names::kRefusedCalls, double(refused_calls()));
  if (!state.local_cluster.empty())
    samples.add(names::kServiceUp, state.app_up ? 1 : 0, {{"service", state.document->service.name}});
}

// Whether nobody has the name of a label any more.
class Departures {
 public:
  explicit Departures(const State& state) : state_(state) {}
  bool operator()(std::string_view label, std::string_view value) {
    if (label == "peer") return true;  // who has not come for so long
    if (label == "cluster") return !value.empty() && !value.starts_with("__") && !is_cluster(value);
    if (label == "listener") return !is_listener(value);
    return label == "route" && value != "none" && !is_route(value);
  }

 private:
  bool is_cluster(std::string_view name) const {
    if (!state_.services) return true;
    const auto group = state_.services->all().find(name);
    return group != state_.services->all().end() && (group->second.configured || !group->second.workers.empty());
  }
  bool is_listener(std::string_view name) const {
    const auto& all = state_.document->listeners;
    return std::any_of(all.begin(), all.end(), [&](const auto& listener) { return listener.name == name; });
  }
  bool is_route(std::string_view name) {
    if (digest_ != state_.document->digest) {
      digest_ = state_.document->digest;
      routes_.clear();
      for (const auto& listener : state_.document->listeners)
        for (const auto& route : listener.routes) routes_.insert(route.name);
    }
    return routes_.find(name) != routes_.end();
  }
  const State& state_;
  std::string digest_;  // of the configuration that routes_ are of
  std::unordered_set<std::string, StringHash, std::equal_to<>> routes_;
};

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
                 const TlsFiles& files, const AccessLogs& logs) {
  const bool each_endpoint = state.document->metrics.endpoint_metrics;
  collector.add_source([&catalog, &state, &view, &files, &logs, each_endpoint](stats::Samples& samples) {
    state.mesh->add_samples(samples);
    add_identity(state, samples);
    files.add_samples(samples);
    add_process(state, samples);
    if (const auto full = utilization_of(state, catalog)) samples.add(names::kServiceUtilization, *full);
    samples.add(names::kMemory, double(catalog.memory_bytes()), {{"subsystem", "stats"}});
    samples.add(names::kMemory, double(logs.queued_bytes()), {{"subsystem", "access_log"}});
    samples.add(names::kAccessLogDropped, double(logs.dropped_lines()));
    admin::endpoint_samples(view, each_endpoint, samples);
  });
  collector.expire_by(Departures(state));
}

}  // namespace outrider::server
