#include "server/compile.h"

#include <algorithm>
#include <unordered_map>

#include "config/regex.h"
#include "exchange/foreword.h"
#include "identity/workload_id.h"
#include "server/chains.h"
#include "server/cluster_plans.h"
#include "server/conditions.h"
#include "server/threads.h"
#include "server/trace_plan.h"

namespace outrider::server {

using config::Protocol;

namespace {

exchange::Forwarded forwarded_of(config::Listener::Forwarded rule) {
  switch (rule) {
    case config::Listener::Forwarded::Replace: return exchange::Forwarded::Replace;
    case config::Listener::Forwarded::Off: return exchange::Forwarded::Off;
    case config::Listener::Forwarded::Append:
    case config::Listener::Forwarded::Trust: break;
  }
  return exchange::Forwarded::Append;
}

http::Wire wire_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::Tcp:
    case Protocol::Tls: return http::Wire::Raw;
    case Protocol::Http2:
    case Protocol::Grpc: return http::Wire::Http2;
    case Protocol::Auto:
    case Protocol::Http:
    case Protocol::Http1: break;
  }
  return http::Wire::Http1;
}

// At the n-th of its clusters.
std::shared_ptr<const upstream::TryPlan> tries_of(const config::Route& route, size_t n) {
  return route.tries.empty() ? nullptr : std::make_shared<const upstream::TryPlan>(plan_of(route.tries[n]));
}

std::vector<exchange::Route::Share> shares_of(const config::Route& route, const exchange::ClusterIds& clusters) {
  double sum = 0, until = 0;
  for (const auto& [name, weight] : route.split) sum += weight;
  std::vector<exchange::Route::Share> shares;
  for (size_t i = 0; i < route.split.size(); ++i)
    if (const auto& [name, weight] = route.split[i]; weight > 0)
      shares.push_back({(until += weight) / sum, clusters.at(name), tries_of(route, i)});
  return shares;
}

upstream::Priority priority_of(config::Priority priority) {
  switch (priority) {
    case config::Priority::High: return upstream::Priority::High;
    case config::Priority::Low: return upstream::Priority::Low;
    case config::Priority::Normal: break;
  }
  return upstream::Priority::Normal;
}

exchange::Rule rule_of(const config::Route& route, const exchange::ClusterIds& clusters, Chains& chains, uint32_t id,
                       const std::string& home) {
  using Action = config::Route::Action;
  exchange::Rule rule;
  rule.hosts = route.hosts;
  rule.prefixes = route.prefixes;
  rule.paths = route.paths;
  rule.server_names = route.server_names;
  exchange::Route& to = rule.route;
  to.id = id;
  to.name = route.name;
  to.file = route.where.file;
  to.line = route.where.line;
  to.timeout = route.timeout;
  to.logged = route.logged;
  to.priority = priority_of(route.priority);
  to.chain = chains.of(route.filters);
  to.sticky = http::RequestKey::parse(route.sticky);
  to.rewrite_host = route.rewrite.host;
  to.rewrite = {route.rewrite.prefix, route.prefixes, route.rewrite.path, nullptr, route.rewrite.replace};
  if (!route.rewrite.match.empty()) to.rewrite.regex = config::compile_regex(route.rewrite.match);
  if (route.onward) to.onward = clusters.at(config::kPassthroughCluster);
  to.home_port = route.home_port;
  rule.conditions = conditions_of(route.conditions, to.sticky, home);
  switch (route.action) {
    case Action::Cluster:
      if (route.split.empty()) to.cluster = clusters.at(route.cluster), to.tries = tries_of(route, 0);
      else to.split = shares_of(route, clusters);
      break;
    case Action::ByHost:
      to.cluster = exchange::kByHost;
      to.tries = tries_of(route, 0);
      break;
    case Action::Passthrough: to.cluster = route.onward ? exchange::kNobody : clusters.at(config::kPassthroughCluster); break;
    case Action::Redirect:
      to.action = exchange::Route::Action::Redirect;
      to.redirect = {route.redirect.scheme, route.redirect.host, {}, route.redirect.status, {}};
      if (route.redirect.port) to.redirect.port = ":" + std::to_string(route.redirect.port);
      to.redirect.rewrite.path = route.redirect.path;
      to.redirect.rewrite.prefix = route.redirect.prefix;
      to.redirect.rewrite.matched = route.prefixes;
      break;
    case Action::Respond:
      to.action = exchange::Route::Action::Respond;
      to.respond = {route.respond.status, route.respond.body, route.respond.headers};
      break;
  }
  return rule;
}

std::vector<std::string> alpn_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::Http1: return {"http/1.1"};
    case Protocol::Http2:
    case Protocol::Grpc: return {"h2"};
    case Protocol::Tcp:
    case Protocol::Tls: return {};
    default: return {"h2", "http/1.1"};
  }
}

