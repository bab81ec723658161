#include "config/document.h"

#include <algorithm>

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
  }
  return "";
}

const char* name_of(Direction direction) {
  return direction == Direction::Inbound ? "inbound" : direction == Direction::Outbound ? "outbound" : "edge";
}

const char* name_of(Cluster::Balancer balancer) {
  switch (balancer) {
    case Cluster::Balancer::Ewma: return "ewma";
    case Cluster::Balancer::LeastRequest: return "least_request";
    case Cluster::Balancer::RoundRobin: return "round_robin";
    case Cluster::Balancer::Random: return "random";
  }
  return "";
}

Metrics::Metrics() {
  for (int us :
       {500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000})
    buckets.emplace_back(us);
}

const Cluster* Document::cluster(std::string_view name) const {
  const auto it = std::find_if(clusters.begin(), clusters.end(), [&](const Cluster& c) { return c.name == name; });
  return it == clusters.end() ? nullptr : &*it;
}

}  // namespace outrider::config
