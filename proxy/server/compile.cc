#include "server/compile.h"

#include <algorithm>
#include <map>

#include "filters/all.h"
#include "identity/workload_id.h"

namespace outrider::server {

using config::Protocol;

namespace {

upstream::HealthPlan::Kind kind_of(config::Health::Kind kind) {
  using Kind = upstream::HealthPlan::Kind;
  switch (kind) {
    case config::Health::Kind::Tcp: return Kind::Tcp;
    case config::Health::Kind::Http: return Kind::Http;
    case config::Health::Kind::Grpc: return Kind::Grpc;
    case config::Health::Kind::Off: break;
  }
  return Kind::Off;
}

upstream::HealthPlan plan_of(const config::Health& health) {
  upstream::HealthPlan plan;
  plan.kind = kind_of(health.kind);
  plan.path = health.path;
  plan.interval = health.interval;
  plan.timeout = health.timeout;
  plan.healthy = health.healthy;
  plan.unhealthy = health.unhealthy;
  plan.jitter = health.jitter;
  plan.expect_low = health.expect_low;
  plan.expect_high = health.expect_high;
  plan.port = health.port;
  return plan;
}

exchange::Forwarded forwarded_of(config::Listener::Forwarded rule) {
  switch (rule) {
    case config::Listener::Forwarded::Replace: return exchange::Forwarded::Replace;
    case config::Listener::Forwarded::Off: return exchange::Forwarded::Off;
    case config::Listener::Forwarded::Append:
    case config::Listener::Forwarded::Trust: break;
  }
  return exchange::Forwarded::Append;
}

exchange::Slash slash_of(config::Listener::Slash rule) {
  switch (rule) {
    case config::Listener::Slash::Decode: return exchange::Slash::Decode;
    case config::Listener::Slash::Reject: return exchange::Slash::Reject;
    case config::Listener::Slash::Keep: break;
  }
  return exchange::Slash::Keep;
}

// Rules with the same filters share one chain, however many they are.
class Chains {
 public:
  std::shared_ptr<const filter::Chain> of(const config::Chain& uses) {
    std::string key;
    for (const auto& use : uses) key += use.path + "\n";
    auto& chain = chains_[key];
    if (chain) return chain;
    std::vector<std::shared_ptr<const filter::Filter>> filters;
    for (const auto& use : uses) {
      filter::Complaint complaint;
      const auto* entry = filters::find(use.name);
      if (auto made = entry ? entry->make(use.options, complaint) : nullptr) filters.push_back(std::move(made));
    }
    chain = std::make_shared<const filter::Chain>(std::move(filters));
    return chain;
  }

 private:
  std::map<std::string, std::shared_ptr<const filter::Chain>> chains_;
};

// What a cluster says in clear text; by TLS its endpoint may choose.
upstream::Protocol asked_of(Protocol protocol, bool encrypted) {
  switch (protocol) {
    case Protocol::Tcp: return upstream::Protocol::Raw;
    case Protocol::Http2:
    case Protocol::Grpc: return upstream::Protocol::Http2;
    case Protocol::Auto: return encrypted ? upstream::Protocol::Either : upstream::Protocol::Http1;
    case Protocol::Http:
    case Protocol::Http1: break;
  }
  return upstream::Protocol::Http1;
}

http::Wire wire_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::Tcp: return http::Wire::Raw;
    case Protocol::Http2:
    case Protocol::Grpc: return http::Wire::Http2;
    case Protocol::Auto:
    case Protocol::Http:
    case Protocol::Http1: break;
  }
  return http::Wire::Http1;
}

exchange::Rule rule_of(const config::Route& route, const std::map<std::string, uint32_t>& clusters, Chains& chains, uint32_t id) {
  using Action = config::Route::Action;
  exchange::Rule rule;
  rule.hosts = route.hosts;
  rule.prefixes = route.prefixes;
  rule.paths = route.paths;
  exchange::Route& to = rule.route;
  to.id = id;
  to.name = route.name;
  to.file = route.where.file;
  to.line = route.where.line;
  to.timeout = route.timeout;
  to.chain = chains.of(route.filters);
  switch (route.action) {
    case Action::Cluster: to.cluster = clusters.at(route.cluster); break;
    case Action::ByHost: to.cluster = exchange::kByHost; break;
    case Action::Redirect:
      to.action = exchange::Route::Action::Redirect;
      to.redirect = {route.redirect.scheme, route.redirect.host, route.redirect.path,
                     route.redirect.prefix, route.prefixes,      route.redirect.status};
      break;
    case Action::Respond:
      to.action = exchange::Route::Action::Respond;
      to.respond = {route.respond.status, route.respond.body, route.respond.headers};
      break;
  }
  return rule;
}

