// What follows from several sections together: each listener's table and chain, rules that a direction implies, clusters
// that only a rule names, the protocol of a cluster behind a TCP listener, digests.

#include <algorithm>
#include <cstdio>
#include <unordered_map>

#include "base/hash.h"
#include "base/text.h"
#include "config/check.h"
#include "config/clusters.h"
#include "config/gateway_api/routes.h"
#include "config/implied_rules.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

struct Completion {
  Reading& reading;
  Document& d;
  const Layers& layers;
  std::set<std::string> tables, chains;  // those a listener has
  Clusters& clusters;
  gateway_api::Routes gateway_api;

  const Node* user(std::string_view section) const { return layers.user.find(section); }
  const Node* named(std::string_view section, const std::string& name) const {
    const Node* of = user(section);
    return of && of->is_map() ? of->find(name) : nullptr;
  }

  std::string names(std::string_view of) const {
    std::string out;
    if (d.listeners.empty()) return "there are no " + std::string(of);
    for (const Listener& l : d.listeners) out += (out.empty() ? std::string(of) + ": " : ", ") + l.name;
    return out;
  }

  // A section keyed like the listeners: what no listener has is a mistake.
  void unused(const char* section, const std::set<std::string>& used, const char* what) const {
    const Node* of = user(section);
    if (!of || of->is_null()) return;
    if (!of->is_map())
      return reading.error(*of, section, std::string("expected a map of ") + what + "s by name, got " + kind_of(*of));
    std::vector<std::string_view> known;
    for (const Listener& l : d.listeners) known.push_back(l.name);
    for (const auto& entry : of->entries())
      if (!used.contains(entry.key))
        reading.complain(
            Severity::Error, entry.value, entry.key_mark, join_path(section, entry.key),
            std::string("no listener has this ") + what + did_you_mean(entry.key, known) + "; " + names("listeners"));
  }

  void attach(Listener& listener) {
    const Node item = layers.item("listeners", "listener", listener.name);
    const std::string path = join_path("listeners", listener.name);
    const auto find = [&](const char* key, std::set<std::string>& used, std::string& name) -> const Node* {
      const Node* given = item.is_map() ? item.find(key) : nullptr;
      const bool by_name = given && given->is_scalar() && !is_off(given->text());
      name = by_name ? given->text() : listener.name;
      if (given && !given->is_null() && !by_name) {
        if (const Node* other = named(key, listener.name); other && !other->is_null())
          reading.error(*given, join_path(path, key),
                        std::string("given here and as ") + join_path(key, listener.name) + "; keep one");
        used.insert(listener.name);
        name.clear();
        static const Node kNone;
        return given->is_scalar() ? &kNone : given;
      }
      used.insert(name);
      const Node* found = named(key, name);
      if (by_name && !found)
        reading.error(*given, join_path(path, key), "unknown name \"" + name + "\"; there is no " + join_path(key, name));
      return found;
    };
    std::string table, chain;
    const Node* rules = find("routes", tables, table);
    const Node rules_copy = rules ? *rules : Node();
    const Node* filters = find("filters", chains, chain);
    listener.filters =
        read_chain(reading, filters, chain.empty() ? path + ".filters" : join_path("filters", chain), layers.sources);
    std::erase_if(listener.filters, [](const FilterUse& use) { return use.off; });
    for (const FilterUse& use : listener.filters)
      if (use.name == "ip") listener.ip.push_back(use);
    std::erase_if(listener.filters, [](const FilterUse& use) { return use.name == "ip"; });
    for (const FilterUse& use : listener.filters) clusters.name_cluster_of(use);
    listener.table = table.empty() ? listener.name : table;
    Node kept = read_table(listener, rules_copy, table.empty() ? path + ".routes" : join_path("routes", table));
    if (kept.size() == 0) {
      const bool meant = rules_copy.is_list() || (!d.routes_from.empty() && listener.direction == Direction::Edge);
      if (!meant) return;
      kept.set_origin(layers.user.shared_origin());  // it is shown that it has none
    }
    if (table.empty()) d.effective.at("listeners").at(listener.name).put("routes", std::move(kept));
    else d.effective.at("routes").put(table, std::move(kept));
  }

  Node read_table(Listener& listener, const Node& rules, const std::string& path) {
    Node kept = Node::list();
    kept.set_origin(rules.shared_origin());
    const auto items = rules.as_list();
    std::unordered_map<std::string, std::string> names;  // and whose they are
    if (rules.is_scalar()) reading.error(rules, path, "expected a list of rules, got " + kind_of(rules));
    if (rules.is_scalar()) return kept;
    for (size_t i = 0; i < items.size(); ++i) {
      const std::string at = path + (rules.is_list() ? "[" + std::to_string(i) + "]" : "");
      if (items[i]->is_null() || (items[i]->is_map() && items[i]->size() == 0))
        reading.error(*items[i], at, "an empty rule: it needs an action");
      else kept.append(read_rule(listener, *items[i], at, listener.table + "-" + std::to_string(i), names));
    }
    for (const Node& rule : gateway_api.rules(listener)) {
      const std::string& name = rule.find("name")->text();
      if (kept.size() == 0) kept.set_origin(rule.shared_origin());
      kept.append(read_rule(listener, rule, join_path(path, name), name, names));
    }
    return kept;
  }

