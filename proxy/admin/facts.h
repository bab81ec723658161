#pragma once
// What the pages show, in plain structs, and who knows it: implemented by the server, rendered by pages.cc.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace outrider::admin {

enum class EndpointState : uint8_t { Ready, Draining, Ejected, Unhealthy, Unknown, Stale };
const char* name_of(EndpointState state);  // also the `state` label of outrider_cluster_endpoints

struct EndpointView {
  std::string address;  // ip:port
  EndpointState state = EndpointState::Unknown;
  std::string why;     // "connect refused 3 times", empty when there is nothing to say
  double since_s = 0;  // how long it has been in this state
  uint32_t weight = 100, priority = 0;
  std::string zone, version, identity, instance;
  uint64_t in_flight = 0, requests = 0;  // as seen by this proxy
  double ewma_ms = 0;
  uint32_t errors = 0, unanswered = 0;                     // answers of 5xx, and tries without one
  std::vector<std::pair<double, uint32_t>> first_byte_ms;  // how many answers took about so long, rising
  std::optional<double> load;                              // as it last said of itself; 1: full
  std::optional<double> lease_left_s;                      // none: the endpoint does not come from a registry
};

struct ClusterView {
  std::string name, lb;
  std::string known;  // yes, not_yet, stale, absent, fixed
  std::string from;   // where its endpoints are from: "DNS: A of web.example.com"
  std::string why;    // nobody is found or confirmed; empty: all is well
  bool panic = false;
  bool labelled = true;                // its name may be a metrics label
  std::optional<double> retries_left;  // of its budget, 1: all; none: nothing is tried again
  std::vector<EndpointView> endpoints;
};

struct ServiceView {  // one service of the registry as seen from here
  std::string name;
  std::string role;  // announced, watched, both, or listed: nobody here has asked for it
  std::string known;
  uint32_t instances = 0, draining = 0;
  std::optional<double> age_s;  // since the registry last confirmed it
};

struct RegistryView {
  std::string kind;  // dht, none ...
  bool ready = false, sealed = false, signed_records = false;
  std::string detail;
  std::string node_id, address;
  uint32_t peers = 0;
  struct Seed {
    std::string address, state;
  };
  std::vector<Seed> seeds;
  struct Record {  // our own, as published
    std::string service, address;
    uint64_t sequence = 0;
    double lease_left_s = 0;
  };
  std::vector<Record> announced;
};

struct Part {  // one thing that /ready is made of
  std::string name;
  bool ok = false;
  std::string detail;
  bool warning = false;  // ok, but somebody should know (unsigned registration)
};

struct AuthorizationQuestion {
  std::string from, to, method, path;  // method and path empty: a TCP connection
};

struct AuthorizationView {
  std::string error;  // the question makes no sense: why
  bool allowed = false, enforced = true;
  std::string rule, file;  // whose word it is; where it is written, if it is
  uint32_t line = 0;
};

struct RouteQuestion {
  std::string method, url, from, listener;  // the last two may be empty
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// What would become of a request. `status` is 0 where an endpoint would be asked.
struct RouteView {
  std::string error;  // the question makes no sense: why
  std::string listener;
  std::string denied_by;  // the rule of authorization, or the key that keeps its sender from connecting; empty: allowed
  std::string route, file;
  uint32_t line = 0;
  bool by_chance = false;  // the rule, or one before it, has but a share of such requests
  std::vector<std::string> filters;
  uint16_t status = 0;  // 0: it is led to a cluster, or, with a reason, not answered at all
  std::string reason, location;
  std::string cluster, path, host;                     // whom, and what for
  std::vector<std::pair<std::string, double>> shares;  // of a split that is drawn for each request
  std::string otherwise;                               // where it goes instead, and when; empty: nowhere
  double timeout_s = 0;                                // 0: none
  std::vector<EndpointView> endpoints;                 // in the order in which they come into question
};

struct CertificateView {
  std::string owner,
      what;  // "identity" and who that is, "authorities" and of which trust domain, "listeners.edge.tls" and its file
  double left_s = 0;
};

struct ProcessView {
  std::string mode, config;  // "sidecar" or "edge"; the configuration's digest
  unsigned overload_level = 0;
  std::string overload;  // why there is one, and what it means; empty: there is none
  std::vector<CertificateView> certificates;
};

struct Build {
  std::string version, revision;
};

// All of it is asked on the control loop and answered from what is there: nothing here may wait.
class Facts {
 public:
  virtual bool live() const { return true; }
  virtual std::vector<Part> readiness() const = 0;  // ready when every part is ok
  virtual std::string config() const = 0;           // effective, YAML
  virtual std::vector<ClusterView> clusters() const = 0;
  virtual std::vector<ServiceView> services() const = 0;
  virtual bool services_complete() const = 0;  // services that are merely listed are read once somebody asks for services()
  virtual RegistryView registry() const = 0;
  virtual AuthorizationView authorization(const AuthorizationQuestion& question) const = 0;
  virtual RouteView route(const RouteQuestion& question) const = 0;
  virtual ProcessView process() const = 0;
  virtual Build build() const = 0;
  virtual std::string name() const = 0;  // of this proxy: service or node id
  virtual double uptime_s() const = 0;
  virtual void drain() = 0;  // returns at once; again: nothing more happens
  virtual void quit() = 0;

 protected:
  ~Facts() = default;
};

}  // namespace outrider::admin
