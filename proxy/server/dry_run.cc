#include "server/dry_run.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "exchange/onward.h"
#include "exchange/sanitize.h"
#include "exchange/service_name.h"
#include "http/grammar.h"
#include "server/authz.h"
#include "server/compile.h"

namespace outrider::server {

namespace {

using admin::RouteView;
using config::Direction;
using config::Listener;
using config::Protocol;

struct Url {
  std::string scheme, authority, path;
  uint16_t port = 0;  // that is called
  bool says_port = false;
};

std::optional<Url> parse_url(const std::string& text) {
  const size_t mark = text.find("://");
  if (mark == text.npos) return {};
  Url url{text.substr(0, mark), {}, {}, 0};
  const size_t slash = text.find_first_of("/?", mark + 3);
  url.authority = text.substr(mark + 3, slash == text.npos ? text.npos : slash - mark - 3);
  url.path = slash == text.npos ? "/" : text[slash] == '?' ? "/" + text.substr(slash) : text.substr(slash);
  if ((url.scheme != "http" && url.scheme != "https") || url.authority.empty()) return {};
  const auto host = http::without_port(url.authority);
  const auto port = host.size() < url.authority.size() ? parse_number(url.authority.substr(host.size() + 1)) : std::nullopt;
  if (host.size() < url.authority.size() && (!port || *port == 0 || *port > 65535)) return {};
  url.says_port = port.has_value();
  url.port = uint16_t(port ? *port : url.scheme == "https" ? 443 : 80);
  return url;
}

bool has_port(const Listener& listener, uint16_t port) {
  return std::any_of(listener.addresses.begin(), listener.addresses.end(),
                     [&](const std::string& address) { return address.ends_with(":" + std::to_string(port)); });
}

const Listener* listener_of(const config::Document& document, const admin::RouteQuestion& question, const Url& url) {
  const Listener* best = nullptr;
  const auto fits = [&](const Listener& one) {
    const bool towards_us = !question.from.empty() && one.direction == Direction::Inbound;
    const bool same_tls = one.tls.on() == (url.scheme == "https");
    return std::tuple(towards_us, has_port(one, url.port), one.direction == Direction::Outbound, same_tls);
  };
  for (const Listener& listener : document.listeners) {
    if (!question.listener.empty() && listener.name != question.listener) continue;
    if (listener.protocol == Protocol::Tcp || listener.protocol == Protocol::Tls) continue;
    if (!best || fits(*best) < fits(listener)) best = &listener;
  }
  return best;
}

RouteView nonsense(std::string why) {
  RouteView view;
  view.error = std::move(why);
  return view;
}

RouteView refused(RouteView view, uint16_t status, std::string reason) {
  view.status = status;
  view.reason = std::move(reason);
  return view;
}

// Whether another draw would have led elsewhere.
bool by_chance(const exchange::Router& router, exchange::Asked asked, const exchange::Route* found, Random& random) {
  constexpr int kDraws = 2000;  // one rule in a thousand escapes that once in seven times
  const auto host = http::without_port(asked.head.authority);
  for (int i = 0; i < kDraws; ++i) {
    asked.lot = random.next();
    if (router.match(host, asked) != found) return true;
  }
  return false;
}

// What the configuration says of the rule that was found.
void describe(RouteView& view, const Listener& listener, const exchange::Route& found) {
  view.route = found.name;
  view.file = found.file;
  view.line = found.line;
  for (const auto& route : listener.routes)
    if (route.name == found.name)
      for (const auto& use : route.filters) view.filters.push_back(use.name);
}

// Whether a redirected connection is asked about, to something else beside us than our service.
bool is_of_another(const Listener& listener, const Url& url) {
  if (listener.direction != Direction::Inbound || !listener.transparent || !url.says_port || has_port(listener, url.port))
    return false;
  return std::none_of(listener.routes.begin(), listener.routes.end(),
                      [&](const config::Route& route) { return route.onward && route.home_port == url.port; });
}

// Where connections are redirected here, what the URL says is taken for where this one was meant for.
void consider_destination(RouteView& view, const Listener& listener, const exchange::Route& route, const Url& url) {
  const std::string passthrough = config::kPassthroughCluster;
  const std::string to = passthrough + ", to the address it was meant for";
  if (view.cluster == passthrough) view.otherwise = std::string("503 ") + exchange::kNotRedirected + ", where it came directly";
  if (!route.onward) return;
  if (route.home_port != 0) {
    if (is_of_another(listener, url)) view.cluster = passthrough;
    else
      view.otherwise = to + ", where it was redirected here and meant for another port than " + std::to_string(route.home_port);
  } else if (view.cluster.empty()) {
    view.cluster = passthrough;
    view.otherwise = "404 no_route, where it came directly";
  } else {
    view.otherwise = to + ", where it was redirected here and the registry has no " + view.cluster;
  }
}

void add_destination(RouteView& view, const Url& url) {
  const std::string at = std::string(http::without_port(url.authority)) + ":" + std::to_string(url.port);
  if (!net::Address::parse(at)) return;  // a name: its client knows the address
  admin::EndpointView endpoint;
  endpoint.address = at;
  view.endpoints.push_back(std::move(endpoint));
}

void add_endpoints(RouteView& view, const config::Document& document) {
  const config::Cluster* const cluster = document.cluster(view.cluster);
  if (!cluster) return;
  for (const auto& one : cluster->endpoints) {
    admin::EndpointView endpoint;
    endpoint.address = one.address;
    endpoint.weight = one.weight;
    endpoint.zone = one.zone;
    endpoint.priority = one.priority;
    view.endpoints.push_back(std::move(endpoint));
  }
  in_order(view.endpoints, document.node.zone);
}

}  // namespace

void in_order(std::vector<admin::EndpointView>& endpoints, const std::string& zone) {
  const auto rank = [&](const admin::EndpointView& one) {
    using State = admin::EndpointState;
    const bool fit = one.state == State::Ready || one.state == State::Unknown || one.state == State::Stale;
    return std::tuple(!fit || one.weight == 0, one.priority, !zone.empty() && one.zone != zone);
  };
  std::stable_sort(endpoints.begin(), endpoints.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

RouteView dry_run(const config::Document& document, const admin::RouteQuestion& question) {
  const auto url = parse_url(question.url);
  if (!url) return nonsense("\"" + question.url + "\" is no URL: http://HOST[:PORT]/PATH");
  if (!http::is_token(question.method)) return nonsense("\"" + question.method + "\" is no method");
  const Listener* const listener = listener_of(document, question, *url);
  if (!listener)
    return nonsense(question.listener.empty() ? "no listener here takes HTTP"
                                              : "no listener \"" + question.listener + "\" that takes HTTP");
  std::optional<identity::WorkloadId> id;
  if (!question.from.empty() && question.from != "-" && !(id = workload_of(document, question.from)))
    return nonsense("\"" + question.from + "\" is no identity: a SPIFFE ID, namespace/account, an account, or - for none");

  exchange::ClusterIds clusters;
  const auto plan = plan_of(document, *listener, clusters);
  const std::string identity = id ? id->text() : std::string();
  filter::Peer peer;
  peer.identity = identity;
  peer.remote_address = "127.0.0.1:1";
  peer.remote_ip = "127.0.0.1";
  peer.encrypted = listener->tls.on() || listener->tls.identity;
  Random random(random_seed());
  Arena arena;
  http::RequestHead head(arena);
  head.method_text = question.method;
  head.method = http::method_of(question.method);
  head.scheme = url->scheme;
  head.path = url->path;
  head.headers.add("Host", url->authority);
  head.authority = url->authority;
  for (const auto& [name, value] : question.headers) head.headers.add(name, value);

  RouteView view;
  view.listener = listener->name;
  if (const char* const key = listener->tls.identity && !question.from.empty() ? kept_out_by(document.identity, id) : nullptr) {
    view.denied_by = key;
    return refused(std::move(view), 0, "no_connection");
  }
  if (const auto fine = exchange::sanitize_request(head, *plan, peer, random); !fine)
    return refused(std::move(view), fine.error().status, fine.error().what);
  if (plan->authorization) {
    const uint16_t port = is_of_another(*listener, *url) ? url->port : 0;
    const auto path = head.path.substr(0, head.path.find('?'));
    const auto verdict = plan->authorization->judge(peer.identity, head.method_text, path, port);
    if (!verdict.allowed && plan->authorization->enforced) {
      view.denied_by = verdict.rule;
      return refused(std::move(view), 403, "denied");
    }
  }
  const exchange::Asked asked{head, peer, random.next(), url->port};
  const exchange::Route* const route = plan->router->match(http::without_port(head.authority), asked);
  view.by_chance = by_chance(*plan->router, asked, route, random);
  if (!route) return refused(std::move(view), 404, "no_route");
  describe(view, *listener, *route);
  if (route->action == exchange::Route::Action::Respond) return refused(std::move(view), route->respond.status, "respond");
  if (route->action == exchange::Route::Action::Redirect) {
    view.location = route->redirect.location(head, peer.encrypted, arena);
    return refused(std::move(view), route->redirect.status, "redirect");
  }
  const auto name_of = [&](uint32_t number) {
    for (const auto& [name, known] : clusters)
      if (known == number) return name;
    return std::string();
  };
  const auto key = route->sticky.of(head, asker_of(peer));
  const uint32_t chosen = route->choose(http::draw(key.value_or(random.next()))).cluster;
  if (chosen == exchange::kByHost)
    view.cluster = exchange::service_name(head.authority, document.service.name_space, document.registry.domain, arena);
  else if (chosen != exchange::kNobody) view.cluster = name_of(chosen);
  consider_destination(view, *listener, *route, *url);
  if (view.cluster.empty()) return refused(std::move(view), 404, "no_route");
  if (view.cluster == config::kPassthroughCluster && !listener->transparent)
    return refused(std::move(view), 503, exchange::kNotRedirected);
  double before = 0;
  for (const auto& share : route->split) {
    if (!key) view.shares.emplace_back(name_of(share.cluster), share.until - before);
    before = share.until;
  }
  view.path = route->rewrite.target(head.path, arena);
  view.host = route->rewrite_host.empty() ? std::string(head.authority) : route->rewrite_host;
  view.timeout_s = std::chrono::duration<double>(route->timeout).count();
  if (view.cluster == config::kPassthroughCluster) add_destination(view, *url);
  else add_endpoints(view, document);
  return view;
}

}  // namespace outrider::server
