// GET /overview: what the page for browsers looks at each second beside /clusters.

#include <cmath>

#include "admin/json.h"
#include "admin/pages.h"
#include "admin/traffic.h"

namespace outrider::admin {

namespace {

void write(Json& json, const Traffic& traffic) {
  json.field("requests", traffic.requests).field("failures", traffic.failures).field("in_flight", traffic.in_flight);
  json.key("duration_ms").array();
  for (uint32_t i = 0; i < stats::Histogram::kBuckets; ++i)
    if (const uint64_t count = traffic.duration.count(i))
      json.array().value(short_of(stats::Histogram::figure(i) / 1000)).value(count).close();
  json.close();
}

void write(Json& json, const ProcessView& process) {
  json.field("mode", process.mode).field("config", process.config);
  json.key("overload").object(Json::Shape::OneLine).field("level", process.overload_level).field("why", process.overload).close();
  json.key("certificates").array();
  for (const auto& each : process.certificates)
    json.object(Json::Shape::OneLine)
        .field("owner", each.owner)
        .field("what", each.what)
        .field("left_s", std::round(each.left_s))
        .close();
  json.close();
}

}  // namespace

Reply overview_page(const Facts& facts, const stats::Catalog& catalog, const std::vector<std::string>& pages) {
  const Build build = facts.build();
  const Picture picture = picture_of(catalog);
  Json json;
  json.object().field("name", facts.name()).field("version", build.version).field("revision", build.revision);
  json.field("uptime_s", short_of(facts.uptime_s()));
  write(json, facts.process());
  parts(json, facts.readiness());
  json.key("traffic").array();
  for (const auto& [at, traffic] : picture.traffic) {
    json.object(Json::Shape::OneLine).field("direction", at[0]).field("cluster", at[1]);
    write(json, traffic);
    json.close();
  }
  json.close();
  write_upstream(json, picture);
  json.key("peers").array();
  for (const auto& [at, peer] : picture.peers)
    json.object(Json::Shape::OneLine)
        .field("direction", at[0])
        .field("peer", at[1])
        .field("requests", peer.requests)
        .field("failures", peer.failures)
        .close();
  json.close().key("pages").array(Json::Shape::OneLine);
  for (const auto& path : pages) json.value(path);
  json.close().close();
  return {.type = "application/json", .body = json.take()};
}

}  // namespace outrider::admin
