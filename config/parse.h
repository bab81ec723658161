#pragma once
// The tree to the document: every key of the language, once. config/README.md lists the same keys; a test compares.

#include <functional>

#include "config/document.h"
#include "config/load.h"
#include "config/reader.h"

namespace outrider::config {

// What is read: everything the user wrote anywhere, merged, and below it the preset of its mode.
struct Layers {
  Node user, preset;
  Node base;  // defaults that come from the environment (POD_NAME ...): `node`, `service`, `identity`
  const Sources& sources;

  // defaults <- preset's defaults <- preset's item <- user's defaults <- user's item
  Node item(std::string_view section, std::string_view defaults, std::string_view name) const;
  Node defaults(std::string_view kind) const;  // of items nobody names
};

// Clusters named by rules alone, tables of listeners, chains of rules: what follows from several sections together is
// completed here too. Checks that need more than one key are in check.cc.
Document read_document(Reading& reading, Layers& layers);

// parse_cluster.cc
void read_protocol(Fields& fields, Protocol& protocol, Texts later, bool tls_too = false);
void read_health(Fields& parent, std::string_view key, Health& health, bool of_cluster);
void read_tries(Fields& fields, Tries& tries);  // those that are given, over what is in there
void read_endpoints(Fields& fields, std::vector<Endpoint>& endpoints);
void read_cluster(Fields& fields, Cluster& cluster, bool item);

// parse_match.cc
void read_match(Fields& fields, Route& route);
std::string check_method(std::string& text);
std::string check_network(std::string& text);
std::string check_regex(std::string& text);  // of RE2
std::string check_replacement(const std::string& regex, const std::string& replacement);
std::string check_hash(std::string& text);    // source, identity, host, path, header.NAME or cookie.NAME
std::string check_sticky(std::string& text);  // the same without host and path

// parse_traffic.cc
void read_listener(Fields& fields, Listener& listener, bool item, const Identity& home);
void read_port_list(Fields& fields, const char* key, std::vector<uint16_t>& ports);
void read_route(Fields& fields, Route& route, const Layers& layers);
void read_route_defaults(Fields& fields, Route& route, const Sources& sources);
// The complaint points at the option itself where it is there. `within`: the one option there is, which is not named.
bool check_filter(Reading& reading, const FilterUse& use, const Sources& sources, std::string_view within = {});
Chain read_chain(Reading& reading, const Node* list, const std::string& path, const Sources& sources);

std::string check_identity(std::string& pattern);  // "namespace/account", "namespace/*", "*", or a whole SPIFFE ID

// parse_proxy_protocol.cc
void read_proxy_headers(Fields& fields, ProxyHeaders& headers);

// parse_tls.cc
void read_terms(Fields& fields, TlsTerms& terms);  // min, ciphers and curves; their defaults are what is in there

// parse.cc
std::string check_trust_domain(std::string& text);

// parse_telemetry.cc
void read_telemetry(Fields& top, Document& document, const Sources& sources);

// parse_routes_from.cc
void read_routes_from(Fields& top, std::vector<RoutesFrom>& all);

// parse_upkeep.cc
void read_upkeep(Fields& top, Upkeep& upkeep);

// parse_registry.cc
void read_registry(Fields& top, Registry& registry);

// parse_probes.cc
void read_probes(Fields& admin, std::vector<Probe>& probes);
// parse_kubernetes.cc
void read_kubernetes(Fields& registry, Kubernetes& kubernetes);

// parse_overload.cc
void read_admission(Fields& fields, Service& service);  // how many requests it is given at once, and what becomes of the others
void read_overload(Fields& top, Overload& overload);

// parse_authorization.cc
void read_authorization(Fields& top, Authorization& authorization);

// parse_tracing.cc
void read_tracing(Fields& telemetry, Tracing& tracing);

// parse_experiment.cc
void read_experiment(Fields& fields, Experiment& experiment, const Layers& layers);

// complete.cc
void complete(Reading& reading, Document& document, const Layers& layers);

Node preset_sidecar(const Service& service, bool mutual_tls);
Node preset_edge();
Where where_of(const Node& node, Mark mark);
inline Where where_of(const Node& node) { return where_of(node, node.mark()); }
uint64_t digest_of(const Node& node);

// Every key, for the README and its test.
std::vector<Key> all_keys();
std::vector<Key> all_forms();  // and what else is understood in their place, for the schema

}  // namespace outrider::config