identity::Outcome<TlsFiles::Slot> tls_of(const config::Listener& listener, WorkloadTls* workload, TlsFiles& files) {
  if (listener.tls.identity && workload) {
    auto protocols = alpn_of(listener.protocol);
    protocols.emplace_back(net::kMeshProtocol);
    return workload->server(std::move(protocols));
  }
  if (!listener.tls.on()) return TlsFiles::Slot();
  std::vector<net::TlsServerSettings> sites;
  for (const auto& site : listener.tls.sites)
    sites.push_back({site.cert, site.key, site.staple, site.client_ca, terms_of(site.terms),
                     site.alpn.empty() ? alpn_of(listener.protocol) : site.alpn, site.names});
  return files.server("listeners." + listener.name + ".tls", std::move(sites));
}

// Whoever trusts the system's authorities and shows nothing of its own shares one context, made when the first needs it.
class Originations {
 public:
  Originations(std::string home, WorkloadTls* workload, TlsFiles& files)
      : home_(std::move(home)), workload_(workload), files_(files) {}

  // `owner` is where it stands in the configuration.
  identity::Outcome<upstream::TlsPlan> of(const config::Cluster& cluster, const std::string& owner) {
    if (cluster.discovery == config::Cluster::Discovery::OriginalDst) return upstream::TlsPlan{};  // as it comes
    auto plan = of_files(cluster, owner);
    if (plan && workload_ && cluster.tls.kind == config::ClusterTls::Kind::Auto) plan->mesh = workload_->client();
    return plan;
  }

 private:
  identity::Outcome<upstream::TlsPlan> of_files(const config::Cluster& cluster, const std::string& owner) {
    using Kind = config::ClusterTls::Kind;
    const config::ClusterTls& tls = cluster.tls;
    if (tls.kind == Kind::Off || (tls.kind == Kind::Auto && !has_https(cluster))) return upstream::TlsPlan{};
    for (const std::string& pattern : tls.identities)
      if (!identity::valid_pattern(pattern)) return identity::Failure{"identity: \"" + pattern + "\" is none"};
    const bool plain = tls.ca.empty() && tls.cert.empty() && tls.terms == config::TlsTerms{};
    if (plain && system_) return upstream::TlsPlan{{}, system_, tls.sni, tls.kind == Kind::Auto};
    auto slot = files_.client(owner, {tls.ca, tls.cert, tls.key, terms_of(tls.terms), tls.identities, home_});
    if (!slot) return slot.failure();
    if (plain) system_ = *slot;
    return upstream::TlsPlan{{}, *slot, tls.sni, tls.kind == Kind::Auto};
  }
  // Whether there may ever be an endpoint at port 443.
  static bool has_https(const config::Cluster& cluster) {
    using Discovery = config::Cluster::Discovery;
    if (cluster.discovery == Discovery::File) return true;
    if (cluster.discovery == Discovery::Dns) return cluster.dns.type == config::Dns::Type::Srv || cluster.dns.port == 443;
    return std::any_of(cluster.endpoints.begin(), cluster.endpoints.end(), [](const config::Endpoint& endpoint) {
      return !endpoint.address.starts_with("unix:") && endpoint.address.ends_with(":443");
    });
  }
  const std::string home_;
  WorkloadTls* const workload_;
  TlsFiles& files_;
  TlsFiles::Slot system_;
};

std::shared_ptr<const exchange::ForewordPlan> foreword_of(const config::Listener& listener) {
  using Mode = config::ProxyHeaders::Mode;
  const config::ProxyHeaders& from = listener.proxy_protocol;
  if (from.mode == Mode::Off) return nullptr;
  auto plan = std::make_shared<exchange::ForewordPlan>();
  plan->required = from.mode == Mode::Required;
  plan->timeout = from.timeout;
  for (const std::string& text : from.networks())
    if (const auto network = Network::parse(text)) plan->trust.push_back(*network);
  return plan;
}

