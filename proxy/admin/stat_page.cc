// GET /stat: what has passed since the start, without a Prometheus.

#include <cmath>
#include <map>
#include <utility>

#include "admin/json.h"
#include "admin/pages.h"
#include "stats/histogram.h"
#include "stats/names.h"

namespace outrider::admin {

namespace {

using stats::Series;

struct Traffic {  // of one direction and cluster
  uint64_t requests = 0, failures = 0;
  std::map<std::string, uint64_t> codes;  // "2xx", "other"
  int64_t in_flight = 0;
  uint64_t request_bytes = 0, response_bytes = 0;
  stats::Histogram duration;
};

struct Upstream {  // of one cluster
  uint64_t retries = 0, connect_failures = 0;
  int64_t connections = 0, pending = 0;
};

struct Picture {
  std::map<std::pair<std::string, std::string>, Traffic> traffic;  // by direction and cluster
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
void add_requests(Traffic& traffic, const std::string& code, const std::string& flag, uint64_t count) {
  const bool known = code.size() == 3 && code[0] >= '1' && code[0] <= '5';
  traffic.requests += count;
  if (count) traffic.codes[known ? std::string{code[0], 'x', 'x'} : "other"] += count;
  if (known ? code[0] == '5' : flag != "none") traffic.failures += count;
}

void add(Picture& picture, const stats::Catalog& catalog, const Series& series) {
  namespace names = stats::names;
  const std::string cluster = label(series, "cluster");
  const std::pair at(label(series, "direction"), cluster);
  if (is(series, names::kRequests))
    add_requests(picture.traffic[at], label(series, "code"), label(series, "flag"), catalog.total(series));
  else if (is(series, names::kRequestDuration)) picture.traffic[at].duration.merge(catalog.histogram(series));
  else if (is(series, names::kRequestsInFlight)) picture.traffic[at].in_flight += int64_t(catalog.total(series));
  else if (is(series, names::kRequestBytes)) picture.traffic[at].request_bytes += catalog.total(series);
  else if (is(series, names::kResponseBytes)) picture.traffic[at].response_bytes += catalog.total(series);
  else if (is(series, names::kClusterRetries)) picture.upstream[cluster].retries += catalog.total(series);
  else if (is(series, names::kClusterConnectFailures)) picture.upstream[cluster].connect_failures += catalog.total(series);
  else if (is(series, names::kClusterConnectionsActive)) picture.upstream[cluster].connections += int64_t(catalog.total(series));
  else if (is(series, names::kClusterPending)) picture.upstream[cluster].pending += int64_t(catalog.total(series));
}

void write(Json& json, const std::pair<std::string, std::string>& at, const Traffic& traffic) {
  json.object().field("direction", at.first).field("cluster", at.second).field("requests", traffic.requests);
  json.key("success_ratio");
  if (traffic.requests == 0) json.null();
  else json.value(double(traffic.requests - traffic.failures) / double(traffic.requests));
  json.key("codes").object(Json::Shape::OneLine);
  for (const auto& [code, count] : traffic.codes) json.field(code, count);
  json.close().field("in_flight", traffic.in_flight);
  for (const auto& [name, q] : {std::pair("p50_ms", 0.5), {"p95_ms", 0.95}, {"p99_ms", 0.99}}) {
    json.key(name);
    if (traffic.duration.count() == 0) json.null();
    else json.value(std::round(traffic.duration.quantile(q)) / 1000);
  }
  json.field("request_bytes", traffic.request_bytes).field("response_bytes", traffic.response_bytes).close();
}

}  // namespace

Reply stat_page(const Facts& facts, const stats::Catalog& catalog, const Ask& ask) {
  const std::string only = ask.value("cluster");
  Picture picture;
  for (const Series* series : catalog.series())
    if (is_asked(label(*series, "cluster"), only)) add(picture, catalog, *series);
  if (!only.empty() && picture.traffic.empty() && picture.upstream.empty())
    return {.status = 404, .body = "There is no cluster " + only + " here.\n"};
  Json json;
  json.object().field("name", facts.name()).field("uptime_s", std::round(facts.uptime_s() * 1000) / 1000);
  json.key("traffic").array();
  for (const auto& [at, traffic] : picture.traffic) write(json, at, traffic);
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
