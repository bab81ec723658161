#include "config/gateway_api/routes.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <tuple>

#include "base/hash.h"
#include "base/text.h"
#include "config/gateway_api/hostnames.h"
#include "config/gateway_api/route.h"

namespace outrider::config::gateway_api {

namespace {

constexpr size_t kLongestName = 110;

bool speaks_http(const Listener& listener) { return listener.protocol != Protocol::Tcp && listener.protocol != Protocol::Tls; }

uint16_t port_of(const std::string& address) {
  if (address.starts_with("unix:")) return 0;
  return uint16_t(parse_number(std::string_view(address).substr(address.rfind(':') + 1)).value_or(0));
}

bool listens_at(const Listener& listener, uint16_t port) {
  return std::any_of(listener.addresses.begin(), listener.addresses.end(),
                     [&](const std::string& one) { return port_of(one) == port; });
}

std::string listed(const std::vector<Listener>& listeners) {
  std::string out;
  for (const Listener& one : listeners) out += (out.empty() ? "" : ", ") + one.name;
  return out.empty() ? "none" : out;
}

// Where requests for a route come in, and for which hosts.
struct Seat {
  const Listener* listener;
  std::string hostname;                 // of a Gateway's listener; empty: any
  uint16_t port = 0;                    // that clients know it by
  std::vector<std::string> hosts = {};  // of a Service, which stand for the route's own
  uint16_t called = 0;                  // of a Service: the port that is called; 0: any
  bool consumer = false;                // of a Service: of clients of this namespace alone
};

// One rule of ours before it has a name.
struct Draft {
  const Route* route;
  size_t rule;
  std::tuple<int, HostRank, int, Rank> order;
  Node node;
};

// For the time of one read().
class Attachment {
 public:
  Attachment(Reading& reading, const Document& document, const Objects& objects)
      : reading_(reading), document_(document), objects_(objects) {}
  void add(const Route& route);
  std::map<std::string, std::vector<Node>, std::less<>> take();