std::shared_ptr<exchange::ListenerPlan> plan_of(const config::Listener& listener) {
  auto plan = std::make_shared<exchange::ListenerPlan>();
  plan->name = listener.name;
  plan->direction = config::name_of(listener.direction);
  plan->inbound = listener.direction == config::Direction::Inbound;
  for (const auto& text : listener.addresses)
    if (auto address = net::Address::parse(text)) plan->addresses.push_back(*address);
  plan->wire = wire_of(listener.protocol);
  plan->detect = listener.protocol == Protocol::Auto || listener.protocol == Protocol::Http;
  plan->detect_timeout = listener.detect_timeout;
  plan->detect_learn = listener.detect_learn;
  plan->opaque_ports = listener.opaque_ports;
  plan->tcp_too = listener.relays();
  plan->transparent = listener.transparent;
  plan->tproxy = listener.tproxy;
  plan->foreword = foreword_of(listener);
  plan->redirected_too = listener.passes_bytes_on();
  plan->tls_alone = listener.protocol == Protocol::Tls;
  plan->by_server_name = plan->tls_alone || std::any_of(listener.routes.begin(), listener.routes.end(),
                                                        [](const auto& route) { return !route.server_names.empty(); });
  plan->codec.max_streams = listener.max_streams;
  plan->codec.max_header_bytes = uint32_t(listener.max_header_bytes);
  plan->codec.max_headers = listener.max_headers;
  plan->codec.buffer = uint32_t(listener.buffer);
  plan->codec.http10 = listener.http10;
  plan->codec.strict = listener.strict;
  plan->max_body = listener.max_body;
  plan->websocket = listener.websocket;
  plan->normalize_path = listener.normalize_path;
  plan->escaped_slash = slash_of(listener.escaped_slash);
  plan->forwarded = forwarded_of(listener.forwarded);
  plan->trusted_hops = listener.forwarded == config::Listener::Forwarded::Trust ? listener.trusted_hops : 0;
  plan->max_requests = listener.max_requests;
  plan->tls_handshake = listener.tls_handshake;
  plan->request_headers = listener.request_headers;
  plan->idle = listener.idle;
  plan->stream_idle = listener.stream_idle;
  plan->tunnel_idle = listener.tunnel_idle;
  plan->max_connection = listener.max_connection;
  plan->request = listener.request;
  plan->max_connections = listener.max_connections;
  plan->max_per_ip = listener.max_per_ip;
  plan->max_rate = listener.max_rate;
  return plan;
}

std::shared_ptr<const exchange::Router> router_of(const config::Document& document, const config::Listener& listener,
                                                  const exchange::ListenerPlan& plan, const exchange::ClusterIds& clusters,
                                                  Chains& chains, uint32_t& ids) {
  std::vector<exchange::Rule> rules;
  for (const auto& route : listener.routes) {
    rules.push_back(rule_of(route, clusters, chains, ids++, document.identity.trust_domain));
    const bool all = plan.tcp_too || plan.wire == http::Wire::Raw;
    rules.back().any_bytes = (all && route.takes_bytes()) || listener.passes_bytes_on(route);
  }
  return std::make_shared<const exchange::Router>(std::move(rules));
}

}  // namespace

exchange::Slash slash_of(config::Listener::Slash rule) {
  switch (rule) {
    case config::Listener::Slash::Decode: return exchange::Slash::Decode;
    case config::Listener::Slash::Reject: return exchange::Slash::Reject;
    case config::Listener::Slash::Keep: break;
  }
  return exchange::Slash::Keep;
}

std::shared_ptr<const filter::Authorization> authorization_of(const config::Document& document) {
  const config::Authorization& from = document.authorization;
  if (!from) return nullptr;
  const auto rules_of = [&](const std::vector<config::Authorization::Rule>& rules) {
    std::vector<filter::Authorization::Rule> out;
    for (const auto& rule : rules) out.push_back({rule.name, rule.from, rule.methods, rule.prefixes, rule.port});
    return out;
  };
  filter::Authorization made;
  made.port = document.service.ports.empty() ? 0 : uint16_t(document.service.ports.front().port);
  made.enforced = from.mode == config::Authorization::Mode::Enforce;
  made.allow_list = !from.allow.empty();
  made.home = document.identity.trust_domain;
  made.allow = rules_of(from.allow);
  made.deny = rules_of(from.deny);
  return std::make_shared<const filter::Authorization>(std::move(made));
}

std::shared_ptr<const exchange::ListenerPlan> plan_of(const config::Document& document, const config::Listener& listener,
                                                      exchange::ClusterIds& clusters) {
  for (const auto& cluster : document.clusters) clusters.emplace(cluster.name, uint32_t(clusters.size()));
  Chains chains;
  uint32_t ids = 0;
  auto plan = plan_of(listener);
  if (listener.tls.identity) plan->authorization = authorization_of(document);
  plan->router = router_of(document, listener, *plan, clusters, chains, ids);
  return plan;
}

