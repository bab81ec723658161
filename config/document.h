#pragma once
// The configuration, typed: what every part of the program is told. Defaults stand in place; parse.cc names the keys.

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "config/included.h"
#include "config/node.h"
#include "config/probes.h"

namespace outrider::config {

using std::chrono::microseconds;

// Where something was written, for messages at run time. Line 0: not in a file, and `file` says what gave it.
struct Where {
  std::string file;
  uint32_t line = 0, column = 0;
};

enum class Mode : uint8_t { Sidecar, Edge };
enum class Protocol : uint8_t { Auto, Http, Http1, Http2, Grpc, Tcp, Tls };  // Tls: of listeners alone, passed through
enum class Direction : uint8_t { Inbound, Outbound, Edge };
const char* name_of(Mode mode);
const char* name_of(Protocol protocol);
const char* name_of(Direction direction);

constexpr const char* kLocalCluster = "local";              // the service beside this proxy, as a cluster
constexpr const char* kPassthroughCluster = "passthrough";  // whatever address a redirected connection was meant for
constexpr const char* kNoDht = "this program was built without the DHT (OUTRIDER_DHT=OFF)";

using Labels = std::vector<std::pair<std::string, std::string>>;

struct Self {           // `node`: who this proxy is
  std::string id;       // POD_NAME, else the host's name
  std::string address;  // POD_IP; empty: the first address that is not loopback
  std::string zone;
  Labels labels;
};

struct Health {
  enum class Kind : uint8_t { Off, Tcp, Http, Grpc } kind = Kind::Off;
  std::string path = "/";  // Grpc: the service's name; empty: the whole server
  milliseconds interval{10000}, timeout{1000};
  uint32_t healthy = 2, unhealthy = 3;  // in a row, to change the verdict
  double jitter = 0.1;                  // share of the interval
  uint16_t expect_low = 200, expect_high = 299;
  uint16_t port = 0;  // 0: the endpoint's own
};

struct Outliers {  // 0 in a row, or 0 as the rate: not looked at
  bool on = true;
  uint32_t consecutive_local = 3, consecutive_gateway = 5, consecutive_5xx = 0;
  double success_rate = 0;
  uint32_t min_requests = 20;
  milliseconds interval{5000}, base_ejection{10000}, max_ejection{300000};
  double max_ejected = 0.5;
};

struct Retry {
  bool connect_failure = true, refused_stream = true, reset_before_request = true;
  uint32_t grpc = 0;          // a bit for each status of gRPC, by its number
  std::bitset<200> statuses;  // of HTTP, from 400
  bool timeout = false;       // of one try
  uint32_t attempts = 2;
  std::vector<std::string> methods;  // empty: those that are idempotent
  milliseconds per_try_timeout{0}, backoff_base{25}, backoff_max{1000};
  double budget = 0.2;
  uint32_t budget_min = 3;
  uint64_t buffer = 64 * 1024;
};

struct Hedge {
  bool on = false;
  milliseconds after{0};  // 0: by `percentile`
  double percentile = 95;
  uint32_t min_requests = 100;
};

struct Tries {  // `retry` and `hedge`: of a request at a cluster
  Retry retry;
  Hedge hedge;
};

struct Port {
  std::string name;
  uint16_t port = 0;
  Protocol protocol = Protocol::Auto;
};

enum class Priority : uint8_t { High, Normal, Low };

struct Service {                       // the workload beside this proxy
  std::string name;                    // empty: there is none
  std::string name_space = "default";  // key `namespace`; POD_NAMESPACE
  std::string version;
  std::vector<Port> ports;  // one, in this version
  std::string address = "127.0.0.1";
  bool do_register = true;  // key `register`
  uint32_t weight = 100;    // 0: drain
  Health health{Health::Kind::Tcp, "/", milliseconds(5000), milliseconds(1000), 1, 3};
  enum class Concurrency : uint8_t { Auto, Number, Off } concurrency = Concurrency::Off;
  uint32_t concurrency_number = 0;
  double success_rate = 0;    // `admission`; 0: off
  uint32_t queue_max = 1024;  // `queue`
  milliseconds queue_timeout{1000};
  std::string queue_priority = "header.x-priority";  // or off
  uint32_t slots = 0;                                // `capacity`; 0: auto
  struct Autoscale {                                 // how full it is to be, for whoever counts replicas
    bool on = true;
    double target = 0.7;
    uint32_t min = 1, max = 100;
    milliseconds over{15000};  // that much of the past
  } autoscale;
  explicit operator bool() const { return !name.empty(); }
};

// What is agreed to in a handshake.
struct TlsTerms {
  bool tls12 = true;            // else 1.3 alone
  std::string ciphers, curves;  // as OpenSSL names them, with ':' between; empty: the usual ones
  bool operator==(const TlsTerms&) const = default;
};

struct Identity {
  std::string trust_domain = "mesh.local";
  std::string spiffe_id;  // filled in when there is a service
  // Where it comes from: a folder with tls.crt, tls.key, ca.crt, or an agent's SPIFFE Workload API. Both empty: there is none.
  std::string dir, workload_api;
  // How `tls: identity` takes those who come. Off where there is no identity.
  enum class Mtls : uint8_t { Strict, Permissive, Off } mtls = Mtls::Off;
  milliseconds drain{600000};                              // of connections whose peer is trusted no more
  std::vector<std::pair<std::string, std::string>> trust;  // other trust domains, and the files of their authorities
  double warn_before = 0.25;                               // of a certificate's life
  milliseconds wait{60000};                                // for the agent's first answer
  TlsTerms tls{.tls12 = false};
  explicit operator bool() const { return !dir.empty() || !workload_api.empty(); }
};

struct Authorization {  // of what is inbound
  enum class Mode : uint8_t { Enforce, Shadow } mode = Mode::Enforce;
  struct Rule {
    std::string name;  // "allow[0]"
    Where where;
    std::vector<std::string> from;  // patterns of identities
    uint16_t port = 0;              // 0: any
    std::vector<std::string> methods, prefixes;
  };
  std::vector<Rule> allow, deny;
  explicit operator bool() const { return !allow.empty() || !deny.empty(); }
};

struct Kubernetes {  // `registry.kubernetes`: whose EndpointSlices say where services are
  enum class Tls : uint8_t { Auto, Identity, Clear } tls = Tls::Auto;
  std::string server;  // https://host:port; empty: as a pod's environment says
  std::string token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token";
  std::string ca = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
  std::string name_space;  // of names that say none; empty: service.namespace
  milliseconds timeout{10000}, watch{300000}, silence{120000}, backoff_base{1000}, backoff_max{30000};
  uint32_t page = 100, max_endpoints = 10000, max_services = 500;
  uint64_t max_size = 16 << 20;
};

struct Registry {
  enum class Kind : uint8_t { None, Dht, Kubernetes } kind = OUTRIDER_DHT ? Kind::Dht : Kind::None;
  enum class Sign : uint8_t { Auto, Required, Preferred, Off } sign = Sign::Auto;
  enum class NodeIds : uint8_t { Bound, Offered, Free } node_ids = NodeIds::Bound;
  struct Owner {
    std::string service;                  // "namespace/name"
    std::vector<std::string> identities;  // patterns
    Where where;
  };
  std::string bind = "0.0.0.0:4222";
  std::vector<std::string> bootstrap;  // host:port
  std::vector<Owner> owners;           // who may speak for a service; of others any identity of their namespace may
  std::string key;                     // file with the mesh key; empty: unsealed
  uint32_t network = 1;
  milliseconds lease{60000}, valid{600000};
  uint32_t shards = 0;  // 0: auto
  milliseconds idle_timeout{600000};
  std::string snapshot = "/var/lib/outrider/registry";  // folder; empty: off
  milliseconds stale_serve{3600000};                    // `stale.serve`
  std::string domain = "mesh";                          // `dns.domain`: <service>.<namespace>.mesh
  Kubernetes kubernetes;
};

struct FilterUse {
  std::string name;
  Node options;      // as written; a map
  bool off = false;  // {name: off}: taken out of the chain it would join
  Where where;
  std::string path;  // "filters.edge[0].headers"
};
using Chain = std::vector<FilterUse>;

struct TextMatch {
  enum class Kind : uint8_t { Exact, Prefix, Suffix, Contains, Regex, Present } kind = Kind::Exact;
  std::string text;
  bool negated = false;
};

struct Conditions {  // of a rule, besides host and path; what is empty asks nothing
  bool grpc = false;
  std::string regex;  // the whole path
  std::vector<std::string> methods;
  std::vector<std::pair<std::string, TextMatch>> headers, queries, cookies;
  std::vector<std::string> identities, networks;  // of who asks
  std::vector<uint16_t> ports;                    // that were called
  double percent = 1;
  bool any() const;
  bool of_requests() const;  // something that a TCP connection has not
};

struct Route {
  // ByHost: the service the Host header names, looked up in the registry.
  // Passthrough: the address that a redirected connection was meant for.
  enum class Action : uint8_t { Cluster, ByHost, Redirect, Respond, Passthrough };
  std::string name;  // "<table>-<index>" unless given
  Where where;
  std::string path;                          // in the configuration: "routes.edge[2]"
  bool implied = false;                      // by a preset: behind what was written
  std::vector<std::string> hosts;            // lower case: exact or "*.suffix"; empty: any
  std::vector<std::string> prefixes, paths;  // at most one kind; both empty: any path
  std::vector<std::string> server_names;     // lower case, of TLS that is passed through: exact, "*.suffix" or "*"
  Conditions conditions;
  bool catches_all() const { return takes_bytes() && !conditions.any(); }
  bool takes_bytes() const {  // of TCP
    return hosts.empty() && prefixes.empty() && paths.empty() && server_names.empty() && !conditions.of_requests();
  }
  Action action = Action::Cluster;
  // Implied alone: what was redirected here goes on to where it was meant for, too. With Cluster that is another port than
  // `home_port`, with ByHost a name that the registry has not, with Passthrough everything; and what came directly is not
  // taken then.
  bool onward = false;
  uint16_t home_port = 0;
  bool passes_on() const { return onward || action == Action::Passthrough; }
  std::string cluster;                                  // a name in Document::clusters
  std::vector<std::pair<std::string, uint32_t>> split;  // of such names and their weights; not empty: instead of it
  std::vector<std::string> clusters() const;            // all that it leads to
  std::string sticky;                                   // what draws for a split or percentage: cookie.NAME, header.NAME, source
  struct Redirect {
    std::string scheme, host, path, prefix;
    uint16_t port = 0, status = 308;  // port 0: as the scheme or the host has it
  } redirect;
  struct Rewrite {
    std::string prefix, path, host;  // the query stays
    std::string match, replace;      // regex
  } rewrite;
  struct Respond {
    uint16_t status = 200;
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
  } respond;
  milliseconds timeout{0};       // 0: the cluster's
  Node own_tries = Node::map();  // `retry` and `hedge` as far as they are written
  std::vector<Tries> tries;      // with them, at each of clusters(), or at what the Host header names; empty: the clusters' own
  bool logged = true;            // `access_log`
  Priority priority = Priority::Normal;
  Chain filters;  // the listener's, what this rule takes out, then its own
};

struct RoutesFrom {     // rules that stand in other files
  std::string file;     // of the Gateway API's objects; or a folder of such files
  std::string gateway;  // of this Gateway alone: "name" or "namespace/name"; empty: of all
  Node at;              // where it is named
  std::string path;     // "routes_from[0].gateway_api"
};

// For a while, at rules: those that lead to a cluster, or one of them. `fault` is the filter of that name, with the limits of the
// experiment among its options.
struct Experiment {
  std::string name;
  std::string cluster, route;  // one of them; route: "<table>/<rule>"
  FilterUse fault;
};

// What a proxy in front may say of a connection before its first byte.
struct ProxyHeaders {
  enum class Mode : uint8_t { Off, Optional, Required } mode = Mode::Off;
  std::vector<std::string> trust{"private"};  // whose word is taken: networks, and `private`
  milliseconds timeout{3000};                 // until it is there; key `timeouts.proxy_protocol`
  std::vector<std::string> networks() const;  // with those that `private` is
};

struct ListenerTls {
  struct Site {
    std::vector<std::string> names;      // that clients ask for, in lower case: exact, or "*.suffix"; empty: any other
    std::vector<std::string> cert, key;  // files, as many of one as of the other
    std::string client_ca;               // file; empty: clients need no certificate
    TlsTerms terms;
    std::vector<std::string> alpn;  // empty: what the listener's protocol allows
    bool staple = true;             // CERT.ocsp, where there is one
  };
  std::vector<Site> sites;  // none: clear text, or
  bool identity = false;    // mutual TLS, as identity.mtls has it
  bool on() const { return !sites.empty(); }
};

struct Listener {
  enum class Forwarded : uint8_t { Append, Replace, Trust, Off };
  enum class Slash : uint8_t { Keep, Decode, Reject };
  std::string name;
  Where where;
  std::vector<std::string> addresses;  // "ip:port", "[ip]:port", ":port", "unix:/path"
  Protocol protocol = Protocol::Auto;
  Direction direction = Direction::Edge;
  ListenerTls tls;
  milliseconds detect_timeout{100};
  bool detect_learn = true;
  std::vector<uint16_t> opaque_ports;
  bool transparent = false;  // connections come here that were meant for others
  ProxyHeaders proxy_protocol;
  bool http10 = true, websocket = true;
  bool tproxy = false;  // transparent: as they are, by TPROXY; else redirected
  uint32_t max_streams = 128;
  uint64_t max_header_bytes = 64 * 1024;
  uint32_t max_headers = 128;
  uint64_t max_body = 0;  // 0: off
  bool normalize_path = true;
  Slash escaped_slash = Slash::Keep;
  bool strict = true;
  Forwarded forwarded = Forwarded::Append;
  uint32_t trusted_hops = 0;  // Forwarded::Trust
  uint32_t max_requests = 0;  // per connection; 0: no limit
  // Limits of time; 0: none.
  milliseconds tls_handshake{10000}, request_headers{10000}, idle{75000}, stream_idle{300000}, tunnel_idle{3600000};
  milliseconds max_connection{0}, request{0};
  uint32_t max_connections = 10000, max_per_ip = 0, max_rate = 0;  // rate: a second; 0: none
  uint64_t buffer = 64 * 1024;
  std::string table;          // of `routes` that it serves
  std::vector<Route> routes;  // that table, with what the direction implies behind it
  Chain filters;              // its chain, without
  Chain ip;                   // its `ip` filters: of connections, whatever they ask for
  // What is neither HTTP nor TLS somebody asks for goes on as it is: all of that leads to one cluster, and nothing looks
  // at it.
  bool relays() const;
  // What was redirected here, and is not HTTP, goes on to where it was meant for.
  bool passes_bytes_on() const;
  bool passes_bytes_on(const Route& route) const;  // by that rule
};

struct Endpoint {
  std::string address;  // "ip:port", "name:port" or "unix:/path"
  uint32_t weight = 100;
  uint8_t priority = 0;
  std::string zone;
  Labels labels;
  Where where;
};

struct ClusterTls {
  enum class Kind : uint8_t { Auto, Off, Given } kind = Kind::Auto;
  std::string sni, ca, cert, key;  // sni empty: the endpoint's host; the others are files
  TlsTerms terms;
  std::vector<std::string> identities;  // patterns; not empty: in place of the name
};

struct Dns {
  enum class Type : uint8_t { A, Aaaa, Any, Srv } type = Type::A;
  std::string name;                             // without a dot at its end
  uint16_t port = 0;                            // of a complete document 0 only where records have it
  milliseconds min_ttl{1000}, max_ttl{300000};  // whatever an answer says, it holds so long
  milliseconds timeout{3000};                   // of a question
  bool keep = true;                             // `on_failure`: what was found, while nobody answers
  size_t max_endpoints = 256;
  std::vector<std::string> servers;  // ip:port; empty: the system's
};

struct Cluster {
  enum class Discovery : uint8_t { Auto, Static, File, Dns, Registry, OriginalDst };
  enum class Balancer : uint8_t { Ewma, LeastRequest, RoundRobin, Random, RingHash, Maglev, Adaptive };
  std::string name;
  Where where;
  bool implied = false;                   // nobody configured it: `defaults.cluster` as it is
  Discovery discovery = Discovery::Auto;  // of a complete document never Auto
  std::string service;                    // Registry: "namespace/name" to look up
  std::string version;                    // of these alone; empty: all
  std::vector<Endpoint> endpoints;        // Static
  std::string endpoints_file;             // File
  Dns dns;                                // Dns; and how hosts of endpoints are looked up that are names
  Protocol protocol = Protocol::Auto;
  Balancer lb = Balancer::Ewma;
  uint32_t choices = 2, subset_size = 128;
  milliseconds decay{10000}, failure_penalty{5000};
  std::string hash = "source";  // or identity, host, path, header.NAME, cookie.NAME
  double bounded_load = 0;      // 0: off
  milliseconds slow_start{0};
  double panic = 0.5;
  bool local_first = true;
  double spill = 0.7;
  Labels require, prefer;
  Health health_check;
  Outliers outliers;
  ClusterTls tls;
  uint32_t max_connections = 1024, max_pending = 1024, max_requests = 4096;
  uint32_t max_destinations = 1000;  // OriginalDst: addresses at once, of each worker
  milliseconds connect_timeout{1000}, timeout{0};
  bool timeout_implied = true;  // by a preset: nobody has thought of streams
  Tries tries;
  milliseconds pool_idle_timeout{0};  // 0: learned
  uint32_t pool_max_requests = 0;
  milliseconds pool_max_age{0}, tcp_keepalive{60000};
  enum class ProxyProtocol : uint8_t { Off, V1, V2 } proxy_protocol = ProxyProtocol::Off;  // said to endpoints
  std::string digest;  // of all of this; equal: nothing about it has changed
};
const char* name_of(Cluster::Balancer balancer);  // "ewma", as upstream names it

struct Overload {
  uint32_t threads = 0;       // 0: auto
  double memory = 0.8;        // 0: off
  milliseconds loop_lag{50};  // 0: off
  uint32_t connections = 20000;
};

struct Lifecycle {
  bool wait_listeners = true, wait_identity = true, wait_registry = false;  // `ready_when`
  milliseconds drain_delay{5000}, drain_time{30000};
  // Auto: with that of `run -- CMD`. App: also with the one beside us that somebody else has started.
  enum class ExitWith : uint8_t { Auto, App, None } exit_with = ExitWith::Auto;
  struct App {                                 // which of the processes of a pod it is, where they are seen
    std::vector<std::string> process, ignore;  // by name; `process` empty: all but those of `ignore`
    milliseconds wait{600'000};                // for it to come
    milliseconds grace{15000};                 // it may come again within that
  } app;
  bool outbound_until_drain = false;  // else until the app is gone
  bool quit_page = true;
  bool sandbox = true;
  bool upgrade = true;  // another process may take this one's place
  milliseconds upgrade_timeout{30000};
  enum class Pid : uint8_t { Auto, Keep, Change } pid = Pid::Auto;
};

struct Upkeep {  // `config`: how the configuration itself is looked after
  bool watch = true;
  std::string history_dir = "/var/lib/outrider/config";  // empty: nothing on disk
  bool history_named = false;                            // somebody has said where
  uint32_t keep = 20;
  struct Guard {
    bool on = true;
    milliseconds window{60000};  // key `for`
    double error_rate = 0.02;    // more of all requests than before
    double p99 = 1.5;            // times what it was
    bool rollback = true;        // key `on_fail`; else only said
  } guard;
};

struct Metrics {
  std::string address = ":15020";  // empty: off
  uint32_t max_series = 5000;
  milliseconds idle{600'000};  // 0: never
  bool endpoint_metrics = false;
  std::vector<microseconds> buckets;  // filled in: 0.5 ms to 30 s
  Metrics();
};

struct AccessLog {
  enum class Format : uint8_t { Off, Json, Text } format = Format::Off;
  std::string to = "stdout";  // stdout, stderr, or a file
  double sample = 1, sample_errors = 1;
  Node when;  // options of what is logged, as the filter `tap` has them; null: everything
  std::vector<std::pair<std::string, std::string>> fields;  // "header.x", "response_header.x", "=text", or off
};

struct Tracing {
  bool on = false;
  enum class Format : uint8_t { W3c, B3, B3Multi };
  std::vector<Format> propagate{Format::W3c, Format::B3};
  double sample = 0.01, sample_errors = 1;
  std::string always = "header.x-trace";  // or off
  bool always_of_anybody = false;         // somebody wrote it down: it holds for callers who are not trusted, too
  enum class Trust : uint8_t { Auto, On, Off } trust = Trust::Auto;
  std::string otlp, ca, service;  // URL of the collector, empty: none; its authorities' file; empty: by `service.name`
  uint64_t queue = 4 << 20, batch_size = 1 << 20;
  uint32_t batch_spans = 512, attempts = 5;
  milliseconds batch_delay{1000}, timeout{10000}, retry{60000}, flush{2000};
};

struct Log {
  enum class Level : uint8_t { Debug, Info, Warn, Error, Off } level = Level::Info;
  bool json = false;
};

struct Admin {
  std::string address = "127.0.0.1:15000";  // empty: off
  std::string health = ":15021";            // empty: off
  bool debug = true;                        // pages that show what is configured and who is where
  struct Explain {
    uint32_t keep = 1000;  // 0: off
    milliseconds slower{1000};
  } explain;
  std::vector<Probe> probes;
};

struct Document {
  Mode mode = Mode::Edge;
  Self node;
  Service service;
  Identity identity;
  Authorization authorization;
  Registry registry;
  std::vector<Listener> listeners;
  std::vector<RoutesFrom> routes_from;  // their rules are among the listeners'
  std::vector<Cluster> clusters;        // configured, implied by a preset, and named by a route alone
  Cluster cluster_defaults;             // for services found by the Host header
  std::vector<Experiment> experiments;
  Overload overload;
  Lifecycle lifecycle;
  Upkeep upkeep;
  Metrics metrics;
  AccessLog access_log;
  Tracing tracing;
  Log log;
  Admin admin;
  std::vector<Included> included;  // files that were taken in
  std::string file;                // it came from; empty: none
  std::string digest;              // of everything, 16 hex digits
  Node effective;                  // the same as a tree with origins, for show()

  const Cluster* cluster(std::string_view name) const;
};

}  // namespace outrider::config
