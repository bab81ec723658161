#pragma once
// One HTTPRoute or GRPCRoute, read: what its rules ask for in the words of our own, without where it is attached.

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/gateway_api/objects.h"

namespace outrider::config::gateway_api {

// Which of two matches for the same host is tried first: the lesser, number by number.
struct Rank {
  int path = 2;                  // 0: exact, 1: a regular expression, 2: a prefix
  int longer = 0;                // characters of it, negative; of gRPC the service's
  int method_long = 0;           // of gRPC the method's
  int method = 1;                // 0: asks for one
  int headers = 0, queries = 0;  // how many, negative
  auto operator<=>(const Rank&) const = default;
};

struct Match {
  Node keys;  // of our `match`
  Rank rank;
  bool prefix = false;
};

struct Backend {
  Node at;
  std::string cluster;  // empty: it leads nowhere, and its share is answered with an error
  uint32_t weight = 1;
  Node filters;  // of ours
  std::optional<Node> rewrite;
};

struct Rule {
  std::string name;  // or its number
  Node at;
  Node keys;     // of our rule, but for match, action and filters
  Node filters;  // of ours
  std::optional<Node> redirect;
  bool redirect_to_listeners_port = false;
  std::vector<Match> matches;  // one at least
  std::vector<Backend> backends;
};

struct Parent {
  bool service = false;  // else a Gateway
  std::string name_space, name, section;
  uint16_t port = 0;
  Node at;
  std::string path;  // of complaints about it
};

struct Route {
  bool grpc = false;
  bool broken = false;  // an error was said, and no rules are made of it
  std::string title, name_space, name;
  std::string created;  // as it is written: of one form, the older is less; empty: not yet
  const RoutesFrom* from = nullptr;
  Node at;
  std::vector<std::string> hosts;
  Node hosts_at;
  std::vector<Parent> parents;
  std::vector<Rule> rules;
};

// Complains about what is wrong and what cannot be said in our own words.
struct Ports;
Route read_route(Reading& reading, const Object& object, const Objects& objects, const Document& document, Ports& ports);

// filters.cc: what the filters of a rule, or of one of its backends, make of it.
struct Shaping {
  Node filters = Node::list();
  std::optional<Node> redirect, rewrite;
  bool redirect_to_listeners_port = false;
  std::optional<Node> replaces_prefix;  // where it says so: of matches by prefix alone
};
struct Ports {  // of Services, as references name them: a cluster has one
  std::map<std::string, uint32_t> of;
};
struct About {  // whose rule is read
  const Object& object;
  const Objects& objects;
  const Document& document;
  Ports& ports;
};
Shaping read_filters(Fields& owner, const About& about, bool of_backend);

// backends.cc: the cluster that a reference means; empty: none, which was said.
std::string read_reference(Fields& reference, const Node& at, const About& about, const char* instead);
std::vector<Backend> read_backends(Fields& rule, const About& about);

// matches.cc
std::vector<Match> read_matches(Fields& rule, const About& about);

// Values of ours that stand where something of theirs was written.
Node text_at(std::string text, const Node& at);
Node map_at(const Node& at);
Node list_at(const Node& at);

}  // namespace outrider::config::gateway_api
