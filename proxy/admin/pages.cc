#include "admin/pages.h"

#include <algorithm>
#include <cmath>

#include "admin/browser_page.h"
#include "admin/json.h"

namespace outrider::admin {

namespace {

constexpr const char* kJson = "application/json";

Reply json_reply(Json& json, uint16_t status = 200) { return {.status = status, .type = kJson, .body = json.take()}; }

void seconds(Json& json, std::string_view name, const std::optional<double>& value) {
  json.key(name);
  value ? json.value(short_of(*value)) : json.null();
}

void endpoint(Json& json, const EndpointView& one, bool with_times) {
  json.object(Json::Shape::OneLine)
      .field("address", one.address)
      .field("state", name_of(one.state))
      .field("why", one.why)
      .field("since_s", short_of(one.since_s))
      .field("weight", one.weight)
      .field("in_flight", one.in_flight)
      .field("requests", one.requests)
      .field("ewma_ms", short_of(one.ewma_ms));
  seconds(json, "lease_left_s", one.lease_left_s);
  if (one.load) json.field("load", short_of(*one.load));
  json.field("zone", one.zone)
      .field("priority", one.priority)
      .field("version", one.version)
      .field("identity", one.identity)
      .field("instance", one.instance)
      .field("errors", one.errors)
      .field("unanswered", one.unanswered);
  if (with_times) {
    json.key("first_byte_ms").array();
    for (const auto& [time, count] : one.first_byte_ms) json.array().value(short_of(time)).value(count).close();
    json.close();
  }
  json.close();
}

void cluster(Json& json, const ClusterView& one, bool with_times) {
  const auto ready = std::count_if(one.endpoints.begin(), one.endpoints.end(),
                                   [](const EndpointView& each) { return each.state == EndpointState::Ready; });
  json.object()
      .field("name", one.name)
      .field("lb", one.lb)
      .field("known", one.known)
      .field("from", one.from)
      .field("why", one.why)
      .field("panic", one.panic)
      .field("ready", int64_t(ready))
      .key("endpoints")
      .array();
  for (const EndpointView& each : one.endpoints) endpoint(json, each, with_times);
  json.close().close();
}

std::string there_is_no(const char* what, const std::string& only, const std::vector<std::string>& names) {
  constexpr size_t kShown = 20;
  std::string text = std::string("There is no ") + what + " " + only + " here.";
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i ? ", " : " There are: ") + names[i];
  return text + (names.size() > kShown ? " and more.\n" : names.empty() ? "\n" : ".\n");
}

bool ready(const std::vector<Part>& parts) {
  return std::all_of(parts.begin(), parts.end(), [](const Part& part) { return part.ok; });
}

const char* mark_of(const Part& part) { return !part.ok ? "no" : part.warning ? "warning" : "ok"; }

std::string ready_text(const std::vector<Part>& parts) {
  size_t name = 0;
  for (const Part& part : parts) name = std::max(name, part.name.size());
  std::string text = ready(parts) ? "ready\n" : "not ready\n";
  for (const Part& part : parts) {
    std::string line = "  " + part.name;
    line.resize(name + 4, ' ');
    line += mark_of(part);
    if (!part.detail.empty()) {
      line.resize(name + 13, ' ');
      line += part.detail;
    }
    text += line + "\n";
  }
  return text;
}

std::string duration(double s) {
  auto whole = uint64_t(s);
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

}  // namespace

double short_of(double number) { return std::round(number * 1000) / 1000; }

void parts(Json& json, const std::vector<Part>& all) {
  json.field("ready", ready(all)).key("parts").array();
  for (const Part& part : all)
    json.object(Json::Shape::OneLine)
        .field("name", part.name)
        .field("ok", part.ok)
        .field("warning", part.warning)
        .field("detail", part.detail)
        .close();
  json.close();
}

std::string authorization_json(const AuthorizationView& view) {
  Json json;
  json.object(Json::Shape::OneLine)
      .field("verdict", view.allowed ? "allowed" : "denied")
      .field("rule", view.rule)
      .field("mode", view.enforced ? "enforce" : "shadow")
      .field("file", view.file)
      .field("line", view.line)
      .close();
  return json.take();
}

const char* name_of(EndpointState state) {
  switch (state) {
    case EndpointState::Ready: return "ready";
    case EndpointState::Draining: return "draining";
    case EndpointState::Ejected: return "ejected";
    case EndpointState::Unhealthy: return "unhealthy";
    case EndpointState::Unknown: return "unknown";
    case EndpointState::Stale: return "stale";
  }
  return "unknown";
}

// Whoever asks need not know the namespace.
bool is_asked(const std::string& name, const std::string& only) {
  return only.empty() || name == only || (only.find('/') == only.npos && name.ends_with("/" + only));
}

Reply live_page(const Facts& facts) {
  if (facts.live()) return {.body = "live\n"};
  return {.status = 503, .body = "not live\n"};
}

Reply ready_page(const Facts& facts, const Ask& ask) {
  const std::vector<Part> all = facts.readiness();
  const uint16_t status = ready(all) ? 200 : 503;
  if (!ask.has("json")) return {.status = status, .body = ready_text(all)};
  Json json;
  json.object();
  parts(json, all);
  json.close();
  return json_reply(json, status);
}

Reply index_page(const Facts& facts) {
  const std::vector<ClusterView> clusters = facts.clusters();
  size_t endpoints = 0, usable = 0;
  for (const ClusterView& each : clusters) {
    endpoints += each.endpoints.size();
    for (const EndpointView& one : each.endpoints) usable += one.state == EndpointState::Ready;
  }
  const Build build = facts.build();
  std::string text = "outrider " + build.version + "  " + facts.name() + "  up " + duration(facts.uptime_s()) + "\n";
  text += std::to_string(clusters.size()) + (clusters.size() == 1 ? " cluster, " : " clusters, ") + std::to_string(usable) +
          " of " + std::to_string(endpoints) + " endpoints ready\n\n";
  text += ready_text(facts.readiness());
  text +=
      "\n"
      "  GET  /ready          what it takes to be ready, part by part (?json)\n"
      "  GET  /live           whether the process turns\n"
      "  GET  /clusters       every endpoint: state and why, weight, load, lease (?cluster=NAME, ?times)\n"
      "  GET  /services       services announced, watched and listed; complete once the list is read (?service=NAME)\n"
      "  GET  /registry       peers, seeds and our own records\n"
      "  GET  /overview       all of that in short, as the page for browsers asks for it\n"
      "  GET  /stat           requests, success, p50 p95 p99 by cluster, rule and peer (?cluster=NAME, ?buckets)\n"
      "  GET  /explain        why requests failed, or were slow, in sentences (?id=, ?limit=; from this machine)\n"
      "  GET  /route          which rule, cluster and endpoints a request would have (?method=&url=&from=&listener=&headers=)\n"
      "  GET  /authz          may FROM ask TO for that, and by which rule (?from=&to=&method=&path=)\n"
      "  GET  /tap            exchanges as they end, a line of JSON each (outrider tap --help: by what; limit=, for=; from this machine)\n"
      "  GET  /config         the configuration as it takes effect\n"
      "  POST /config         serve the file anew, or the body, all or nothing (from this machine)\n"
      "  GET  /config/history versions that were served, by whom, and how they did (?number=)\n"
      "  POST /config/rollback  serve an earlier version again (?to=N; from this machine)\n"
      "  POST /log            how much is logged from now on (?level=; from this machine)\n"
      "  POST /weight         share of requests that others send here (?value=; from this machine)\n"
      "  GET  /version        what was built\n"
      "  POST /upgrade        another process takes this one's place (?binary=PATH; from this machine)\n"
      "  POST /drain          leave the registry and turn unready; serves what still comes (from this machine)\n"
      "  POST /quitquitquit   drain and exit (from this machine)\n";
  return {.body = std::move(text)};
}

Reply config_page(const Facts& facts) { return {.type = "application/yaml", .body = facts.config()}; }

Reply clusters_page(const Facts& facts, const Ask& ask) {
  const std::string only = ask.value("cluster");
  bool found = only.empty();
  std::vector<std::string> others;
  Json json;
  json.object().key("clusters").array();
  for (const ClusterView& each : facts.clusters()) {
    if (!is_asked(each.name, only)) {
      if (each.labelled) others.push_back(each.name);
      continue;
    }
    found = true;
    cluster(json, each, ask.has("times"));
  }
  json.close().close();
  if (!found) return {.status = 404, .body = there_is_no("cluster", only, others)};
  return json_reply(json);
}

Reply services_page(const Facts& facts, const Ask& ask) {
  const std::string only = ask.value("service");
  bool found = only.empty();
  std::vector<std::string> others;
  Json json;
  json.object().key("services").array();
  for (const ServiceView& each : facts.services()) {
    if (!is_asked(each.name, only)) {
      if (each.instances) others.push_back(each.name);
      continue;
    }
    found = true;
    json.object(Json::Shape::OneLine)
        .field("name", each.name)
        .field("role", each.role)
        .field("known", each.known)
        .field("instances", each.instances)
        .field("draining", each.draining);
    seconds(json, "age_s", each.age_s);
    json.close();
  }
  json.close().field("complete", facts.services_complete()).close();
  if (!found) return {.status = 404, .body = there_is_no("service", only, others)};
  return json_reply(json);
}

Reply authorization_page(const Facts& facts, const Ask& ask) {
  const auto view = facts.authorization({ask.value("from"), ask.value("to"), ask.value("method"), ask.value("path")});
  if (!view.error.empty()) return {.status = 400, .body = view.error + "\n"};
  return {.type = "application/json", .body = authorization_json(view)};
}

Reply registry_page(const Facts& facts) {
  const RegistryView view = facts.registry();
  Json json;
  json.object()
      .field("kind", view.kind)
      .field("ready", view.ready)
      .field("detail", view.detail)
      .field("sealed", view.sealed)
      .field("signed", view.signed_records)
      .field("node_id", view.node_id)
      .field("address", view.address)
      .field("peers", view.peers)
      .key("seeds")
      .array();
  for (const auto& seed : view.seeds)
    json.object(Json::Shape::OneLine).field("address", seed.address).field("state", seed.state).close();
  json.close().key("announced").array();
  for (const auto& record : view.announced)
    json.object(Json::Shape::OneLine)
        .field("service", record.service)
        .field("address", record.address)
        .field("sequence", record.sequence)
        .field("lease_left_s", short_of(record.lease_left_s))
        .close();
  json.close().close();
  return json_reply(json);
}

Reply version_page(const Facts& facts) {
  const Build build = facts.build();
  Json json;
  json.object().field("version", build.version).field("revision", build.revision).close();
  return json_reply(json);
}

Reply drain_page(Facts& facts) {
  facts.drain();
  return {.status = 202, .body = "draining\n"};
}

Reply quit_page(Facts& facts) {
  facts.quit();
  return {.status = 202, .body = "draining, then exiting\n"};
}

void add_health_pages(AdminServer& server, Facts& facts) {
  server.page("/live", [&facts](const Ask&) { return live_page(facts); });
  server.page("/ready", [&facts](const Ask& ask) { return ready_page(facts, ask); });
}

void keep_health_alone(AdminServer& server) {
  server.only({"/", "/live", "/ready", "/version", "/stat", "/metrics"},
              "admin.debug is off. There are /ready, /live, /stat and /version; admin.debug: on shows the rest.");
}

void add_admin_pages(AdminServer& server, Facts& facts, const stats::Catalog& catalog) {
  add_health_pages(server, facts);
  add_browser_page(server, [&facts](const Ask&) { return index_page(facts); });
  server.page("/overview", [&](const Ask&) { return overview_page(facts, catalog, server.paths()); });
  server.page("/config", [&facts](const Ask&) { return config_page(facts); });
  server.page("/clusters", [&facts](const Ask& ask) { return clusters_page(facts, ask); });
  server.page("/services", [&facts](const Ask& ask) { return services_page(facts, ask); });
  server.page("/registry", [&facts](const Ask&) { return registry_page(facts); });
  server.page("/route", [&facts](const Ask& ask) { return route_page(facts, ask); });
  server.page("/authz", [&facts](const Ask& ask) { return authorization_page(facts, ask); });
  server.page("/stat", [&facts, &catalog](const Ask& ask) { return stat_page(facts, catalog, ask); });
  server.page("/version", [&facts](const Ask&) { return version_page(facts); });
  server.action("/drain", [&facts](const Ask&) { return drain_page(facts); });
  server.action("/quitquitquit", [&facts](const Ask&) { return quit_page(facts); });
}

}  // namespace outrider::admin