identity::Outcome<std::shared_ptr<const exchange::Snapshot>> compile(const config::Document& document, WorkloadTls* workload,
                                                                     TlsFiles& files, AccessLogs& logs,
                                                                     const exchange::Snapshot* before) {
  auto snapshot = std::make_shared<exchange::Snapshot>();
  snapshot->version = before ? before->version + 1 : 1;
  snapshot->digest = document.digest;
  if (const auto& explain = document.admin.explain; !document.admin.address.empty() && explain.keep > 0)
    snapshot->decisions = {(explain.keep - 1) / threads_of(document) + 1, explain.slower};
  snapshot->default_namespace = document.service.name_space;
  snapshot->mesh_domain = document.registry.domain;
  exchange::ClusterIds& clusters = snapshot->cluster_ids;
  if (before) {
    snapshot->connections = before->connections;
    snapshot->pressure = before->pressure;
  }
  std::unordered_map<std::string_view, size_t> known;  // clusters of before, by name
  for (size_t i = 0; before && i < before->clusters.size(); ++i) known[before->clusters[i]->name] = i;
  Originations originations(document.identity.trust_domain, workload, files);
  for (const auto& cluster : document.clusters) {
    const std::string owner = "clusters." + cluster.name + ".tls";
    auto tls = originations.of(cluster, owner);
    if (!tls) return identity::Failure{owner + ": " + tls.why()};
    clusters[cluster.name] = uint32_t(snapshot->clusters.size());
    const auto same = known.find(cluster.name);
    if (same != known.end() && before->clusters[same->second]->digest == cluster.digest) {
      snapshot->clusters.push_back(before->clusters[same->second]);
      snapshot->limits.push_back(before->limits[same->second]);
      continue;
    }
    auto plan = plan_of(cluster, *tls, document.node.zone);
    if (document.service && cluster.name == config::kLocalCluster) plan.admission = admission_of(document.service, cluster);
    snapshot->clusters.push_back(std::make_shared<const upstream::ClusterPlan>(std::move(plan)));
    snapshot->limits.push_back(std::make_shared<upstream::Limits>());
    if (cluster.discovery == config::Cluster::Discovery::OriginalDst)
      snapshot->limits.back()->own = std::make_unique<upstream::OwnConnections>();
  }
  auto tls_by_name = originations.of(document.cluster_defaults, "defaults.cluster.tls");
  if (!tls_by_name) return identity::Failure{"defaults.cluster.tls: " + tls_by_name.why()};
  snapshot->by_name = plan_of(document.cluster_defaults, *tls_by_name, document.node.zone);
  const config::Service& service = document.service;
  Chains chains(service ? service.name_space + "/" + service.name : std::string(), before ? &before->filters : nullptr);
  for (const auto* rules : {&document.authorization.allow, &document.authorization.deny})
    for (const auto& rule : *rules)
      for (const std::string& pattern : rule.from)
        if (!identity::valid_pattern(pattern))
          return identity::Failure{"authorization." + rule.name + ".from: \"" + pattern + "\" is no identity"};
  const auto authorization = authorization_of(document);
  for (const auto& listener : document.listeners) {
    auto plan = plan_of(listener);
    auto tls = tls_of(listener, workload, files);
    if (!tls) return identity::Failure{"listeners." + listener.name + ".tls: " + tls.why()};
    plan->tls = *tls;
    plan->mutual_tls = listener.tls.identity && workload;
    plan->permissive = plan->mutual_tls && document.identity.mtls == config::Identity::Mtls::Permissive;
    if (plan->permissive) {  // it takes a look to know a sidecar
      if (plan->wire == http::Wire::Raw) plan->tcp_too = plan->bytes_alone = true;
      plan->detect |= plan->wire == http::Wire::Http2;
      plan->wire = http::Wire::Http1;
    }
    if (plan->mutual_tls) plan->authorization = authorization;
    if (plan->mutual_tls) plan->client_cert_prefix = "By=" + workload->id() + ";URI=";
    plan->ip = chains.ip_rules(listener.ip);
    plan->trace = trace_plan_of(document.tracing, listener);
    plan->max_of_process = document.overload.connections;
    if (const std::string& from = document.service.queue_priority; listener.direction != config::Direction::Edge && from != "off")
      plan->priority_field = from.substr(from.find('.') + 1);
    plan->of_process = snapshot->connections;
    if (before)
      for (const auto& old : before->listeners)
        if (old->name == plan->name) plan->keep(*old);
    plan->router = router_of(document, listener, *plan, clusters, chains, snapshot->routes);
    snapshot->listeners.push_back(std::move(plan));
  }
  auto log = logs.plan_of(document.access_log);
  if (!log) return identity::Failure{"telemetry.access_log." + log.why()};
  snapshot->access_log = *log;
  if (!chains.problem().empty()) return identity::Failure{chains.problem()};
  snapshot->filters = chains.take();
  for (const auto& [path, made] : snapshot->filters)
    if (made.feed) snapshot->feeds.push_back(made.feed);
  return std::shared_ptr<const exchange::Snapshot>(std::move(snapshot));
}

}  // namespace outrider::server
