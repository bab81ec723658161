// What follows from several sections together: each listener's table and chain, rules that a direction implies, clusters
// that only a rule names, the protocol of a cluster behind a TCP listener, digests.

#include <algorithm>
#include <cstdio>
#include <unordered_map>

#include "base/hash.h"
#include "base/text.h"
#include "config/check.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

struct Completion {
  Reading& reading;
  Document& d;
  const Layers& layers;
  std::set<std::string> tables, chains;  // those a listener has
  Route standard;                        // of rules that nobody wrote

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
    for (const FilterUse& use : listener.filters) name_cluster_of(use);
    listener.table = table.empty() ? listener.name : table;
    Node kept = read_table(listener, rules_copy, table.empty() ? path + ".routes" : join_path("routes", table));
    if (kept.size() == 0) return;
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
      Node merged = layers.defaults("route");
      const std::string at = path + (rules.is_list() ? "[" + std::to_string(i) + "]" : "");
      if (items[i]->is_null() || (items[i]->is_map() && items[i]->size() == 0)) {
        reading.error(*items[i], at, "an empty rule: it needs an action");
        continue;
      }
      merged.merge(*items[i]);
      merged.set_mark(items[i]->mark());
      merged.set_origin(items[i]->shared_origin());
      Fields fields(reading, &merged, at);
      Route route;
      route.where = where_of(*items[i]);
      route.path = at;
      read_route(fields, route, layers);
      if (route.name.empty()) route.name = listener.table + "-" + std::to_string(i);
      if (const auto [other, fresh] = names.emplace(route.name, route.path); !fresh) {
        const Node* name = fields.given("name");
        reading.error(name ? *name : *items[i], at + ".name", "the name \"" + route.name + "\" is taken by " + other->second);
      }
      join_chains(listener, route, *items[i]);
      for (const std::string& name : route.clusters())
        if (const std::string key = route.split.empty() ? "cluster" : "split"; !name.empty())
          name_cluster(name, route.path + "." + key, *fields.given(key));
      listener.routes.push_back(std::move(route));
      kept.append(fields.take());
    }
    return kept;
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
      name_cluster_of(use);
      joined.push_back(std::move(use));
    }
    route.filters = std::move(joined);
  }

  // A cluster that is only named: those endpoints of another that have a version, or a service of the registry, with the
  // defaults.
  void name_cluster(const std::string& name, const std::string& path, const Node& at) {
    if (name == kPassthroughCluster)
      return reading.error(at, path, "this cluster has no endpoints of its own; a rule leads there by passthrough: original_dst");
    if (d.cluster(name)) return;
    if (const Node* all = layers.user.find("clusters"); all && all->is_map() && all->find(name)) return;
    const std::string base = name.substr(0, name.find('@')), version = base == name ? "" : name.substr(base.size() + 1);
    if (base != name && (version.empty() || version.find('@') != version.npos))
      return reading.error(at, path, "expected a version behind the @, got \"" + name + "\"");
    if (const Cluster* whole = d.cluster(base)) {
      Cluster part = *whole;
      part.name = name;
      part.version = version;
      part.where = where_of(at);
      d.clusters.push_back(std::move(part));
      return;
    }
    Cluster cluster;
    const Node merged = layers.defaults("cluster");
    Fields fields(reading, &merged, join_path("clusters", name));
    read_cluster(fields, cluster, false);
    cluster.name = name;
    cluster.service = base;
    cluster.version = version;
    cluster.where = where_of(at);
    cluster.implied = true;
    using Discovery = Cluster::Discovery;
    if ((cluster.discovery == Discovery::Dns || (cluster.discovery == Discovery::Auto && base.find('.') != base.npos)) &&
        is_host(base)) {
      cluster.discovery = Discovery::Dns;
      cluster.service.clear();
      cluster.dns.name = base;
      return d.clusters.push_back(std::move(cluster));
    }
    cluster.discovery = Discovery::Registry;
    if (d.registry.kind == Registry::Kind::None) {
      std::vector<std::string_view> known;
      for (const Cluster& one : d.clusters) known.push_back(one.name);
      return reading.error(
          at, path,
          "unknown cluster \"" + base + "\"" + did_you_mean(base, known) + ", and there is no registry to look it up in");
    }
    if (!resolve(cluster, at, path)) return;
    d.clusters.push_back(std::move(cluster));
  }

  // Whom a filter asks is named like that too.
  void name_cluster_of(const FilterUse& use) {
    if (const Node* cluster = use.options.find("cluster"); cluster && cluster->is_scalar())
      name_cluster(cluster->text(), use.path + ".cluster", *cluster);
  }

  // From a reference (service, namespace/service) to the registry's "namespace/service".
  bool resolve(Cluster& cluster, const Node& at, const std::string& path) {
    const auto fail = [&](const std::string& message) {
      reading.error(at, path, message);
      return false;
    };
    const std::string& name = cluster.service;
    const size_t slash = name.find('/');
    const std::string space = slash == name.npos ? d.service.name_space : name.substr(0, slash);
    const std::string service = slash == name.npos ? name : name.substr(slash + 1);
    if (!is_label(space) || !is_label(service))
      return fail("expected a service or namespace/service (lower-case letters, digits and -), got \"" + name + "\"");
    cluster.service = space + "/" + service;
    return true;
  }

  // `auto` is what follows from the other keys; what is said must fit to them.
  bool decide_discovery(Cluster& cluster, const Node* own, const std::string& path) {
    using Discovery = Cluster::Discovery;
    const auto given = [&](const char* key) -> const Node* {
      const Node* const value = own && own->is_map() ? own->find(key) : nullptr;
      return value && !value->is_null() ? value : nullptr;
    };
    const auto fail = [&](const char* key, const std::string& message) {
      const Node* const at = given(key);
      reading.error(at ? *at : own ? *own : layers.user, at ? path + "." + key : path, message);
      return false;
    };
    if (cluster.name == kPassthroughCluster) {
      const std::pair<const char*, bool> meant[] = {
          {"discovery", cluster.discovery != Discovery::Auto}, {"endpoints", !cluster.endpoints.empty()},
          {"endpoints_file", !cluster.endpoints_file.empty()}, {"dns", !cluster.dns.name.empty() || cluster.dns.port},
          {"protocol", cluster.protocol != Protocol::Auto},    {"health_check", cluster.health_check.kind != Health::Kind::Off},
          {"tls", cluster.tls.kind == ClusterTls::Kind::Given}};
      for (const auto& [key, said] : meant)
        if (said && given(key))
          return fail(key,
                      std::string("has no meaning here: passthrough: original_dst leads to the address that was called, and ") +
                          "sends there what it was sent; take it out, or give this cluster another name");
      cluster.discovery = Discovery::OriginalDst;
      return true;
    }
    const std::string base = cluster.name.substr(0, cluster.name.find('@'));
    const bool listed = !cluster.endpoints.empty() || given("endpoints"), filed = !cluster.endpoints_file.empty();
    const bool asked = !cluster.dns.name.empty() || cluster.dns.port || cluster.dns.type == Dns::Type::Srv;
    const bool named = !listed && !filed && (asked || base.find('.') != base.npos);
    if (listed && filed) return fail("endpoints_file", "endpoints and endpoints_file exclude each other");
    if (cluster.discovery == Discovery::Auto)
      cluster.discovery = listed ? Discovery::Static : filed ? Discovery::File : named ? Discovery::Dns : Discovery::Registry;
    const bool is_static = cluster.discovery == Discovery::Static, is_file = cluster.discovery == Discovery::File;
    if (is_static && !listed) return fail("discovery", "discovery: static needs endpoints");
    if (is_file && !filed) return fail("discovery", "discovery: file needs endpoints_file");
    const std::string word = cluster.discovery == Discovery::Dns ? "discovery: dns"
                             : is_file                           ? "discovery: file"
                                                                 : "discovery: registry";
    if (!is_static && listed) return fail("endpoints", word + " and endpoints exclude each other");
    if (!is_file && filed)
      return fail("endpoints_file", (is_static ? "discovery: static" : word) + " and endpoints_file exclude each other");
    if (cluster.discovery == Discovery::Registry) {
      if (asked) return fail("dns", "discovery: registry and dns exclude each other");
      cluster.service = base;
      return true;
    }
    if (cluster.discovery == Discovery::Dns) {
      if (cluster.dns.name.empty()) cluster.dns.name = base;
      if (is_host(cluster.dns.name)) return true;
      return fail("dns", "expected dns.name, a host's name, for \"" + cluster.dns.name + "\" is none");
    }
    if (!cluster.dns.name.empty() || cluster.dns.port)
      return fail("dns", std::string("name and port are those of ") + (is_file ? "the endpoints in the file" : "endpoints"));
    if (cluster.dns.type == Dns::Type::Srv)
      return fail("dns", "SRV records have ports of their own: expected A, AAAA or any, for endpoints have a port each");
    return true;
  }

  void resolve_configured() {
    const Node* section = user("clusters");
    for (Cluster& cluster : d.clusters) {
      if (cluster.implied) continue;
      const Node* own = section && section->is_map() ? section->find(cluster.name.substr(0, cluster.name.find('@'))) : nullptr;
      const Node& at = own ? *own : layers.user;
      const std::string path = join_path("clusters", cluster.name);
      if (!decide_discovery(cluster, own, path) || cluster.discovery != Cluster::Discovery::Registry) continue;
      if (d.registry.kind == Registry::Kind::None)
        reading.error(at, path, "needs endpoints: there is no registry to look it up in");
      else resolve(cluster, at, path);
    }
  }

  // Where nobody has said which: that of HTTP, or of HTTPS.
  void infer_ports() {
    for (Cluster& cluster : d.clusters) {
      if (cluster.discovery != Cluster::Discovery::Dns || cluster.dns.port || cluster.dns.type == Dns::Type::Srv) continue;
      const Node* own = named("clusters", cluster.name);
      if (cluster.protocol == Protocol::Tcp)
        reading.error(own ? *own : layers.user, join_path("clusters", cluster.name) + ".dns.port",
                      "needs a port (or type: SRV): plain bytes have none of their own");
      cluster.dns.port = cluster.tls.kind == ClusterTls::Kind::Given ? 443 : 80;
    }
  }

  // A registry is used where there is something to register or to look up, or where somebody says so.
  void decide_registry() {
    const Node* registry = user("registry");
    const bool said = registry && registry->is_map() && registry->size() > 0;
    if (!OUTRIDER_DHT && said && !registry->find("kind"))
      reading.error(*registry, "registry", std::string(kNoDht) + "; only kind: none is possible");
    if (OUTRIDER_DHT && (said || d.mode == Mode::Sidecar || d.service || layers.sources.registry_only)) return;
    d.registry.kind = Registry::Kind::None;
    d.effective.at("registry").put("kind", Node::scalar("none"));
  }

  // What `defaults.route` says; whatever is wrong with that has been said there. Not its mirror: a rule with filters would keep
  // bytes that are no HTTP from going on.
  void read_standard() {
    const Node given = layers.defaults("route");
    Reading told;
    Fields fields(told, &given, "defaults.route");
    read_route_defaults(fields, standard, layers.sources);
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

  void imply(Listener& listener, Route route) {
    route.implied = true;
    route.where = {std::string("preset ") + name_of(d.mode)};
    route.path = join_path("listeners", listener.name);
    route.filters = listener.filters;
    listener.routes.push_back(std::move(route));
  }

  static bool is_opaque(const Listener& listener) {
    return listener.protocol == Protocol::Tcp || listener.protocol == Protocol::Tls;
  }
  static bool is_opaque(const Listener& listener, const Route& route) {
    return is_opaque(listener) || !route.server_names.empty();
  }

  bool led_to_by_tcp(const std::string& cluster) const {
    return std::any_of(d.listeners.begin(), d.listeners.end(), [&](const Listener& listener) {
      return std::any_of(listener.routes.begin(), listener.routes.end(), [&](const Route& route) {
        const auto names = route.clusters();
        return is_opaque(listener, route) && std::find(names.begin(), names.end(), cluster) != names.end();
      });
    });
  }

  // Behind what is written: inbound leads to the service, outbound to whatever the Host header names.
  void imply_rules(Listener& listener) {
    for (const Route& route : listener.routes)
      if (route.catches_all()) return;
    if (listener.direction == Direction::Inbound && d.cluster(kLocalCluster)) {
      Route route = standard;
      route.name = listener.name + "-" + kLocalCluster;
      route.cluster = kLocalCluster;
      route.onward = listener.transparent && !d.service.ports.empty();
      if (route.onward) route.home_port = uint16_t(d.service.ports.front().port);
      return imply(listener, std::move(route));
    }
    if (listener.direction != Direction::Outbound) return;
    if (is_opaque(listener)) return imply_passthrough(listener);
    for (const Cluster& cluster : d.clusters) {
      if (cluster.name == kLocalCluster || cluster.name == kPassthroughCluster || cluster.implied || !cluster.version.empty() ||
          cluster.protocol == Protocol::Tcp || led_to_by_tcp(cluster.name))
        continue;
      Route route = standard;
      route.name = listener.name + "-" + cluster.name;
      route.cluster = cluster.name;
      route.hosts = hosts_of(cluster);
      if (!route.hosts.empty()) imply(listener, std::move(route));
    }
    if (d.registry.kind == Registry::Kind::None) return imply_passthrough(listener);
    Route route = standard;
    route.name = listener.name + "-by-host";
    route.action = Route::Action::ByHost;
    route.onward = listener.transparent;
    imply(listener, std::move(route));
  }

  void imply_passthrough(Listener& listener) {
    if (!listener.transparent) return;
    Route route;
    route.name = listener.name + "-passthrough";
    route.action = Route::Action::Passthrough;
    route.onward = true;
    imply(listener, std::move(route));
  }

  void imply_passthrough_cluster() {
    const bool needed = std::any_of(d.listeners.begin(), d.listeners.end(), [](const Listener& listener) {
      return std::any_of(listener.routes.begin(), listener.routes.end(), [](const Route& route) { return route.passes_on(); });
    });
    if (!needed || d.cluster(kPassthroughCluster)) return;
    Cluster cluster;
    const Node merged = layers.defaults("cluster");
    Fields fields(reading, &merged, join_path("clusters", kPassthroughCluster));
    read_cluster(fields, cluster, false);
    cluster.name = kPassthroughCluster;
    cluster.discovery = Cluster::Discovery::OriginalDst;
    cluster.implied = true;
    d.clusters.push_back(std::move(cluster));
  }

  // cart, cart.shop, cart.shop.mesh; the first only in our own namespace.
  std::vector<std::string> hosts_of(const Cluster& cluster) const {
    const std::string reference = to_lower(cluster.service.empty() ? cluster.name : cluster.service);
    const size_t slash = reference.find('/');
    const std::string space = slash == reference.npos ? d.service.name_space : reference.substr(0, slash);
    const std::string name = slash == reference.npos ? reference : reference.substr(slash + 1);
    std::vector<std::string> hosts;
    if (space == d.service.name_space) hosts.push_back(name);
    if (name.find('.') == name.npos) {
      hosts.push_back(name + "." + space);
      hosts.push_back(name + "." + space + "." + d.registry.domain);
    }
    std::erase_if(hosts, [](const std::string& host) { return !is_host(host); });
    return hosts;
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
      if (d.service && cluster.name == kLocalCluster)  // what is let in to it
        for (const char* key : {"concurrency", "admission", "queue", "capacity"})
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
  Completion all{reading, d, layers, {}, {}, {}};
  all.decide_registry();
  for (Listener& listener : d.listeners) all.attach(listener);
  all.unused("routes", all.tables, "table");
  all.unused("filters", all.chains, "chain");
  all.resolve_configured();
  // What was written, before the implied rules join it; a rule that was not understood would hide others.
  if (!reading.has_errors()) check_rules(reading, d);
  all.read_standard();
  for (Listener& listener : d.listeners) all.imply_rules(listener);
  all.imply_passthrough_cluster();
  for (Listener& listener : d.listeners)
    for (Route& route : listener.routes) all.resolve_tries(route);
  if (!reading.has_errors())
    for (const Experiment& experiment : d.experiments) all.attach(experiment);
  all.infer_tcp();
  all.infer_ports();
  all.digest();
  check(reading, d, layers);
}

}  // namespace outrider::config