// Whatever comes leads to one cluster, and nothing looks at it: a rule of TCP's.
bool is_one_way(const config::Listener& listener) {
  if (listener.routes.size() != 1) return false;
  const auto& only = listener.routes.front();
  return only.action == config::Route::Action::Cluster && only.hosts.empty() && only.prefixes.empty() && only.paths.empty() &&
         only.filters.empty();
}

net::TlsServerSettings settings_of(const config::Listener& listener) {
  net::TlsServerSettings settings{listener.tls.cert, listener.tls.key, listener.tls.client_ca, listener.tls.tls12,
                                  listener.tls.alpn};
  if (!settings.alpn.empty()) return settings;
  switch (listener.protocol) {
    case Protocol::Http1: settings.alpn = {"http/1.1"}; break;
    case Protocol::Http2:
    case Protocol::Grpc: settings.alpn = {"h2"}; break;
    case Protocol::Tcp: break;
    default: settings.alpn = {"h2", "http/1.1"};
  }
  return settings;
}

// Whoever trusts the system's authorities and shows nothing of its own shares one context, made when the first needs it.
class Originations {
 public:
  explicit Originations(std::string home) : home_(std::move(home)) {}

  identity::Outcome<upstream::TlsPlan> of(const config::Cluster& cluster) {
    using Kind = config::ClusterTls::Kind;
    const config::ClusterTls& tls = cluster.tls;
    if (tls.kind == Kind::Off || (tls.kind == Kind::Auto && !has_https(cluster))) return upstream::TlsPlan{};
    for (const std::string& pattern : tls.identities)
      if (!identity::valid_pattern(pattern)) return identity::Failure{"identity: \"" + pattern + "\" is none"};
    const bool plain = tls.ca.empty() && tls.cert.empty() && tls.tls12;
    if (plain && system_) return upstream::TlsPlan{system_, tls.sni, tls.kind == Kind::Auto};
    auto context = net::TlsContext::client({tls.ca, tls.cert, tls.key, tls.tls12, tls.identities, home_});
    if (!context) return context.failure();
    if (plain) system_ = *context;
    return upstream::TlsPlan{*context, tls.sni, tls.kind == Kind::Auto};
  }

 private:
  static bool has_https(const config::Cluster& cluster) {
    return std::any_of(cluster.endpoints.begin(), cluster.endpoints.end(), [](const config::Endpoint& endpoint) {
      const auto address = net::Address::parse(endpoint.address);
      return address && address->port() == 443;
    });
  }
  const std::string home_;
  std::shared_ptr<const net::TlsContext> system_;
};

std::shared_ptr<exchange::ListenerPlan> plan_of(const config::Listener& listener) {
  auto plan = std::make_shared<exchange::ListenerPlan>();
  plan->name = listener.name;
  plan->direction = config::name_of(listener.direction);
  for (const auto& text : listener.addresses)
    if (auto address = net::Address::parse(text)) plan->addresses.push_back(*address);
  plan->wire = wire_of(listener.protocol);
  plan->detect = listener.protocol == Protocol::Auto || listener.protocol == Protocol::Http;
  plan->detect_timeout = listener.detect_timeout;
  plan->detect_learn = listener.detect_learn;
  // Not at the edge: there a stranger's silence would cost a connection to an endpoint, and garbage would reach it.
  plan->tcp_too = listener.protocol == Protocol::Auto && listener.direction != config::Direction::Edge && is_one_way(listener);
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
  return plan;
}

