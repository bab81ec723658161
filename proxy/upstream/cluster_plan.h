#pragma once
// Plain configuration of one cluster, compiled from the file; constant, shared by all threads.

#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "http/codec.h"
#include "http/request_key.h"
#include "net/tls_slot.h"
#include "upstream/admission_plan.h"
#include "wire/proxy_protocol.h"

namespace outrider::upstream {

// What a request goes by. Either: HTTP/1 or HTTP/2, as the endpoint chooses by ALPN; in clear text it is HTTP/1.
enum class Protocol : uint8_t { Http1, Http2, Raw, Either };

// TLS to endpoints. `mesh` is for those whose registration asks for it, whatever else is said here.
struct TlsPlan {
  std::shared_ptr<const net::TlsSlot> mesh;   // null: nobody is spoken to by mutual TLS
  std::shared_ptr<const net::TlsSlot> files;  // null: clear text
  std::string name;                           // what certificates must be for, and what is asked for; empty: the endpoint's own
  bool https_only = false;                    // `auto`: HTTP to port 443; else whatever goes to whichever endpoint
};

struct HealthPlan {
  enum class Kind : uint8_t { Off, Tcp, Http, Grpc } kind = Kind::Off;
  std::string path = "/";  // Grpc: the service's name
  milliseconds interval{10000}, timeout{1000};
  uint32_t healthy = 2, unhealthy = 3;  // in a row, to flip
  double jitter = 0.1;                  // of the interval
  uint16_t expect_low = 200, expect_high = 299;
  uint16_t port = 0;                    // 0: the endpoint's own
  Protocol protocol = Protocol::Http1;  // of kind Http
  TlsPlan tls;
  wire::ProxyProtocol proxy_protocol = wire::ProxyProtocol::Off;  // at the endpoint's own port
};

struct PoolPlan {
  milliseconds connect_timeout{1000};
  milliseconds idle_timeout{0};  // 0: learned from the server's Keep-Alive, else 60 s
  uint32_t max_requests = 0;     // per connection; 0: no limit
  milliseconds max_age{0};
  milliseconds tcp_keepalive{60000};
};

struct OutlierPlan {  // 0 in a row, or 0 as the rate: not looked at
  bool on = true;
  uint32_t consecutive_local = 3, consecutive_gateway = 5, consecutive_5xx = 0;
  double success_rate = 0;  // of at least min_requests in an interval
  uint32_t min_requests = 20;
  milliseconds interval{5000};
  milliseconds base_ejection{10000}, max_ejection{300000};  // doubles from the one to the other
  double max_ejected = 0.5;                                 // of the endpoints; one may always be
};

// A second try beside one that is slow to answer.
struct HedgePlan {
  bool on = false;
  milliseconds after{0};  // 0: as long as `quantile` of the answers took of late
  double quantile = 0.95;
  uint32_t min_requests = 100;  // of late, before a quantile says something
};

constexpr uint32_t bit_of(http::Method method) { return 1u << unsigned(method); }
constexpr uint32_t kIdempotent = bit_of(http::Method::Get) | bit_of(http::Method::Head) | bit_of(http::Method::Options) |
                                 bit_of(http::Method::Put) | bit_of(http::Method::Delete) | bit_of(http::Method::Trace);

// How often a request may be tried, and when: a cluster's word, or in its place a rule's.
struct TryPlan {
  uint32_t retries = 2;  // of requests that never reached an endpoint, and of what is listed here
  bool connect_failure = true, refused_stream = true, reset_before_request = true;
  uint32_t grpc = 0;               // a bit for each http::GrpcStatus
  std::bitset<200> statuses;       // from 400
  bool timeout = false;            // of one try
  uint32_t methods = kIdempotent;  // a bit for each http::Method: what may be asked twice, once an endpoint has seen it
  bool retries_answers() const { return retries > 0 && (timeout || grpc || statuses.any()); }
  milliseconds per_try_timeout{0};  // until the head of an answer; 0: none
  milliseconds backoff_base{25}, backoff_max{1000};
  double budget = 0.2;  // of the cluster's requests under way, on each worker
  uint32_t budget_min = 3;
  uint32_t buffer = 64 * 1024;  // bodies above it cannot be sent again
  HedgePlan hedge;
};

struct ClusterPlan {
  using Labels = std::vector<std::pair<std::string, std::string>>;
  std::string name;
  std::string service;  // "namespace/name" in the registry; empty: not from the registry
  std::string version;  // only endpoints that are, or are labelled, of that; empty: all
  bool found = false;   // nobody configured it: a request named it
  std::string digest;   // equal digests: the cluster is kept over a change of configuration
  std::string balancer = "ewma";
  bool reads_load = false;          // of answers: adaptive
  uint32_t choices = 2;             // least_request, ewma
  uint32_t subset_size = 128;       // endpoints that a worker keeps to, while it has fewer requests in flight; 0: all
  milliseconds subset_hold{30000};  // between two looks whether fewer endpoints would do again
  milliseconds decay{10000}, failure_penalty{5000};
  http::RequestKey hash_by;    // ring_hash, maglev: what leads to an endpoint
  double bounded_load = 0;     // ring_hash, maglev: times the average; 0: no bound
  milliseconds slow_start{0};  // 0: who joins has its share at once
  double panic = 0.5;          // fewer usable than this share: use all
  Labels require, prefer;      // of endpoints: without the one they are not of the cluster, those with the other come first
  std::string zone;            // our own; empty: not known
  bool local_first = true;     // endpoints of our zone
  double spill = 0.7;          // of a tier's weight: with less of it fit, the next has a part of the requests (tiers.h)
  Protocol protocol = Protocol::Http1;
  Protocol grpc_protocol = Protocol::Http1;     // for gRPC that has come by HTTP/2
  Protocol upgrade_protocol = Protocol::Http1;  // hardly any server takes WebSocket by HTTP/2
  TlsPlan tls;
  wire::ProxyProtocol proxy_protocol = wire::ProxyProtocol::Off;  // said first, of the client: connections are his alone then
  HealthPlan health;
  OutlierPlan outliers;
  PoolPlan pool;
  bool by_destination = false;       // its endpoints are what redirected connections were meant for
  uint32_t max_destinations = 1000;  // of those, kept by each worker
  uint32_t max_connections = 1024, max_pending = 1024, max_requests = 4096;
  milliseconds timeout{0};         // of a whole exchange; 0: none
  milliseconds stream_timeout{0};  // of one of gRPC: only what somebody has written
  TryPlan tries;
  http::CodecLimits codec;
  AdmissionPlan admission;  // of the application beside us
};

}  // namespace outrider::upstream
