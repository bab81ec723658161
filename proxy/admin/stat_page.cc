// GET /stat: what has passed since the start, without a Prometheus.

#include <cmath>
#include <utility>

#include "admin/json.h"
#include "admin/pages.h"
#include "admin/traffic.h"

namespace outrider::admin {

namespace {

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
  const Picture picture = picture_of(catalog, only);
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
