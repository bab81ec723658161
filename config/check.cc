#include "config/check.h"

#include <algorithm>

#include "base/text.h"
#include "config/name_server.h"
#include "config/shadowed.h"

namespace outrider::config {

namespace {

// A node to point at for something of the document: its file and line.
Node point(const Where& where) {
  Node node;
  node.set_mark({where.line, where.column});
  const auto kind = where.line ? Origin::Kind::File : Origin::Kind::Flag;
  node.set_origin(std::make_shared<const Origin>(Origin{kind, where.file}));
  return node;
}

using Path = std::initializer_list<std::string_view>;

// What the user gave of a path, as deep as it goes; `whole` is false when it ends before the path does.
const Node& pointed(const Layers& layers, Path path, bool* whole = nullptr) {
  const Node* at = &layers.user;
  if (whole) *whole = false;
  for (const std::string_view key : path) {
    const Node* deeper = at->is_map() ? at->find(key) : nullptr;
    if (!deeper || deeper->is_null()) return *at;
    at = deeper;
  }
  if (whole) *whole = true;
  return *at;
}

const Node* given(const Layers& layers, Path path) {
  bool whole;
  const Node& at = pointed(layers, path, &whole);
  return whole ? &at : nullptr;
}

struct Bound {
  std::string address, path;
  const Node& at;
  bool given;  // not a preset's or the default
};

// Bound twice: the same port where one of the two is for every address, or the same address.
bool clash(const std::string& a, const std::string& b) {
  if (a.starts_with("unix:") || b.starts_with("unix:")) return a == b;
  const auto port = [](const std::string& x) { return std::string_view(x).substr(x.rfind(':') + 1); };
  if (port(a) != port(b) || parse_number(port(a)).value_or(0) == 0) return false;
  const auto covers = [](const std::string& x, const std::string& y) {
    return x.starts_with(":") || x.starts_with("[::]:") || (x.starts_with("0.0.0.0:") && !y.starts_with("["));
  };
  return a == b || covers(a, b) || covers(b, a);
}

void check_ports(Reading& reading, const Document& d, const Layers& layers) {
  std::vector<Bound> bound;
  const auto bind = [&](const std::string& address, const std::string& path, Path keys) {
    bool whole;
    const Node& at = pointed(layers, keys, &whole);
    if (!address.empty()) bound.push_back({address, path, at, whole});
  };
  for (const Listener& l : d.listeners) {
    const std::string path = join_path("listeners", l.name) + ".address";
    for (const std::string& address : l.addresses) bind(address, path, {"listeners", l.name, "address"});
  }
  const NameServer server = name_server_of(d);
  if (!server.implied)
    for (const std::string& address : server.listen) bind(address, "registry.dns.listen", {"registry", "dns", "listen"});
  bind(d.admin.address, "admin.address", {"admin", "address"});
  bind(d.admin.health, "admin.health", {"admin", "health"});
  bind(d.metrics.address, "telemetry.metrics.address", {"telemetry", "metrics", "address"});
  if (layers.sources.registry_only) bound.clear();
  for (size_t i = 0; i < bound.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      if (!clash(bound[i].address, bound[j].address)) continue;
      const bool later_given = bound[i].given || !bound[j].given;
      const Bound& one = later_given ? bound[i] : bound[j];
      const Bound& other = later_given ? bound[j] : bound[i];
      const bool placed = other.given && other.at.origin().kind == Origin::Kind::File;
      reading.error(one.at, one.path,
                    one.address + " is taken by " + other.path + " (" + other.address +
                        (placed ? ", line " + std::to_string(other.at.mark().line) : "") + ")");
      break;
    }
}

// Whether TLS may be taken by a rule without a server name.
bool takes_tls(const Listener& l) { return l.protocol == Protocol::Tls || l.relays(); }

// A rule for bytes: where nothing is decrypted there is little to see.
void check_opaque(Reading& reading, const Listener& l, const Route& route) {
  const Node where = point(route.where);
  const bool by_name = !route.server_names.empty();
  const std::string seat = l.protocol == Protocol::Tcp ? "a tcp listener" : l.protocol == Protocol::Tls ? "a tls listener" : "";
  if (by_name && l.protocol != Protocol::Tls && l.protocol != Protocol::Auto)
    reading.error(where, route.path + ".match.sni", "is seen by listeners with protocol: tls or auto alone");
  else if (by_name && l.tls.on())
    reading.error(where, route.path + ".match.sni", "is for TLS that is passed through, and this listener ends it: match host");
  if (seat.empty() && !by_name) return;
  const std::string who = seat.empty() ? "a rule with sni" : seat;
  if (!route.hosts.empty() || !route.prefixes.empty() || !route.paths.empty())
    reading.error(where, route.path + ".match", who + " cannot see hosts and paths");
  if (route.conditions.of_requests())
    reading.error(where, route.path + ".match", who + " sees no requests: port, source and percent are all it can be asked for");
  if (route.action == Route::Action::Redirect || route.action == Route::Action::Respond)
    reading.error(where, route.path, who + " can only lead to a cluster");
  if (!route.filters.empty()) reading.error(where, route.path, who + " has no filters");
}

void check_listener(Reading& reading, const Document& d, const Listener& l, const Layers& layers) {
  const std::string path = join_path("listeners", l.name);
  const Node* own = given(layers, {"listeners", l.name});
  if (!own || !own->is_map()) return;  // a preset's, or complained about already
  const Node& at = *own;
  if (l.addresses.empty() && !(at.is_map() && at.find("address")))
    reading.error(at, path + ".address", "missing: what to listen on (\":8080\", \"127.0.0.1:80\", \"unix:/run/x.sock\")");
  const Node* rules =
      at.find("routes") && !at.find("routes")->is_scalar() ? at.find("routes") : given(layers, {"routes", l.table});
  const Node* presets = layers.preset.find("listeners");
  const bool preset = presets && presets->find(l.name);  // it may be without rules: there is nobody to lead to
  const bool none = l.routes.empty() && !preset && (!rules || rules->as_list().empty());
  const bool meant = rules || !d.routes_from.empty();  // an empty list, or routes that are yet to come
  if (none && meant && l.protocol != Protocol::Tcp && l.protocol != Protocol::Tls)
    reading.warn(at, path, "no rules: every request is answered with 404");
  else if (none)
    reading.error(
        at, path,
        "no rules: add " + join_path("routes", l.name) + (l.protocol == Protocol::Tcp ? " with one rule: {cluster: NAME}" : ""));
  if (l.tproxy && l.direction == Direction::Outbound)
    reading.error(at, path + ".transparent",
                  "tproxy is for what comes from other machines; what the app sends is redirected (transparent: redirect)");
  if (l.tproxy && l.proxy_protocol.mode != ProxyHeaders::Mode::Off)
    reading.error(at, path + ".proxy_protocol",
                  "a header would say whose a connection is, and TPROXY keeps that anyhow; take one of the two out");
  const std::string& app = d.service.address;
  if (l.tproxy && l.direction == Direction::Inbound && d.service && !app.starts_with("127.") && app != "::1")
    reading.warn(at, path + ".transparent",
                 "with tproxy the app is asked at the address that was called, and not at service.address (" + app + ")");
  if (l.protocol == Protocol::Tls && l.tls.on())
    reading.error(at, path + ".tls", "protocol: tls passes TLS through and needs no certificate; take one of the two out");
  if (!l.opaque_ports.empty() && !l.relays() && !l.passes_bytes_on())
    reading.warn(at, path + ".detect.opaque_ports",
                 "has no effect: all that is not HTTP must lead to one cluster (protocol: auto, direction inbound or outbound, "
                 "and one rule for everything)");
  for (const Route& route : l.routes) {
    check_opaque(reading, l, route);
    if (route.action == Route::Action::Passthrough && !l.transparent)
      reading.warn(point(route.where), route.path + ".passthrough",
                   "refuses everything: only what the kernel redirects here has a destination (listeners." + l.name +
                       ".transparent: redirect)");
  }
}

}  // namespace

void check_rules(Reading& reading, const Document& d) {
  for (const Listener& l : d.listeners) {
    Shadows shadows(takes_tls(l));
    for (const Route& route : l.routes) {
      std::string by;
      const Route* const earlier = shadows.add(route, by);
      if (!earlier) continue;
      const Where& where = earlier->where;
      const std::string place = (where.file == route.where.file ? "line " : where.file + ":") + std::to_string(where.line);
      reading.warn(point(route.where), route.path,
                   "never matches; " + earlier->path + (where.line ? " (" + place + ")" : "") + " already takes " + by);
    }
  }
}

// Whoever reaches these pages may read everything and end the proxy.
void check_admin(Reading& reading, const Document& d, const Layers& layers) {
  const std::string& at = d.admin.address;
  if (at.empty() || at.starts_with("unix:") || at.starts_with("127.") || at.starts_with("[::1]:")) return;
  reading.error(pointed(layers, {"admin", "address"}), "admin.address",
                at + " can be reached from other machines: expected an address of this one (127.0.0.1:15000), unix:/path or off");
}

// Whoever reaches it may ask it for everything, in anybody's name.
void check_name_server(Reading& reading, const Document& d, const Layers& layers) {
  const NameServer server = name_server_of(d);
  for (const std::string& at : server.listen)
    if (!at.starts_with("127.") && !at.starts_with("[::1]:"))
      reading.warn(pointed(layers, {"registry", "dns", "listen"}), "registry.dns.listen",
                   at + " can be reached from other machines, for which this is an open resolver; 127.0.0.1:15053 cannot");
  if (server.answers == NameServer::Answers::Virtual && !server.listen.empty() && !passes_redirected_on(d))
    reading.error(
        pointed(layers, {"registry", "dns", "answers"}), "registry.dns.answers",
        "nobody would take connections to virtual addresses: no listener has direction: outbound, transparent: redirect "
        "and a rule that passes on what was redirected (mode: sidecar has one); expected auto or endpoints");
}

void check(Reading& reading, const Document& d, const Layers& layers) {
  check_ports(reading, d, layers);
  check_admin(reading, d, layers);
  check_name_server(reading, d, layers);
  if (layers.sources.registry_only) {
    if (d.registry.kind != Registry::Kind::Dht)
      reading.error(pointed(layers, {"registry", "kind"}), "registry.kind",
                    OUTRIDER_DHT ? "a registry node needs a registry: expected dht" : kNoDht);
    return;
  }
  for (const Listener& l : d.listeners) check_listener(reading, d, l, layers);
  if (d.listeners.empty() && reading.complaints.empty())
    reading.error(layers.user, "", "nothing to do: no service and no listeners");
  const bool inbound =
      std::any_of(d.listeners.begin(), d.listeners.end(), [](const Listener& l) { return l.direction == Direction::Inbound; });
  if (d.service && d.service.do_register && d.registry.kind == Registry::Kind::Dht && !inbound && !d.service.ports.empty())
    reading.error(
        pointed(layers, {"service"}), "service",
        "nobody could reach it: no listener has direction: inbound (mode: sidecar has one; or set service.register: off)");
  if (d.registry.kind == Registry::Kind::Kubernetes && d.registry.kubernetes.tls == Kubernetes::Tls::Identity &&
      d.identity.mtls == Identity::Mtls::Off)
    reading.error(pointed(layers, {"registry", "kubernetes", "tls"}), "registry.kubernetes.tls",
                  "nobody can be spoken to by mutual TLS: it needs identity.dir, and identity.mtls not off");
  if (d.registry.kind == Registry::Kind::Dht && d.registry.bootstrap.empty() && !reading.has_errors())
    reading.warn(pointed(layers, {"registry"}), "registry.bootstrap", "empty: this proxy finds others only once they come to it");
  if (!OUTRIDER_DHT && d.service && d.service.do_register && d.registry.kind == Registry::Kind::None && !reading.has_errors())
    reading.warn(pointed(layers, {"service"}), "service", std::string(kNoDht) + ": nobody is told of it");
  const std::string& id = d.identity.spiffe_id;
  const std::string domain = "spiffe://" + d.identity.trust_domain + "/";
  if (!id.empty() && !id.starts_with(domain))
    reading.error(pointed(layers, {"identity", "spiffe_id"}), "identity.spiffe_id",
                  "is not in the trust domain: expected " + domain + "..., got \"" + id + "\"");
  if (d.authorization && d.identity.mtls == Identity::Mtls::Off)
    reading.error(pointed(layers, {"authorization"}), "authorization",
                  "nobody has an identity by which to be let in: it needs identity.dir, and identity.mtls not off");
  for (const Cluster& c : d.clusters) {
    const uint64_t sum = [&] {
      uint64_t total = 0;
      for (const Endpoint& e : c.endpoints) total += e.weight;
      return total;
    }();
    if (!c.endpoints.empty() && sum == 0)
      reading.warn(pointed(layers, {"clusters", c.name, "endpoints"}), join_path("clusters", c.name) + ".endpoints",
                   "weights sum to 0: all of them are drained");
  }
}

}  // namespace outrider::config
