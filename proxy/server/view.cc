#include "server/view.h"

#include <algorithm>

#include "base/log.h"
#include "config/show.h"
#include "server/authz.h"
#include "server/build.h"
#include "server/dry_run.h"
#include "server/overload.h"
#include "server/reloader.h"
#include "server/tls_files.h"

namespace outrider::server {

namespace {

using upstream::Health;

double seconds_since(int64_t ms, WallTime now) { return ms <= 0 ? 0 : double(std::max<int64_t>(0, to_ms(now) - ms)) / 1000; }

admin::EndpointState state_of(const upstream::Member& member, upstream::Known known, bool checked, WallTime now) {
  switch (upstream::state_of(member, known, now)) {
    case upstream::EndpointState::Draining: return admin::EndpointState::Draining;
    case upstream::EndpointState::Ejected: return admin::EndpointState::Ejected;
    case upstream::EndpointState::Unhealthy: return admin::EndpointState::Unhealthy;
    case upstream::EndpointState::Stale: return admin::EndpointState::Stale;
    case upstream::EndpointState::Ready: break;
  }
  const bool unknown = checked && member.endpoint->health.load(std::memory_order_relaxed) == Health::Unknown;
  return unknown ? admin::EndpointState::Unknown : admin::EndpointState::Ready;
}

const char* ejected_for(upstream::Ejected why) {
  switch (why) {
    case upstream::Ejected::NoAnswer: return "did not answer in time, or broke off";
    case upstream::Ejected::GatewayError: return "answered 502 to 504 in a row";
    case upstream::Ejected::ServerError: return "answered 5xx in a row";
    case upstream::Ejected::SuccessRate: return "too many of its answers are failures";
    case upstream::Ejected::ConnectFailure:
    case upstream::Ejected::Nothing: break;
  }
  return "could not be connected to";
}

std::string why(const upstream::Member& member, admin::EndpointState state, const std::string& trouble, WallTime now) {
  switch (state) {
    case admin::EndpointState::Ejected: {
      const upstream::Endpoint& endpoint = *member.endpoint;
      const auto times = endpoint.ejections.load(std::memory_order_relaxed);
      std::string text = ejected_for(endpoint.ejected_for.load(std::memory_order_relaxed));
      if (times > 1) text += ", ejected " + std::to_string(times) + " times in a row";
      if (upstream::is_half_open(endpoint, to_ms(now))) return text + "; the next request tries it again";
      const double left = double(endpoint.ejected_until_ms.load(std::memory_order_relaxed) - to_ms(now)) / 1000;
      return text + "; tried again in " + std::to_string(int(std::max(0.0, left)) + 1) + " s";
    }
    case admin::EndpointState::Unhealthy: return "fails its health check";
    case admin::EndpointState::Unknown: return "not checked yet";
    case admin::EndpointState::Stale: return trouble.empty() ? "the registry has not confirmed it" : trouble;
    case admin::EndpointState::Draining: return member.facts->weight == 0 ? "weight 0" : "it is leaving";
    case admin::EndpointState::Ready: break;
  }
  return {};
}

admin::EndpointView view_of(const upstream::Member& member, const Services::Group& group, WallTime now) {
  const upstream::Endpoint& endpoint = *member.endpoint;
  const discovery::Instance& facts = *member.facts;
  admin::EndpointView view;
  view.address = endpoint.address;
  view.state = state_of(member, group.set->known, group.plan->health.kind != upstream::HealthPlan::Kind::Off, now);
  view.why = why(member, view.state, group.set->trouble, now);
  view.since_s = seconds_since(std::max(endpoint.since_ms, endpoint.health_since_ms.load(std::memory_order_relaxed)), now);
  view.weight = facts.weight;
  view.zone = facts.zone;
  view.priority = facts.priority;
  view.version = facts.version;
  for (const auto& [name, value] : facts.labels)
    if (view.version.empty() && name == "version") view.version = value;
  view.identity = endpoint.identity;
  view.instance = facts.instance;
  view.in_flight = endpoint.in_flight.load(std::memory_order_relaxed);
  view.requests = endpoint.picks.load(std::memory_order_relaxed);
  if (const float load = endpoint.load.load(std::memory_order_relaxed); load >= 0) view.load = load;
  view.errors = endpoint.answers.errors();
  view.unanswered = endpoint.answers.without_answer();
  view.first_byte_ms = endpoint.answers.times();
  view.ewma_ms = double(endpoint.ewma_us.load(std::memory_order_relaxed)) / 1000;
  if (const WallTime expires = group.expires(member); expires != WallTime::max())
    view.lease_left_s = std::max(0.0, double(to_ms(expires) - to_ms(now)) / 1000);
  return view;
}

// As workers reckon it, each for itself, but of all of them together.
double retries_left(const upstream::ClusterPlan& plan, const upstream::Limits& limits,
                    const std::vector<admin::EndpointView>& endpoints) {
  double in_flight = 0;
  for (const auto& endpoint : endpoints) in_flight += double(endpoint.in_flight);
  const double workers = std::max(1u, limits.clusters.load(std::memory_order_relaxed));
  const double budget = std::max(plan.tries.budget_min * workers, plan.tries.budget * in_flight);
  return budget > 0 ? std::max(0.0, 1 - limits.retries.load(std::memory_order_relaxed) / budget) : 0;
}

}  // namespace

std::vector<std::pair<std::string, WallTime>> authority_ends(const identity::Identity& identity) {
  std::vector<std::pair<std::string, WallTime>> all;
  for (const auto& [domain, roots] : identity.trust.domains()) {
    WallTime last{};
    for (const auto& root : roots) last = std::max(last, root.not_after());
    all.emplace_back(domain.empty() ? std::string(identity.id.trust_domain()) : domain, last);
  }
  return all;
}

std::vector<admin::Part> View::readiness() const {
  std::vector<admin::Part> parts;
  const auto& document = *state_.document;
  parts.push_back(
      {"listeners", state_.started, std::to_string(state_.listening) + " of " + std::to_string(state_.listeners) + " open"});
  admin::Part identity{"identity", true, "none", false};
  if (document.registry.kind == config::Registry::Kind::Dht)
    identity = {"identity", true, "none: registrations are unsigned", true};
  if (state_.identity) {
    const WallTime now = net::Loop::wall();
    const auto problem = state_.identity->problem(now);
    const bool usable = problem.empty();
    const auto warning = usable ? state_.identity->warning(now, document.identity.warn_before) : problem;
    const auto detail = state_.identity->id.text() + (warning.empty() ? "" : "; " + warning);
    identity = {"identity", usable || !document.lifecycle.wait_identity, usable ? detail : problem, !warning.empty()};
  }
  parts.push_back(std::move(identity));
  const auto found = registry();
  if (found.kind != "none") {
    std::string detail = found.detail;
    const bool dht = found.kind == "dht", open = dht && !found.sealed, unsigned_records = dht && !found.signed_records;
    if (open) detail += ", packets not sealed";
    if (unsigned_records) detail += ", records not signed";
    parts.push_back(
        {"registry", found.ready || !document.lifecycle.wait_registry, detail, !found.ready || open || unsigned_records});
  }
  if (!state_.local_cluster.empty())
    parts.push_back({"service", true, document.service.name + (state_.app_up ? " answers" : " does not answer"), !state_.app_up});
  if (document.mode == config::Mode::Sidecar && document.identity.mtls == config::Identity::Mtls::Off)
    parts.push_back({"traffic", true, "clear text between sidecars", true});
  if (const auto strain = state_.overload ? state_.overload->describe() : std::string(); !strain.empty())
    parts.push_back({"overload", true, strain, true});
  if (const auto trouble = state_.reloader ? state_.reloader->trouble() : std::string(); !trouble.empty())
    parts.push_back({"configuration", true, trouble, true});
  if (state_.draining) parts.push_back({"lifecycle", false, "leaving"});
  return parts;
}

std::string View::config() const { return config::show(*state_.document, {.origin = true, .defaults = false}); }

std::vector<admin::ClusterView> View::clusters() const {
  std::vector<admin::ClusterView> views;
  if (!state_.services) return views;
  const WallTime now = net::Loop::wall();
  for (const auto& [name, group] : state_.services->all()) {
    admin::ClusterView view;
    view.name = name;
    view.lb = group.plan->balancer;
    if (group.source.registry) view.from = group.source.registry->origin(group.source.key).from;
    if (group.set) view.why = group.set->trouble;
    view.known = !group.set ? "not_yet" : group.source.fixed ? "fixed" : discovery::name_of(group.set->known);
    if (group.set)
      for (const auto& member : group.set->members) view.endpoints.push_back(view_of(member, group, now));
    view.labelled = group.configured || group.seen;
    if (group.limits && group.plan->tries.retries > 0)
      view.retries_left = retries_left(*group.plan, *group.limits, view.endpoints);
    view.panic = group.limits && group.limits->panic.lit();
    views.push_back(std::move(view));
  }
  std::sort(views.begin(), views.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return views;
}

// What is announced and what is watched; a service may be both. And what others have listed.
std::vector<admin::ServiceView> View::services() const {
  std::vector<admin::ServiceView> views;
  for (auto& each : state_.mesh->watched()) {
    const bool both = each.service == state_.announced_as;
    views.push_back({each.service, both ? "both" : "watched", each.known, each.instances, each.draining, each.age_s});
  }
  const auto add = [&](admin::ServiceView view) {
    if (std::none_of(views.begin(), views.end(), [&](const auto& each) { return each.name == view.name; }))
      views.push_back(std::move(view));
  };
  if (!state_.announced_as.empty()) add({state_.announced_as, "announced", "yes", 1, 0, {}});
  for (const auto& name : state_.mesh->listed().services) add({name, "listed", "not_asked", 0, 0, {}});
  std::sort(views.begin(), views.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return views;
}

bool View::services_complete() const { return state_.mesh->listed().complete; }

admin::RegistryView View::registry() const { return state_.mesh->view(); }

admin::AuthorizationView View::authorization(const admin::AuthorizationQuestion& question) const {
  return judge(*state_.document, question);
}

admin::RouteView View::route(const admin::RouteQuestion& question) const {
  auto view = dry_run(*state_.document, question);
  for (auto& cluster : clusters())
    if (!view.cluster.empty() && cluster.name == view.cluster) view.endpoints = std::move(cluster.endpoints);
  in_order(view.endpoints, state_.document->node.zone);
  return view;
}

admin::ProcessView View::process() const {
  admin::ProcessView view{config::name_of(state_.document->mode), state_.document->digest};
  if (state_.overload) {
    view.overload_level = state_.overload->level();
    view.overload = state_.overload->describe();
  }
  const auto now = net::Loop::wall();
  const auto add = [&](const std::string& owner, const std::string& what, WallTime until) {
    view.certificates.push_back({owner, what, double(to_ms(until) - to_ms(now)) / 1000});
  };
  if (state_.identity) {
    add("identity", state_.identity->id.text(), state_.identity->leaf.not_after());
    for (const auto& [domain, until] : authority_ends(*state_.identity)) add("authorities", domain, until);
  }
  if (state_.files) state_.files->each_shown(add);
  return view;
}

admin::Build View::build() const { return this_build(); }

std::string View::name() const {
  const auto& document = *state_.document;
  return document.service ? document.service.name : document.node.id;
}

double View::uptime_s() const { return std::chrono::duration<double>(net::Loop::clock() - state_.since).count(); }

}  // namespace outrider::server
