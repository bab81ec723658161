// GET /stat: what has passed since the start, without a Prometheus.

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "admin/json.h"
#include "admin/pages.h"
#include "stats/histogram.h"
#include "stats/names.h"

namespace outrider::admin {

namespace {

using stats::Series;

struct Counts {
  uint64_t requests = 0, failures = 0;
  std::map<std::string, uint64_t> codes;  // "2xx", "other"
};

struct Traffic : Counts {
  int64_t in_flight = 0;
  uint64_t request_bytes = 0, response_bytes = 0;
  stats::Histogram duration;
};

struct Upstream {  // of one cluster
  uint64_t retries = 0, connect_failures = 0;
  int64_t connections = 0, pending = 0;
};

using Key = std::vector<std::string>;  // as the labels below

struct Picture {
  std::map<Key, Traffic> traffic;  // by direction and cluster
  std::map<Key, Traffic> routes;   // by direction, route and cluster
  std::map<Key, Counts> peers;     // by direction and peer
  std::map<std::string, Upstream> upstream;
};

std::string label(const Series& series, std::string_view name) {
  for (const stats::Label& one : series.labels)
    if (one.name == name) return one.value;
  return {};
}

bool is(const Series& series, const stats::Name& name) { return std::string_view(series.name.name) == name.name; }

// A 5xx, or no answer where there should have been one, is a failure; what the client did wrong is not ours. A TCP
// connection has no code, and no flag when all went well.
void add_requests(Counts& traffic, const std::string& code, const std::string& flag, uint64_t count) {
  const bool known = code.size() == 3 && code[0] >= '1' && code[0] <= '5';
  traffic.requests += count;
  if (count) traffic.codes[known ? std::string{code[0], 'x', 'x'} : "other"] += count;
  if (known ? code[0] == '5' : flag != "none") traffic.failures += count;
}

void add(Picture& picture, const stats::Catalog& catalog, const Series& series) {
  namespace names = stats::names;
  const std::string cluster = label(series, "cluster"), direction = label(series, "direction");
  const Key at{direction, cluster}, by_route{direction, label(series, "route"), cluster};
  const auto each = [&](const auto& f) {
    f(picture.traffic[at]);
    f(picture.routes[by_route]);
  };
  if (is(series, names::kRequests))
    each([&](Traffic& to) { add_requests(to, label(series, "code"), label(series, "flag"), catalog.total(series)); });
  else if (is(series, names::kPeerRequests))
    add_requests(picture.peers[{direction, label(series, "peer")}], label(series, "code"), "none", catalog.total(series));
  else if (is(series, names::kRequestDuration))
    each([&, observed = catalog.histogram(series)](Traffic& to) { to.duration.merge(observed); });
  else if (is(series, names::kRequestBytes)) each([&](Traffic& to) { to.request_bytes += catalog.total(series); });
  else if (is(series, names::kResponseBytes)) each([&](Traffic& to) { to.response_bytes += catalog.total(series); });
  else if (is(series, names::kRequestsInFlight)) picture.traffic[at].in_flight += int64_t(catalog.total(series));
  else if (is(series, names::kClusterRetries)) picture.upstream[cluster].retries += catalog.total(series);
  else if (is(series, names::kClusterConnectFailures)) picture.upstream[cluster].connect_failures += catalog.total(series);
  else if (is(series, names::kClusterConnectionsActive)) picture.upstream[cluster].connections += int64_t(catalog.total(series));
  else if (is(series, names::kClusterPending)) picture.upstream[cluster].pending += int64_t(catalog.total(series));
}

// An object that is still open.
void begin(Json& json, const std::vector<const char*>& labels, const Key& at, const Counts& counts) {
  json.object();
  for (size_t i = 0; i < labels.size(); ++i) json.field(labels[i], at[i]);
  json.field("requests", counts.requests).field("failures", counts.failures);
  json.key("success_ratio");
  if (counts.requests == 0) json.null();
  else json.value(double(counts.requests - counts.failures) / double(counts.requests));
  json.key("codes").object(Json::Shape::OneLine);
  for (const auto& [code, count] : counts.codes) json.field(code, count);
  json.close();
}

void write_rest(Json& json, const Traffic& traffic, bool with_buckets) {
  for (const auto& [name, q] : {std::pair("p50_ms", 0.5), {"p95_ms", 0.95}, {"p99_ms", 0.99}}) {
    json.key(name);
    if (traffic.duration.count() == 0) json.null();
    else json.value(std::round(traffic.duration.quantile(q)) / 1000);
  }
  json.field("request_bytes", traffic.request_bytes).field("response_bytes", traffic.response_bytes);
  if (with_buckets) {
    json.key("buckets").array(Json::Shape::OneLine);
    for (uint32_t i = 0; i < stats::Histogram::kBuckets; ++i)
      if (const uint64_t count = traffic.duration.in(i)) json.array().value(i).value(count).close();
    json.close();
  }
  json.close();
}

}  // namespace

Reply stat_page(const Facts& facts, const stats::Catalog& catalog, const Ask& ask) {
  const std::string only = ask.value("cluster");
  const bool buckets = ask.has("buckets");
  Picture picture;
  for (const Series* series : catalog.series())
    if (is_asked(label(*series, "cluster"), only)) add(picture, catalog, *series);
  if (!only.empty() && picture.traffic.empty() && picture.upstream.empty())
    return {.status = 404, .body = "There is no cluster " + only + " here.\n"};
  Json json;
  json.object().field("name", facts.name()).field("uptime_s", std::round(facts.uptime_s() * 1000) / 1000);
  json.key("traffic").array();
  for (const auto& [at, traffic] : picture.traffic) {
    begin(json, {"direction", "cluster"}, at, traffic);
    json.field("in_flight", traffic.in_flight);
    write_rest(json, traffic, buckets);
  }
  json.close().key("routes").array();
  for (const auto& [at, traffic] : picture.routes) {
    begin(json, {"direction", "route", "cluster"}, at, traffic);
    write_rest(json, traffic, buckets);
  }
  json.close().key("peers").array();
  for (const auto& [at, counts] : picture.peers) {
    begin(json, {"direction", "peer"}, at, counts);
    json.close();
  }
  json.close().key("upstream").array();
  for (const auto& [cluster, upstream] : picture.upstream)
    json.object(Json::Shape::OneLine)
        .field("cluster", cluster)
        .field("connections", upstream.connections)
        .field("pending", upstream.pending)
        .field("retries", upstream.retries)
        .field("connect_failures", upstream.connect_failures)
        .close();
  json.close().close();
  return {.type = "application/json", .body = json.take()};
}

}  // namespace outrider::admin