  // Returns what is in force of it.
  Node read_rule(Listener& listener, const Node& rule, const std::string& at, const std::string& name,
                 std::unordered_map<std::string, std::string>& names) {
    Node merged = layers.defaults("route");
    merged.merge(rule);
    merged.set_mark(rule.mark());
    merged.set_origin(rule.shared_origin());
    Fields fields(reading, &merged, at);
    Route route;
    route.where = where_of(rule);
    route.path = at;
    read_route(fields, route, layers);
    if (route.name.empty()) route.name = name;
    if (const auto [other, fresh] = names.emplace(route.name, route.path); !fresh) {
      const Node* given = fields.given("name");
      reading.error(given ? *given : rule, at + ".name", "the name \"" + route.name + "\" is taken by " + other->second);
    }
    join_chains(listener, route, rule);
    for (const std::string& cluster : route.clusters())
      if (const std::string key = route.split.empty() ? "cluster" : "split"; !cluster.empty())
        clusters.name_cluster(cluster, route.path + "." + key, *fields.given(key));
    listener.routes.push_back(std::move(route));
    return fields.take();
  }

  void join_chains(const Listener& listener, Route& route, const Node& at) {
    Chain joined = route.server_names.empty() ? listener.filters : Chain();  // what is encrypted has nothing to show them
    for (const FilterUse& use : route.filters) {
      if (!use.off) continue;
      const size_t before = joined.size();
      std::erase_if(joined, [&](const FilterUse& one) { return one.name == use.name; });
      if (joined.size() == before)
        reading.warn(at, use.path, "changes nothing: this filter is not in the chain of listener " + listener.name);
    }
    for (FilterUse& use : route.filters) {
      if (use.off) continue;
      clusters.name_cluster_of(use);
      joined.push_back(std::move(use));
    }
    route.filters = std::move(joined);
  }

  // A registry is used where there is something to register or to look up, or where somebody says so.
  void decide_registry() {
    const Node* registry = user("registry");
    // Of the server of DNS alone is no word about a registry.
    const bool said = registry && registry->is_map() && registry->size() > (registry->find("dns") ? 1u : 0u);
    if (!OUTRIDER_DHT && said && !registry->find("kind"))
      reading.error(*registry, "registry", std::string(kNoDht) + "; only kind: kubernetes or none is possible");
    if (said && d.registry.kind == Registry::Kind::Kubernetes) return;
    if (OUTRIDER_DHT && (said || d.mode == Mode::Sidecar || d.service || layers.sources.registry_only)) return;
    d.registry.kind = Registry::Kind::None;
    d.effective.at("registry").put("kind", Node::scalar("none"));
  }

  // Beside an application that may ask for services by name; where it is written down, always.
  void decide_name_server() {
    if (d.mode == Mode::Sidecar && d.registry.kind != Registry::Kind::None && !layers.sources.registry_only) return;
    Node& dns = d.effective.at("registry").at("dns");
    const Node* listen = dns.is_map() ? dns.find("listen") : nullptr;
    if (listen && listen->origin().kind == Origin::Kind::Default) dns.put("listen", Node::scalar("off"));
  }

  // A rule's own ways of trying again, key by key over those of each cluster that it leads to.
  void resolve_tries(Route& route) const {
    if (route.own_tries.size() == 0) return;
    const auto add = [&](const Cluster* cluster) {
      route.tries.push_back(cluster ? cluster->tries : d.cluster_defaults.tries);
      Reading told;
      Fields fields(told, &route.own_tries, route.path);
      read_tries(fields, route.tries.back());
    };
    if (route.action == Route::Action::ByHost) add(nullptr);
    for (const std::string& name : route.clusters()) add(d.cluster(name));
  }

  // Closest to the endpoints: what other filters refuse is none of its business.
  void attach(const Experiment& experiment) {
    const std::string path = join_path("experiments", experiment.name);
    bool found = false;
    for (Listener& listener : d.listeners)
      for (Route& route : listener.routes) {
        const auto names = route.clusters();
        const bool meant = experiment.route.empty() ? std::find(names.begin(), names.end(), experiment.cluster) != names.end()
                                                    : listener.table + "/" + route.name == experiment.route;
        if (!meant) continue;
        route.filters.push_back(experiment.fault);
        found = true;
      }
    if (found) return;
    const Node* own = named("experiments", experiment.name);
    const std::string key = experiment.route.empty() ? "cluster" : "route";
    reading.error(own ? *own : layers.user, path + "." + key,
                  experiment.route.empty() ? "no rule leads to a cluster \"" + experiment.cluster + "\""
                                           : "there is no rule \"" + experiment.route + "\"; expected TABLE/NAME of one");
  }

