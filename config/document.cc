#include "config/document.h"

#include <algorithm>
#include <utility>

namespace outrider::config {

const char* name_of(Mode mode) { return mode == Mode::Sidecar ? "sidecar" : "edge"; }

const char* name_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::Auto: return "auto";
    case Protocol::Http: return "http";
    case Protocol::Http1: return "http1";
    case Protocol::Http2: return "http2";
    case Protocol::Grpc: return "grpc";
    case Protocol::Tcp: return "tcp";
    case Protocol::Tls: return "tls";
  }
  return "";
}

const char* name_of(Direction direction) {
  return direction == Direction::Inbound ? "inbound" : direction == Direction::Outbound ? "outbound" : "edge";
}

std::vector<std::string> Route::clusters() const {
  std::vector<std::string> names;
  for (const auto& [name, weight] : split) names.push_back(name);
  if (action == Action::Cluster && names.empty()) names.push_back(cluster);
  return names;
}

const char* name_of(Cluster::Balancer balancer) {
  switch (balancer) {
    case Cluster::Balancer::Ewma: return "ewma";
    case Cluster::Balancer::LeastRequest: return "least_request";
    case Cluster::Balancer::RoundRobin: return "round_robin";
    case Cluster::Balancer::Random: return "random";
    case Cluster::Balancer::RingHash: return "ring_hash";
    case Cluster::Balancer::Maglev: return "maglev";
    case Cluster::Balancer::Adaptive: return "adaptive";
  }
  return "";
}

Metrics::Metrics() {
  for (int us :
       {500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000})
    buckets.emplace_back(us);
}

// Not at the edge: there a stranger's silence would cost a connection to an endpoint, and garbage would reach it.
bool Listener::relays() const {
  if (protocol != Protocol::Auto || direction == Direction::Edge) return false;
  const Route* only = nullptr;
  for (const Route& route : routes) {
    if (!route.server_names.empty()) continue;
    if (std::exchange(only, &route)) return false;
  }
  return only && only->action == Route::Action::Cluster && only->catches_all() && only->filters.empty();
}

bool Listener::passes_bytes_on(const Route& route) const {
  const bool sees_them = route.filters.empty() || direction != Direction::Inbound;  // what is let in by filters is HTTP alone
  return transparent && protocol == Protocol::Auto && route.passes_on() && route.takes_bytes() && sees_them;
}

bool Listener::passes_bytes_on() const {
  return std::any_of(routes.begin(), routes.end(), [&](const Route& route) { return passes_bytes_on(route); });
}

const Cluster* Document::cluster(std::string_view name) const {
  const auto it = std::find_if(clusters.begin(), clusters.end(), [&](const Cluster& c) { return c.name == name; });
  return it == clusters.end() ? nullptr : &*it;
}

}  // namespace outrider::config