 private:
  bool is_ours(const Route& route, const Parent& parent) const;
  std::vector<Seat> seats(const Route& route, const Parent& parent);
  std::vector<Seat> seats_of_gateway(const Route& route, const Parent& parent, const Gateway& gateway);
  std::vector<Seat> seats_of_service(const Route& route, const Parent& parent);
  void attach(const Route& route, const Listener& listener, const std::vector<Seat>& seats);
  void draft(const Route& route, size_t index, const Seat& seat, const HostGroup& hosts, const Match& match);
  void warn(const Parent& parent, const std::string& why) { reading_.warn(parent.at, parent.path, why); }
  void fail(const Parent& parent, const std::string& why) { reading_.error(parent.at, parent.path, why); }
  Reading& reading_;
  const Document& document_;
  const Objects& objects_;
  std::map<const Listener*, std::vector<Draft>> drafts_;
};

bool Attachment::is_ours(const Route& route, const Parent& parent) const {
  const std::string& wanted = route.from->gateway;
  return wanted.empty() || parent.service || wanted == parent.name || wanted == parent.name_space + "/" + parent.name;
}

std::vector<Seat> Attachment::seats_of_gateway(const Route& route, const Parent& parent, const Gateway& gateway) {
  using From = Gateway::Door::From;
  std::vector<Seat> seats;
  std::string refused;
  bool found = false;
  for (const Gateway::Door& door : gateway.doors) {
    if (!parent.section.empty() && door.name != parent.section) continue;
    if (parent.port && door.port != parent.port) continue;
    found = true;
    const bool namespace_fits =
        door.from == From::All || (door.from == From::Same && gateway.name_space == route.name_space) ||
        std::find(door.namespaces.begin(), door.namespaces.end(), route.name_space) != door.namespaces.end();
    const char* kind = route.grpc ? "GRPCRoute" : "HTTPRoute";
    const bool kind_fits = door.kinds.empty() || std::find(door.kinds.begin(), door.kinds.end(), kind) != door.kinds.end();
    if (!namespace_fits)
      refused =
          "routes of namespace " + route.name_space + " are not let in by listener " + door.name + " (allowedRoutes.namespaces)";
    else if (!kind_fits) refused = std::string(kind) + "s are not let in by listener " + door.name + " (allowedRoutes.kinds)";
    else if (!door.protocol.empty() && door.protocol != "HTTP" && door.protocol != "HTTPS")
      refused = "listener " + door.name + " is for " + door.protocol;
    if (!namespace_fits || !kind_fits || (door.protocol != "HTTP" && door.protocol != "HTTPS" && !door.protocol.empty()))
      continue;
    std::vector<const Listener*> ours;
    for (const Listener& one : document_.listeners)
      if (one.name == door.name) ours = {&one};
    if (ours.empty())
      for (const Listener& one : document_.listeners)
        if (one.direction == Direction::Edge && speaks_http(one) && listens_at(one, door.port)) ours.push_back(&one);
    if (ours.empty())
      reading_.warn(door.at, "Gateway " + gateway.name_space + "/" + gateway.name,
                    "no listener is called " + door.name + " or listens at port " + std::to_string(door.port) +
                        ": what is attached to it is served nowhere; listeners: " + listed(document_.listeners));
    for (const Listener* one : ours) seats.push_back({one, door.hostname, door.port});
  }
  std::vector<std::string_view> names;
  for (const Gateway::Door& door : gateway.doors) names.push_back(door.name);
  if (!found)
    fail(parent, "the Gateway has no such listener" +
                     (parent.section.empty() ? "" : ", \"" + parent.section + "\"" + did_you_mean(parent.section, names)));
  else if (seats.empty() && !refused.empty()) warn(parent, "is not attached: " + refused);
  return seats;
}

// cart, cart.shop, cart.shop.svc and so on: whom the application beside us calls.
std::vector<Seat> Attachment::seats_of_service(const Route& route, const Parent& parent) {
  const std::string& home = document_.service.name_space;
  const bool consumer = route.name_space != parent.name_space;
  if (consumer && route.name_space != home) {
    warn(parent, "is not attached: a route of namespace " + route.name_space + " for a Service of " + parent.name_space +
                     " is for clients in " + route.name_space + ", and this proxy is in " + home);
    return {};
  }
  std::vector<std::string> hosts;
  if (parent.name_space == home) hosts.push_back(parent.name);
  const std::string full = parent.name + "." + parent.name_space;
  for (const std::string& name : {full, full + "." + document_.registry.domain, full + ".svc", full + ".svc.cluster.local"})
    hosts.push_back(to_lower(name));
  std::vector<Seat> seats;
  for (const Listener& one : document_.listeners)
    if (one.direction == Direction::Outbound && speaks_http(one)) seats.push_back({&one, "", 0, hosts, parent.port, consumer});
  if (seats.empty()) warn(parent, "is not attached: rules for a Service are for outbound listeners, and there is none");
  return seats;
}

std::vector<Seat> Attachment::seats(const Route& route, const Parent& parent) {
  if (parent.service) return seats_of_service(route, parent);
  if (const Gateway* gateway = objects_.gateway(parent.name_space, parent.name)) return seats_of_gateway(route, parent, *gateway);
  std::vector<const Listener*> ours;
  const auto add = [&](const auto& fits) {
    for (const Listener& one : document_.listeners)
      if (fits(one)) ours.push_back(&one);
  };
  std::vector<std::string_view> names;
  for (const Listener& one : document_.listeners) names.push_back(one.name);
  const std::string others =
      route.from->gateway.empty() ? " (if it is another proxy's: `gateway` beside gateway_api leaves those out)" : "";
  if (!parent.section.empty()) {
    add([&](const Listener& one) { return one.name == parent.section; });
    if (ours.empty())
      return fail(parent, "there is no listener \"" + parent.section + "\"" + did_you_mean(parent.section, names) +
                              "; listeners: " + listed(document_.listeners) + others),
             std::vector<Seat>();
  } else {
    add([&](const Listener& one) { return one.name == parent.name; });
    if (ours.empty()) add([&](const Listener& one) { return one.direction == Direction::Edge && speaks_http(one); });
  }
  if (parent.port) std::erase_if(ours, [&](const Listener* one) { return !listens_at(*one, parent.port); });
  std::erase_if(ours, [](const Listener* one) { return !speaks_http(*one); });
  if (ours.empty())
    fail(parent, "no listener for HTTP" +
                     (parent.port ? " listens at port " + std::to_string(parent.port) : std::string(" is there")) + others);
  std::vector<Seat> seats;
  for (const Listener* one : ours)
    seats.push_back({one, "", one->addresses.empty() ? uint16_t(0) : port_of(one->addresses.front())});
  return seats;
}

void Attachment::add(const Route& route) {
  std::map<const Listener*, std::vector<Seat>> by_listener;
  for (const Parent& parent : route.parents) {
    if (!is_ours(route, parent)) continue;
    std::string refused;
    bool attached = false;
    for (Seat& seat : seats(route, parent)) {
      const auto hosts = parent.service ? std::optional(seat.hosts) : intersection(seat.hostname, route.hosts);
      if (!hosts) {
        refused = seat.hostname;
        continue;
      }
      attached = true;
      seat.hosts = *hosts;
      by_listener[seat.listener].push_back(std::move(seat));
    }
    if (!attached && !refused.empty())
      warn(parent, "is not attached: none of its hostnames is one of the listener's, " + refused);
  }
  for (const auto& [listener, seats] : by_listener) attach(route, *listener, seats);
}

// Two parents may have led to the same listener: each host once.
void Attachment::attach(const Route& route, const Listener& listener, const std::vector<Seat>& seats) {
  if (route.broken) return;
  std::set<std::string> done;
  for (Seat seat : seats) {
    const std::string key = std::to_string(seat.called) + ":";
    if (done.contains(key + "*")) continue;
    if (seat.hosts.empty()) done.insert(key + "*");
    std::erase_if(seat.hosts, [&](const std::string& host) { return !done.insert(key + host).second; });
    if (seat.hosts.empty() && !done.contains(key + "*")) continue;
    seat.listener = &listener;
    for (const HostGroup& group : groups_of(seat.hosts))
      for (size_t i = 0; i < route.rules.size(); ++i)
        for (const Match& match : route.rules[i].matches) draft(route, i, seat, group, match);
  }
}

// What the backends of a rule make of it: one rule for each that has filters of its own or leads nowhere, which takes its share
// of what those before it have left, and one for all others.
std::vector<Node> parts_of(const Route& route, const Rule& rule) {
  std::vector<Node> parts;
  const auto part = [&]() -> Node& {
    parts.push_back(map_at(rule.at));
    parts.back().merge(rule.keys);
    return parts.back();
  };
  const auto put_filters = [&](Node& to, const Node* more) {
    Node all = rule.filters;
    for (const Node& one : more ? more->items() : std::vector<Node>()) all.append(one);
    if (all.size() > 0) to.put("filters", std::move(all));
  };
  if (rule.redirect) {
    Node& only = part();
    only.put("redirect", *rule.redirect);
    put_filters(only, nullptr);
    return parts;
  }
  uint64_t left = 0, nowhere = 0, plain = 0;
  for (const Backend& one : rule.backends) left += one.weight;
  for (const Backend& one : rule.backends)
    if (one.cluster.empty()) nowhere += one.weight;
  std::map<std::string, std::pair<uint64_t, const Node*>> split;
  const auto share = [&](Node& of, uint64_t weight) {
    if (weight < left) of.put("percent", text_at(share_text(double(weight) / double(left)), rule.at));
    left -= weight;
  };
  if (left == 0) nowhere = left = 1;
  const auto respond = [&] {
    Node& only = part();
    share(only, nowhere);
    for (const char* key : {"retry", "timeout", "rewrite"}) only.erase(key);
    Node answer = map_at(rule.at);
    answer.put("status", text_at(route.grpc ? "503" : "500", rule.at));
    answer.put("body", text_at("There is no backend for this.\n", rule.at));
    only.put("respond", std::move(answer));
    put_filters(only, nullptr);
  };
  if (nowhere > 0) respond();
  for (const Backend& one : rule.backends) {
    if (one.cluster.empty() || one.weight == 0) continue;
    if (one.filters.size() == 0 && !one.rewrite) {
      auto& [weight, at] = split[one.cluster];
      weight += one.weight;
      at = &one.at;
      plain += one.weight;
      continue;
    }
    Node& own = part();
    share(own, one.weight);
    own.put("cluster", text_at(one.cluster, one.at));
    if (one.rewrite) own.put("rewrite", *one.rewrite);
    put_filters(own, &one.filters);
  }
  if (plain == 0) return parts;
  Node& rest = part();
  put_filters(rest, nullptr);
  if (split.size() == 1) {
    rest.put("cluster", text_at(split.begin()->first, *split.begin()->second.second));
    return parts;
  }
  Node shares = map_at(rule.at);
  for (const auto& [cluster, share] : split)
    shares.put(cluster, text_at(std::to_string(std::min<uint64_t>(share.first, 1'000'000)), *share.second));
  rest.put("split", std::move(shares));
  return parts;
}

void Attachment::draft(const Route& route, size_t index, const Seat& seat, const HostGroup& hosts, const Match& match) {
  const Rule& rule = route.rules[index];
  for (Node& part : parts_of(route, rule)) {
    Node asked = map_at(match.keys);
    if (!hosts.names.empty()) {
      Node names = list_at(route.hosts_at);
      for (const std::string& name : hosts.names) names.append(text_at(name, route.hosts_at));
      asked.put("host", std::move(names));
    }
    asked.merge(match.keys);
    if (seat.called) asked.put("port", text_at(std::to_string(seat.called), route.at));
    if (const Node* percent = part.find("percent")) {
      asked.put("percent", *percent);
      part.erase("percent");
    }
    Node whole = map_at(match.keys);
    whole.put("name", Node());
    whole.put("match", std::move(asked));
    for (const auto& entry : part.entries()) whole.put(entry.key, entry.value);
    const uint16_t port = rule.redirect_to_listeners_port ? seat.port : 0;
    if (port && port != (seat.listener->tls.on() ? 443 : 80))
      whole.at("redirect").put("port", text_at(std::to_string(port), rule.at));
    whole.stamp(route.at.shared_origin());
    drafts_[seat.listener].push_back(
        {&route, index, {seat.consumer ? 0 : 1, hosts.rank, route.grpc ? 0 : 1, match.rank}, std::move(whole)});
  }
}

// "shop/cart/0", and with a number behind it where several rules of ours are one of theirs.
std::string name_of(const Route& route, const Rule& rule) {
  std::string name = route.name_space + "/" + route.name + "/" + rule.name;
  if (route.grpc) name = "grpc/" + name;
  if (name.size() <= kLongestName) return name;
  char digest[17];
  std::snprintf(digest, sizeof digest, "%08x", unsigned(hash(name)));
  return name.substr(0, kLongestName - 9) + "-" + digest;
}

// Routes are in the order of their age and names, rules and matches as they are written: what is equal stays in it.
std::map<std::string, std::vector<Node>, std::less<>> Attachment::take() {
  std::map<std::string, std::vector<Node>, std::less<>> all;
  for (auto& [listener, drafts] : drafts_) {
    std::map<std::pair<const Route*, size_t>, std::pair<size_t, size_t>> counts;  // of them, and those that have a name
    for (const Draft& one : drafts) ++counts[{one.route, one.rule}].first;
    for (Draft& one : drafts) {
      auto& [of, at] = counts[{one.route, one.rule}];
      const Rule& rule = one.route->rules[one.rule];
      const std::string name = name_of(*one.route, rule) + (of > 1 ? "/" + std::to_string(at++) : "");
      one.node.put("name", text_at(name, rule.at));
    }
    std::stable_sort(drafts.begin(), drafts.end(), [](const Draft& a, const Draft& b) { return a.order < b.order; });
    for (Draft& one : drafts) all[listener->name].push_back(std::move(one.node));
  }
  return all;
}

}  // namespace

const std::vector<Node>& Routes::rules(const Listener& listener) const {
  static const std::vector<Node> kNone;
  const auto found = rules_.find(listener.name);
  return found == rules_.end() ? kNone : found->second;
}

Routes read(Reading& reading, const Document& document, const Sources& sources) {
  Routes out;
  if (document.routes_from.empty()) return out;
  const Objects objects = read_objects(reading, document.routes_from, sources, document.service.name_space);
  std::vector<Route> routes;
  Ports ports;
  for (const Object& object : objects.routes) {
    const auto errors = [&] {
      return std::count_if(reading.complaints.begin(), reading.complaints.end(),
                           [](const Complaint& one) { return one.severity == Severity::Error; });
    };
    const auto before = errors();
    routes.push_back(read_route(reading, object, objects, document, ports));
    routes.back().broken = errors() > before;
  }
  // The oldest first; who has no age has not been created yet.
  std::stable_sort(routes.begin(), routes.end(), [](const Route& a, const Route& b) {
    return std::tuple(a.created.empty(), std::string_view(a.created), a.name_space + "/" + a.name) <
           std::tuple(b.created.empty(), std::string_view(b.created), b.name_space + "/" + b.name);
  });
  Attachment attachment(reading, document, objects);
  for (const Route& route : routes) attachment.add(route);
  out.rules_ = attachment.take();
  return out;
}

}  // namespace outrider::config::gateway_api