  // One cluster speaks one protocol: what a TCP listener leads to is TCP, and so is what TLS is passed on to.
  void infer_tcp() {
    std::set<std::string> from_tcp, from_http;
    for (const Listener& listener : d.listeners)
      for (const Route& route : listener.routes) {
        for (const std::string& name : route.clusters()) (is_opaque(listener, route) ? from_tcp : from_http).insert(name);
        for (const FilterUse& use : route.filters)
          if (const Node* asked = use.options.find("cluster"); asked && asked->is_scalar()) from_http.insert(asked->text());
      }
    for (Cluster& cluster : d.clusters) {
      const bool tcp = from_tcp.contains(cluster.name), http = from_http.contains(cluster.name);
      const Node* own = named("clusters", cluster.name);
      Node stand_in;
      if (!own) {
        stand_in.set_origin(layers.user.shared_origin());
        stand_in.set_mark({cluster.where.line, 0});
      }
      const Node& at = own ? *own : stand_in;
      const std::string path = join_path("clusters", cluster.name);
      if (tcp && http)
        reading.error(
            at, path,
            "HTTP and plain bytes (of a tcp or tls listener, or by sni) lead here; a cluster speaks one protocol: make it two");
      else if (tcp && cluster.protocol != Protocol::Auto && cluster.protocol != Protocol::Tcp)
        reading.error(at, path + ".protocol",
                      std::string("plain bytes (of a tcp or tls listener, or by sni) lead here; expected tcp, got \"") +
                          name_of(cluster.protocol) + "\"");
      else if (http && cluster.protocol == Protocol::Tcp)
        reading.error(at, path + ".protocol",
                      "an http listener leads here; expected auto, http, http1, http2 or grpc, got \"tcp\"");
      if (tcp) cluster.protocol = Protocol::Tcp;
      // Because an exchange's limit would cut a connection that is meant to stay: only the cluster's own applies.
      if (cluster.protocol == Protocol::Tcp && !(own && own->is_map() && own->find("timeout"))) {
        cluster.timeout = milliseconds(0);
        if (!cluster.implied) d.effective.at("clusters").at(cluster.name).put("timeout", Node::scalar("0"));
      }
    }
  }

  void digest() {
    const Node& clusters = d.effective.at("clusters");
    const Node standard = layers.defaults("cluster");
    for (Cluster& cluster : d.clusters) {
      const Node* own = clusters.find(cluster.name.substr(0, cluster.name.find('@')));
      uint64_t h = digest_of(own && !cluster.implied ? *own : standard);
      if (d.service && cluster.name == kLocalCluster)  // what is let in to it, and how it is asked for its health
        for (const char* key : {"concurrency", "admission", "queue", "capacity", "health"})
          h = mix(h ^ digest_of(d.effective.at("service").at(key)));
      char text[17];
      std::snprintf(text, sizeof text, "%016llx",
                    (unsigned long long)mix(h ^ hash(cluster.name + "\n" + cluster.service + "\n" + name_of(cluster.protocol))));
      cluster.digest = text;
    }
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", (unsigned long long)digest_of(d.effective));
    d.digest = text;
  }
};

}  // namespace

void complete(Reading& reading, Document& d, const Layers& layers) {
  Clusters clusters(reading, d, layers);
  Completion all{reading, d, layers, {}, {}, clusters, {}};
  all.decide_registry();
  all.decide_name_server();
  all.gateway_api = gateway_api::read(reading, d, layers.sources);
  for (Listener& listener : d.listeners) all.attach(listener);
  all.unused("routes", all.tables, "table");
  all.unused("filters", all.chains, "chain");
  clusters.resolve_configured();
  // What was written, before the implied rules join it; a rule that was not understood would hide others.
  if (!reading.has_errors()) check_rules(reading, d);
  ImpliedRules implied(d, layers);
  for (Listener& listener : d.listeners) implied.add(listener);
  clusters.imply_passthrough();
  for (Listener& listener : d.listeners)
    for (Route& route : listener.routes) all.resolve_tries(route);
  if (!reading.has_errors())
    for (const Experiment& experiment : d.experiments) all.attach(experiment);
  all.infer_tcp();
  clusters.infer_ports();
  all.digest();
  check(reading, d, layers);
}

}  // namespace outrider::config
