#include "server/cluster_plans.h"

#include <algorithm>

#include "http/message.h"

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

// What a cluster says in clear text; by TLS its endpoint may choose.
upstream::Protocol asked_of(Protocol protocol, bool encrypted) {
  switch (protocol) {
    case Protocol::Tcp:
    case Protocol::Tls: return upstream::Protocol::Raw;
    case Protocol::Http2:
    case Protocol::Grpc: return upstream::Protocol::Http2;
    case Protocol::Auto: return encrypted ? upstream::Protocol::Either : upstream::Protocol::Http1;
    case Protocol::Http:
    case Protocol::Http1: break;
  }
  return upstream::Protocol::Http1;
}

wire::ProxyProtocol proxy_protocol_of(config::Cluster::ProxyProtocol version) {
  switch (version) {
    case config::Cluster::ProxyProtocol::V1: return wire::ProxyProtocol::V1;
    case config::Cluster::ProxyProtocol::V2: return wire::ProxyProtocol::V2;
    case config::Cluster::ProxyProtocol::Off: break;
  }
  return wire::ProxyProtocol::Off;
}

}  // namespace

upstream::TryPlan plan_of(const config::Tries& tries) {
  const config::Retry& retry = tries.retry;
  const config::Hedge& hedge = tries.hedge;
  upstream::TryPlan plan;
  plan.retries = retry.attempts;
  plan.connect_failure = retry.connect_failure;
  plan.refused_stream = retry.refused_stream;
  plan.reset_before_request = retry.reset_before_request;
  plan.grpc = retry.grpc;
  plan.statuses = retry.statuses;
  plan.timeout = retry.timeout;
  plan.methods = retry.methods.empty() ? upstream::kIdempotent : 0;
  for (const std::string& method : retry.methods) plan.methods |= upstream::bit_of(http::method_of(method));
  plan.per_try_timeout = retry.per_try_timeout;
  plan.backoff_base = retry.backoff_base;
  plan.backoff_max = retry.backoff_max;
  plan.budget = retry.budget;
  plan.budget_min = retry.budget_min;
  plan.buffer = uint32_t(retry.buffer);
  plan.hedge = {hedge.on, hedge.after, hedge.percentile / 100, hedge.min_requests};
  return plan;
}

// More than are let in it never has.
uint32_t slots_of(const config::Service& service) {
  const bool limited = service.concurrency == config::Service::Concurrency::Number;
  if (!limited) return service.slots;
  return service.slots > 0 ? std::min(service.slots, service.concurrency_number) : service.concurrency_number;
}

upstream::AdmissionPlan admission_of(const config::Service& service, const config::Cluster& local) {
  using From = config::Service::Concurrency;
  using Limit = upstream::AdmissionPlan::Limit;
  upstream::AdmissionPlan plan;
  if (service.concurrency != From::Off) plan.limit = service.concurrency == From::Auto ? Limit::Auto : Limit::Number;
  plan.number = service.concurrency == From::Auto ? local.max_requests : service.concurrency_number;
  plan.max_waiting = service.queue_max;
  plan.timeout = service.queue_timeout;
  plan.success_rate = service.success_rate;
  plan.counts = true;
  plan.slots = slots_of(service);
  return plan;
}

upstream::ClusterPlan plan_of(const config::Cluster& cluster, upstream::TlsPlan tls, const std::string& zone) {
  upstream::ClusterPlan plan;
  const bool encrypted = tls.files || tls.mesh;
  plan.tls = std::move(tls);
  plan.name = cluster.name;
  plan.service = cluster.service;
  plan.version = cluster.version;
  plan.digest = cluster.digest;
  plan.balancer = config::name_of(cluster.lb);
  plan.choices = cluster.choices;
  plan.reads_load = cluster.lb == config::Cluster::Balancer::Adaptive;
  plan.subset_size = cluster.subset_size;
  if (cluster.lb == config::Cluster::Balancer::RingHash || cluster.lb == config::Cluster::Balancer::Maglev) {
    plan.hash_by = http::RequestKey::parse(cluster.hash);
    plan.bounded_load = cluster.bounded_load;
    plan.subset_size = 0;  // a key has but one endpoint, whichever worker asks
  }
  plan.decay = cluster.decay;
  plan.failure_penalty = cluster.failure_penalty;
  plan.slow_start = cluster.slow_start;
  plan.panic = cluster.panic;
  plan.require = cluster.require;
  plan.prefer = cluster.prefer;
  plan.zone = zone;
  plan.local_first = cluster.local_first;
  plan.spill = cluster.spill;
  const config::Outliers& outliers = cluster.outliers;
  plan.outliers = {outliers.on,
                   outliers.consecutive_local,
                   outliers.consecutive_gateway,
                   outliers.consecutive_5xx,
                   outliers.success_rate,
                   outliers.min_requests,
                   outliers.interval,
                   outliers.base_ejection,
                   outliers.max_ejection,
                   outliers.max_ejected};
  plan.protocol = asked_of(cluster.protocol, encrypted);
  plan.grpc_protocol = cluster.protocol == Protocol::Auto ? upstream::Protocol::Http2 : plan.protocol;
  plan.upgrade_protocol = cluster.protocol == Protocol::Auto ? upstream::Protocol::Http1 : plan.protocol;
  plan.health = plan_of(cluster.health_check);
  plan.health.protocol = plan.health.kind == upstream::HealthPlan::Kind::Grpc ? upstream::Protocol::Http2 : plan.protocol;
  plan.health.tls = plan.tls;
  plan.health.proxy_protocol = plan.proxy_protocol = proxy_protocol_of(cluster.proxy_protocol);
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
  plan.tries = plan_of(cluster.tries);
  plan.by_destination = cluster.discovery == config::Cluster::Discovery::OriginalDst;
  plan.max_destinations = cluster.max_destinations;
  if (!plan.by_destination) return plan;
  // There is but one endpoint for each who asks: nobody to be left out for another, or to be tried in its place.
  plan.outliers.on = plan.tries.connect_failure = plan.tries.hedge.on = false;
  plan.health = {};
  return plan;
}

}  // namespace outrider::server
