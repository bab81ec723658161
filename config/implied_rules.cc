#include "config/implied_rules.h"

#include <algorithm>

#include "base/text.h"
#include "config/parse.h"

namespace outrider::config {

bool is_opaque(const Listener& listener) { return listener.protocol == Protocol::Tcp || listener.protocol == Protocol::Tls; }

bool is_opaque(const Listener& listener, const Route& route) { return is_opaque(listener) || !route.server_names.empty(); }

// What `defaults.route` says; whatever is wrong with that has been said there. Not its mirror: a rule with filters would keep
// bytes that are no HTTP from going on.
void ImpliedRules::read_standard() {
  const Node given = layers_.defaults("route");
  Reading told;
  Fields fields(told, &given, "defaults.route");
  read_route_defaults(fields, standard_, layers_.sources);
}

void ImpliedRules::imply(Listener& listener, Route route) {
  route.implied = true;
  route.where = {std::string("preset ") + name_of(document_.mode)};
  route.path = join_path("listeners", listener.name);
  route.filters = listener.filters;
  listener.routes.push_back(std::move(route));
}

bool ImpliedRules::led_to_by_tcp(const std::string& cluster) const {
  return std::any_of(document_.listeners.begin(), document_.listeners.end(), [&](const Listener& listener) {
    return std::any_of(listener.routes.begin(), listener.routes.end(), [&](const Route& route) {
      const auto names = route.clusters();
      return is_opaque(listener, route) && std::find(names.begin(), names.end(), cluster) != names.end();
    });
  });
}

// Behind what is written: inbound leads to the service, outbound to whatever the Host header names.
void ImpliedRules::add(Listener& listener) {
  for (const Route& route : listener.routes)
    if (route.catches_all()) return;
  if (listener.direction == Direction::Inbound && document_.cluster(kLocalCluster)) {
    Route route = standard_;
    route.name = listener.name + "-" + kLocalCluster;
    route.cluster = kLocalCluster;
    route.onward = listener.transparent && !document_.service.ports.empty();
    if (route.onward) route.home_port = uint16_t(document_.service.ports.front().port);
    return imply(listener, std::move(route));
  }
  if (listener.direction != Direction::Outbound) return;
  if (is_opaque(listener)) return imply_passthrough(listener);
  for (const Cluster& cluster : document_.clusters) {
    if (cluster.name == kLocalCluster || cluster.name == kPassthroughCluster || cluster.implied || !cluster.version.empty() ||
        cluster.protocol == Protocol::Tcp || led_to_by_tcp(cluster.name))
      continue;
    Route route = standard_;
    route.name = listener.name + "-" + cluster.name;
    route.cluster = cluster.name;
    route.hosts = hosts_of(cluster);
    if (!route.hosts.empty()) imply(listener, std::move(route));
  }
  if (document_.registry.kind == Registry::Kind::None) return imply_passthrough(listener);
  Route route = standard_;
  route.name = listener.name + "-by-host";
  route.action = Route::Action::ByHost;
  route.onward = listener.transparent;
  imply(listener, std::move(route));
}

void ImpliedRules::imply_passthrough(Listener& listener) {
  if (!listener.transparent) return;
  Route route;
  route.name = listener.name + "-passthrough";
  route.action = Route::Action::Passthrough;
  route.onward = true;
  imply(listener, std::move(route));
}

// cart, cart.shop, cart.shop.mesh; the first only in our own namespace.
std::vector<std::string> ImpliedRules::hosts_of(const Cluster& cluster) const {
  const std::string reference = to_lower(cluster.service.empty() ? cluster.name : cluster.service);
  const size_t slash = reference.find('/');
  const std::string space = slash == reference.npos ? document_.service.name_space : reference.substr(0, slash);
  const std::string name = slash == reference.npos ? reference : reference.substr(slash + 1);
  std::vector<std::string> hosts;
  if (space == document_.service.name_space) hosts.push_back(name);
  if (name.find('.') == name.npos) {
    hosts.push_back(name + "." + space);
    hosts.push_back(name + "." + space + "." + document_.registry.domain);
  }
  std::erase_if(hosts, [](const std::string& host) { return !is_host(host); });
  return hosts;
}

}  // namespace outrider::config
