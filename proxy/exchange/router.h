#pragma once
// Host and path to a rule. Compiled once, constant, shared by all workers.

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "exchange/conditions.h"
#include "exchange/path_tree.h"
#include "exchange/rewrite.h"
#include "filter/chain.h"
#include "upstream/admission_plan.h"
#include "upstream/cluster_plan.h"

namespace outrider::exchange {

constexpr uint32_t kByHost = std::numeric_limits<uint32_t>::max();  // no plan names it: the service the Host names
constexpr uint32_t kNobody = kByHost - 1;                           // nor this: there is none, and the rule is not taken

struct Redirect {
  std::string scheme, host;  // empty: as the request has it
  Rewrite rewrite;
  uint16_t status = 308;
  std::string port;  // ":8443"; empty: as the host has it
  std::string_view location(const http::RequestHead& asked, bool encrypted, Arena& arena) const;
};
struct Respond {
  uint16_t status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct Route {
  enum class Action : uint8_t { Cluster, Redirect, Respond };
  uint32_t id = 0;   // dense within a snapshot: indexes Serving's counters
  std::string name;  // metrics label
  std::string file;
  uint32_t line = 0;  // where it was written; 0: a preset's
  Action action = Action::Cluster;
  uint32_t cluster = kByHost;                      // index into Snapshot::clusters
  std::shared_ptr<const upstream::TryPlan> tries;  // in place of the cluster's; null: that
  struct Share {
    double until;  // of 1, those before it included
    uint32_t cluster;
    std::shared_ptr<const upstream::TryPlan> tries;
  };
  // What was redirected here goes on to where it was meant for by this cluster, where `cluster` is nobody, or not that port's, or
  // nobody the registry knows (onward.cc).
  std::optional<uint32_t> onward;
  uint16_t home_port = 0;    // the port of `cluster`; 0: any
  std::vector<Share> split;  // not empty: instead of `cluster`
  Rewrite rewrite;
  std::string rewrite_host;  // empty: as it is
  bool rewrites() const { return !rewrite.empty() || !rewrite_host.empty(); }
  http::RequestKey sticky;  // draws for the split, where a request has it
  struct Goal {
    uint32_t cluster;
    const upstream::TryPlan* tries;  // null: the cluster's
  };
  Goal choose(double lot) const;  // by a lot of 0 or more and less than 1
  Redirect redirect;
  Respond respond;
  std::shared_ptr<const filter::Chain> chain;  // never null
  milliseconds timeout{0};                     // of the whole exchange; 0: none, and no timer is armed
  bool logged = true;                          // by the access log, where there is one
  upstream::Priority priority = upstream::Priority::Normal;
};

// One rule as written: hosts exact or "*.suffix" (empty: any), one path exact or prefix (segment aware). With names of
// servers, written like hosts ("*": whatever the name, or none), it is for TLS that is passed through alone. What it asks
// besides may be nothing (null).
struct Rule {
  std::vector<std::string> hosts;
  std::vector<std::string> prefixes, paths;  // both empty: any path
  std::vector<std::string> server_names;
  bool any_bytes = false;  // takes connections that nobody looks into, too
  std::shared_ptr<const Conditions> conditions;
  Route route;
};

// First matching rule wins, as written; found by a hash of the host (and of each of its suffixes that a wildcard rule
// names) and one walk down a tree of path segments each.
class Router {
 public:
  explicit Router(std::vector<Rule> rules);
  // `host` without port, any case; the path with or without query. Null: no rule.
  const Route* match(std::string_view host, const Asked& asked) const;
  const Route* match_tls(std::string_view server_name, const Asked& asked) const;  // to be passed through
  const Route* match_bytes(const Asked& asked) const { return at(find_bytes(asked)); }
  bool asks_port() const { return asks_port_; }
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Names {
    void add(const std::vector<std::string>& names, const Rule& rule, uint32_t index);
    template <class Accepts>
    uint32_t find(std::string_view name, std::string_view path, const Accepts& accepts) const;
    std::unordered_map<std::string, PathTree, StringHash, std::equal_to<>> exact, suffixes;  // suffix: ".example.com"
    PathTree any;
  };
  const Route* at(uint32_t index) const { return index == PathTree::kNone ? nullptr : &routes_[index]; }
  std::vector<Route> routes_;
  std::vector<std::shared_ptr<const Conditions>> conditions_;  // of each route; null: none
  Names hosts_, server_names_;
  uint32_t find_bytes(const Asked& asked) const;
  std::vector<uint32_t> bytes_;  // rules for connections that nobody looks into, as written
  bool asks_port_ = false;
};

}  // namespace outrider::exchange
