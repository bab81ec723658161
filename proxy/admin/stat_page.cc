// GET /stat: what has passed since the start, without a Prometheus.

#include <cmath>
#include <utility>
#include <vector>

#include "admin/json.h"
#include "admin/pages.h"
#include "admin/traffic.h"

namespace outrider::admin {

namespace {

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
      if (const uint64_t count = traffic.duration.count(i)) json.array().value(i).value(count).close();
    json.close();
  }
  json.close();
}

}  // namespace

Reply stat_page(const Facts& facts, const stats::Catalog& catalog, const Ask& ask) {
  const std::string only = ask.value("cluster");
  const bool buckets = ask.has("buckets");
  const Picture picture = picture_of(catalog, only);
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
  json.close();
  write_upstream(json, picture);
  json.close();
  return {.type = "application/json", .body = json.take()};
}

}  // namespace outrider::admin