upstream::ClusterPlan plan_of(const config::Cluster& cluster, upstream::TlsPlan tls) {
  upstream::ClusterPlan plan;
  const bool encrypted = tls.context != nullptr;
  plan.tls = std::move(tls);
  plan.name = cluster.name;
  plan.service = cluster.service;
  plan.digest = cluster.digest;
  plan.balancer = config::name_of(cluster.lb);
  plan.choices = cluster.choices;
  plan.subset_size = cluster.subset_size;
  plan.decay = cluster.decay;
  plan.failure_penalty = cluster.failure_penalty;
  plan.slow_start = cluster.slow_start;
  plan.panic = cluster.panic;
  plan.protocol = asked_of(cluster.protocol, encrypted);
  plan.grpc_protocol = cluster.protocol == Protocol::Auto ? upstream::Protocol::Http2 : plan.protocol;
  plan.upgrade_protocol = cluster.protocol == Protocol::Auto ? upstream::Protocol::Http1 : plan.protocol;
  plan.health = plan_of(cluster.health_check);
  plan.health.protocol = plan.health.kind == upstream::HealthPlan::Kind::Grpc ? upstream::Protocol::Http2 : plan.protocol;
  plan.health.tls = plan.tls;
  plan.pool.connect_timeout = cluster.connect_timeout;
  plan.pool.idle_timeout = cluster.pool_idle_timeout;
  plan.pool.max_requests = cluster.pool_max_requests;
  plan.pool.max_age = cluster.pool_max_age;
  plan.pool.tcp_keepalive = cluster.tcp_keepalive;
  plan.max_connections = cluster.max_connections;
  plan.max_pending = cluster.max_pending;
  plan.max_requests = cluster.max_requests;
  plan.timeout = cluster.timeout;
  plan.stream_timeout = cluster.timeout_implied ? milliseconds(0) : cluster.timeout;
  plan.retries = cluster.retry_attempts;
  plan.retry_connect_failure = cluster.retry_connect_failure;
  plan.retry_refused_stream = cluster.retry_refused_stream;
  plan.retry_reset_before_request = cluster.retry_reset_before_request;
  plan.retry_grpc = cluster.retry_grpc;
  plan.retry_buffer = uint32_t(cluster.retry_buffer);
  return plan;
}

}  // namespace

identity::Outcome<std::shared_ptr<const exchange::Snapshot>> compile(const config::Document& document, uint64_t version) {
  auto snapshot = std::make_shared<exchange::Snapshot>();
  snapshot->version = version;
  snapshot->digest = document.digest;
  snapshot->default_namespace = document.service.name_space;
  snapshot->mesh_domain = document.registry.domain;
  std::map<std::string, uint32_t> clusters;
  Originations originations(document.identity.trust_domain);
  for (const auto& cluster : document.clusters) {
    auto tls = originations.of(cluster);
    if (!tls) return identity::Failure{"clusters." + cluster.name + ".tls: " + tls.why()};
    clusters[cluster.name] = uint32_t(snapshot->clusters.size());
    snapshot->clusters.push_back(std::make_shared<const upstream::ClusterPlan>(plan_of(cluster, *tls)));
    snapshot->limits.push_back(std::make_shared<upstream::Limits>());
  }
  auto tls_by_name = originations.of(document.cluster_defaults);
  if (!tls_by_name) return identity::Failure{"defaults.cluster.tls: " + tls_by_name.why()};
  snapshot->by_name = plan_of(document.cluster_defaults, *tls_by_name);
  Chains chains;
  for (const auto& listener : document.listeners) {
    auto plan = plan_of(listener);
    if (listener.tls.on) {
      auto tls = net::TlsContext::server(settings_of(listener));
      if (!tls) return identity::Failure{"listeners." + listener.name + ".tls: " + tls.why()};
      plan->tls = *tls;
    }
    plan->max_of_process = document.overload.connections;
    plan->of_process = snapshot->connections;
    std::vector<exchange::Rule> rules;
    for (const auto& route : listener.routes) rules.push_back(rule_of(route, clusters, chains, snapshot->routes++));
    plan->router = std::make_shared<const exchange::Router>(std::move(rules));
    snapshot->listeners.push_back(std::move(plan));
  }
  return std::shared_ptr<const exchange::Snapshot>(std::move(snapshot));
}

}  // namespace outrider::server
