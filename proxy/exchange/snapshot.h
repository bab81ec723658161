#pragma once
// What is served, compiled from one configuration.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/pace.h"
#include "base/tally.h"
#include "exchange/access_log.h"
#include "exchange/pressure.h"
#include "exchange/router.h"
#include "exchange/server_first.h"
#include "filter/authorization.h"
#include "filter/feed.h"
#include "filter/ip_rules.h"
#include "http/codec.h"
#include "net/address.h"
#include "net/tls_slot.h"
#include "upstream/cluster_plan.h"
#include "upstream/limits.h"

namespace outrider::exchange {

enum class Forwarded : uint8_t { Append, Replace, Off };
enum class Slash : uint8_t { Keep, Decode, Reject };

struct ForewordPlan;
struct TracePlan;

using ClusterIds = std::map<std::string, uint32_t, std::less<>>;

struct ListenerPlan {
  std::string name, direction;  // direction: inbound | outbound | edge
  bool inbound = false;
  std::vector<net::Address> addresses;
  http::Wire wire = http::Wire::Http1;
  std::shared_ptr<const net::TlsSlot> tls;                     // null: clear text
  bool mutual_tls = false;                                     // `tls` is the workload's, and tells who comes
  std::shared_ptr<const filter::Authorization> authorization;  // null: whoever comes may ask for everything
  std::vector<std::shared_ptr<const filter::IpRules>> ip;      // all of them let in who is to get in
  bool permissive = false;                                     // and whoever comes without it is let in, too
  std::string client_cert_prefix;                              // then of x-forwarded-client-cert: "By=<ours>;URI="
  bool detect = false;                                         // HTTP/2 by its preface, too
  bool tcp_too = false;                // what is not HTTP goes on as it is: all there is leads to one cluster, whatever it is
  bool redirected_too = false;         // and so does what was redirected here, to where it was meant for
  bool by_server_name = false;         // TLS is led by the name its client asks for, and passed through
  bool tls_alone = false;              // nothing else is
  bool bytes_alone = false;            // tcp_too, and nobody looks
  std::vector<uint16_t> opaque_ports;  // nobody looks at what comes for these
  milliseconds detect_timeout{100};
  bool detect_learn = true;
  std::shared_ptr<ServerFirst> server_first = std::make_shared<ServerFirst>();
  bool transparent = false;                      // connections come here that were meant for others
  bool tproxy = false;                           // by TPROXY: as they are
  std::shared_ptr<const ForewordPlan> foreword;  // who is in front says whose a connection is; null: nobody does
  http::CodecLimits codec;
  uint64_t max_body = 0;  // 0: none
  bool websocket = true;  // false: refused
  bool normalize_path = true;
  Slash escaped_slash = Slash::Keep;
  Forwarded forwarded = Forwarded::Append;
  uint32_t trusted_hops = 0;  // forwarded: trust: N: keeps the last N elements it was sent
  uint32_t max_requests = 0;  // per connection; 0: no limit
  milliseconds tls_handshake{10000}, request_headers{10000}, idle{75000}, stream_idle{300000}, tunnel_idle{3600000};
  milliseconds max_connection{0}, request{0};
  uint32_t max_connections = 10000, max_per_ip = 0, max_rate = 0;
  std::shared_ptr<const Router> router;
  std::string priority_field;                                      // that requests say theirs in; empty: none
  std::shared_ptr<Tally> connections = std::make_shared<Tally>();  // of all workers
  std::shared_ptr<Pace> rate = std::make_shared<Pace>();
  std::shared_ptr<TallyTable> per_ip = std::make_shared<TallyTable>();
  std::shared_ptr<const TracePlan> trace;  // null: nobody looks at what requests say of traces
  uint32_t max_of_process = UINT32_MAX;
  std::shared_ptr<Tally> of_process = std::make_shared<Tally>();  // of all listeners

  // What was counted and learnt under `before`, a plan of the same listener, goes on.
  void keep(const ListenerPlan& before) {
    connections = before.connections;
    rate = before.rate;
    per_ip = before.per_ip;
    server_first = before.server_first;
  }
  // Whether connections that came under `before` may be served by this: what their sockets speak is the same.
  bool serves_connections_of(const ListenerPlan& before) const;
};

struct MadeFilter {
  std::string name;
  uint64_t options = 0;  // a digest of them
  std::shared_ptr<const filter::Filter> filter;
  std::shared_ptr<filter::Feed> feed;  // null: it has none
};

// Of how many requests that failed, or took longer, it is kept why.
struct DecisionPlan {
  uint32_t keep = 0;  // by each worker; 0: nobody asks
  milliseconds slower{1000};
};

// Everything a worker needs to serve, compiled from one configuration and never changed afterwards. The control thread
// publishes it; each worker makes a Serving of it and swaps one pointer between two turns; exchanges in flight keep the
// one they started with.
struct Snapshot {
  uint64_t version = 0;
  std::string digest;  // of the text it came from
  std::vector<std::shared_ptr<const ListenerPlan>> listeners;
  std::vector<std::shared_ptr<const upstream::ClusterPlan>> clusters;  // indexed by Route::cluster
  ClusterIds cluster_ids;                                              // of those by name
  std::vector<std::shared_ptr<upstream::Limits>> limits;               // likewise
  upstream::ClusterPlan by_name;                                       // of services nobody configured, but for their name
  std::shared_ptr<Tally> connections = std::make_shared<Tally>();      // from clients, of all listeners
  std::shared_ptr<Pressure> pressure = std::make_shared<Pressure>();
  std::vector<std::shared_ptr<filter::Feed>> feeds;  // of the filters; the control thread looks after them
  std::map<std::string, MadeFilter> filters;         // by their place in the configuration, for the next one
  std::shared_ptr<const AccessLogPlan> access_log;   // null: there is none
  uint32_t routes = 0;                               // how many ids there are
  DecisionPlan decisions;
  std::string default_namespace = "default", mesh_domain = "mesh";
};

}  // namespace outrider::exchange
