// HTTPRoutes as they are read and compiled, beside a slow judge that goes by the text of the Gateway API alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <regex>

#include "config/load.h"
#include "exchange/router.h"
#include "exchange/snapshot.h"
#include "server/compile.h"
#include "tests/support/seed.h"

namespace outrider::server {
namespace {

struct Text {  // what a header or a parameter is to be
  std::string name, value;
  bool regex = false;
};
struct Match {
  enum class Path { None, Exact, Prefix, Regex } kind = Path::None;
  std::string path, method;
  std::vector<Text> headers, queries;
};
struct Rule {
  std::vector<Match> matches;
};
struct Route {
  std::string name_space, name, created;
  std::vector<std::string> hosts;
  std::vector<Rule> rules;
};
struct Request {
  std::string host, method, path;
  std::vector<std::pair<std::string, std::string>> headers, queries;
};

// Chance picks from few values, so that much of it meets.
class Generator {
 public:
  explicit Generator(Random& random) : random_(random) {}
  size_t below(size_t n) { return size_t(random_.next() % n); }
  bool once_in(size_t n) { return below(n) == 0; }
  template <class T>
  const T& one(const std::vector<T>& of) {
    return of[below(of.size())];
  }
  std::string host() { return one<std::string>({"a.test", "b.a.test", "c.b.a.test", "other.test", "test", "a.example"}); }
  std::string pattern() { return once_in(2) ? host() : one<std::string>({"*.test", "*.a.test", "*.b.a.test", "*.example"}); }
  std::string path() { return one<std::string>({"/", "/a", "/a/", "/ab", "/a/b", "/a/b/", "/a/b/c", "/b", "/b/a"}); }
  Text text(const std::string& name) {
    if (once_in(3)) return {name, one<std::string>({"1|2", "[12]", ".*", "3"}), true};
    return {name, one<std::string>({"1", "2"})};
  }
  std::vector<Text> texts(const std::vector<std::string>& names) {
    std::vector<Text> out;
    for (const auto& name : names)
      if (once_in(4)) out.push_back(text(name));
    return out;
  }
  Match match() {
    Match m;
    m.kind =
        one<Match::Path>({Match::Path::None, Match::Path::Exact, Match::Path::Prefix, Match::Path::Prefix, Match::Path::Regex});
    if (m.kind == Match::Path::Regex) m.path = one<std::string>({"/a.*", "/[ab]", "/a/b/?", "/.+"});
    else if (m.kind != Match::Path::None) m.path = path();
    if (once_in(3)) m.method = one<std::string>({"GET", "POST"});
    m.headers = texts({"x-a", "x-b", "x-c"});
    m.queries = texts({"p", "q"});
    return m;
  }
  std::vector<Route> routes() {
    std::vector<Route> out(1 + below(4));
    for (size_t i = 0; i < out.size(); ++i) {
      Route& r = out[i];
      r.name_space = one<std::string>({"default", "shop"});
      r.name = one<std::string>({"a", "b", "c"}) + std::to_string(i);
      r.created = one<std::string>({"", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"});
      for (size_t n = below(4); n > 0; --n)
        if (const auto host = pattern(); std::find(r.hosts.begin(), r.hosts.end(), host) == r.hosts.end())
          r.hosts.push_back(host);
      r.rules.resize(1 + below(3));
      for (Rule& rule : r.rules)
        for (size_t n = below(4); n > 0; --n) rule.matches.push_back(match());
    }
    for (size_t i = out.size(); i > 1; --i) std::swap(out[i - 1], out[below(i)]);
    return out;
  }
  Request request() {
    Request r{host(), one<std::string>({"GET", "POST", "PUT"}), path(), {}, {}};
    for (const char* name : {"x-a", "x-b", "x-c"})
      if (once_in(2)) r.headers.emplace_back(name, one<std::string>({"1", "2", "3"}));
    for (const char* name : {"p", "q"})
      if (once_in(2)) r.queries.emplace_back(name, one<std::string>({"1", "2", "3"}));
    return r;
  }

 private:
  Random& random_;
};

// --- the judge -------------------------------------------------------------------------------------------------------------

std::vector<std::string> segments(const std::string& path) {
  std::vector<std::string> out;
  std::string part;
  for (const char c : path + "/") {
    if (c != '/') part += c;
    else if (!part.empty()) out.push_back(std::exchange(part, ""));
  }
  return out;
}

bool text_holds(const Text& wanted, const std::vector<std::pair<std::string, std::string>>& given) {
  for (const auto& [name, value] : given)
    if (name == wanted.name) return wanted.regex ? std::regex_match(value, std::regex(wanted.value)) : value == wanted.value;
  return false;
}

bool path_holds(const Match& match, const std::string& path) {
  if (match.kind == Match::Path::None) return true;
  if (match.kind == Match::Path::Exact) return path == match.path;
  if (match.kind == Match::Path::Regex) return std::regex_match(path, std::regex(match.path));
  const auto wanted = segments(match.path), given = segments(path);
  return wanted.size() <= given.size() && std::equal(wanted.begin(), wanted.end(), given.begin());
}

bool holds(const Match& match, const Request& request) {
  if (!path_holds(match, request.path) || (!match.method.empty() && match.method != request.method)) return false;
  return std::all_of(match.headers.begin(), match.headers.end(), [&](const Text& t) { return text_holds(t, request.headers); }) &&
         std::all_of(match.queries.begin(), match.queries.end(), [&](const Text& t) { return text_holds(t, request.queries); });
}

bool host_holds(const std::string& pattern, const std::string& host) {
  if (!pattern.starts_with("*.")) return pattern == host;
  const std::string domain = pattern.substr(1);
  return host.size() > domain.size() && host.compare(host.size() - domain.size(), domain.size(), domain) == 0;
}

// Whether `a` is to be preferred, in the words of the specification, one after the other.
struct Candidate {
  std::string host;  // the hostname that matched; "": there is none
  const Match* match;
  const Route* route;
  size_t rule, number;
};
bool preferred(const Candidate& a, const Candidate& b) {
  const auto plain = [](const Candidate& c) { return c.host.starts_with("*.") ? size_t(0) : c.host.size(); };
  if (plain(a) != plain(b)) return plain(a) > plain(b);
  if (a.host.size() != b.host.size()) return a.host.size() > b.host.size();
  const auto exact = [](const Candidate& c) { return c.match->kind == Match::Path::Exact; };
  if (exact(a) != exact(b)) return exact(a);
  const auto regex = [](const Candidate& c) { return c.match->kind == Match::Path::Regex; };  // ours to decide
  if (regex(a) != regex(b)) return regex(a);
  const auto characters = [&](const Candidate& c) {
    if (exact(c)) return size_t(0);
    if (regex(c)) return c.match->path.size();
    size_t sum = 0;
    for (const auto& segment : segments(c.match->path)) sum += 1 + segment.size();
    return sum;
  };
  if (characters(a) != characters(b)) return characters(a) > characters(b);
  if (a.match->method.empty() != b.match->method.empty()) return b.match->method.empty();
  if (a.match->headers.size() != b.match->headers.size()) return a.match->headers.size() > b.match->headers.size();
  if (a.match->queries.size() != b.match->queries.size()) return a.match->queries.size() > b.match->queries.size();
  const auto age = [](const Candidate& c) { return c.route->created.empty() ? std::string("9") : c.route->created; };
  if (age(a) != age(b)) return age(a) < age(b);
  const auto name = [](const Candidate& c) { return c.route->name_space + "/" + c.route->name; };
  if (name(a) != name(b)) return name(a) < name(b);
  if (a.rule != b.rule) return a.rule < b.rule;
  return a.number < b.number;
}

std::string judged(const std::vector<Route>& routes, const std::string& listener, const Request& request) {
  static const Match kAny;
  std::optional<Candidate> best;
  if (!listener.empty() && !host_holds(listener, request.host)) return "nobody";
  for (const Route& route : routes) {
    std::vector<std::string> hosts = route.hosts;
    if (hosts.empty()) hosts.push_back(listener);
    for (const std::string& host : hosts) {
      if (!host.empty() && !host_holds(host, request.host)) continue;
      // Of two that hold, the narrower: both are of the same name or of domains above it.
      const std::string narrower = listener.empty() || host.empty() ? host + (host.empty() ? listener : "")
                                   : !host.starts_with("*.")        ? host
                                   : !listener.starts_with("*.")    ? listener
                                   : host.size() > listener.size()  ? host
                                                                    : listener;
      for (size_t i = 0; i < route.rules.size(); ++i) {
        const auto& matches = route.rules[i].matches;
        const auto offer = [&](const Match& match, size_t number) {
          const Candidate candidate{narrower, &match, &route, i, number};
          if (holds(match, request) && (!best || preferred(candidate, *best))) best = candidate;
        };
        if (matches.empty()) offer(kAny, 0);
        for (size_t k = 0; k < matches.size(); ++k) offer(matches[k], k);
      }
    }
  }
  return best ? best->route->name_space + "/" + best->route->name + "/" + std::to_string(best->rule) : "nobody";
}

// --- ours ------------------------------------------------------------------------------------------------------------------

std::string yaml_of(const std::vector<Text>& texts) {
  std::string out;
  for (const Text& one : texts)
    out += (out.empty() ? "" : ", ") + std::string("{name: ") + one.name + ", value: \"" + one.value + "\"" +
           (one.regex ? ", type: RegularExpression}" : "}");
  return "[" + out + "]";
}

std::string yaml_of(const std::vector<Route>& routes) {
  std::string out;
  for (const Route& route : routes) {
    out += "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: " + route.name +
           "\n  namespace: " + route.name_space + "\n";
    if (!route.created.empty()) out += "  creationTimestamp: \"" + route.created + "\"\n";
    out += "spec:\n  parentRefs: [{name: edge, namespace: infra}]\n";
    std::string hosts;
    for (const auto& host : route.hosts) hosts += (hosts.empty() ? "\"" : ", \"") + host + "\"";
    if (!hosts.empty()) out += "  hostnames: [" + hosts + "]\n";
    out += "  rules:\n";
    for (size_t i = 0; i < route.rules.size(); ++i) {
      out += "    - backendRefs: [{name: " + route.name + ", port: 80}]\n";
      if (!route.rules[i].matches.empty()) out += "      matches:\n";
      for (const Match& match : route.rules[i].matches) {
        static constexpr const char* kTypes[] = {"", "Exact", "PathPrefix", "RegularExpression"};
        out += "        - headers: " + yaml_of(match.headers) + "\n          queryParams: " + yaml_of(match.queries) + "\n";
        if (match.kind != Match::Path::None)
          out += "          path: {type: " + std::string(kTypes[size_t(match.kind)]) + ", value: \"" + match.path + "\"}\n";
        if (!match.method.empty()) out += "          method: " + match.method + "\n";
      }
    }
    out += "---\n";
  }
  return out;
}

config::Document document_of(const std::vector<Route>& routes, const std::string& listener) {
  config::Sources sources;
  sources.file = "edge.yaml";
  sources.text = "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:8080\"}}\nclusters:\n";
  for (const Route& route : routes)
    *sources.text += "  " + route.name_space + "/" + route.name + ": {endpoints: [\"127.0.0.1:9\"]}\n";
  *sources.text += "routes_from: [{gateway_api: routes.yaml}]\n";
  std::string text = yaml_of(routes);
  if (!listener.empty())
    text +=
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge, namespace: infra}\nspec:\n  listeners: [{name: edge, port: 80, protocol: HTTP, hostname: \"" +
        listener + "\", allowedRoutes: {namespaces: {from: All}}}]\n";
  sources.included = std::vector<config::Included>{{"routes.yaml", text}};
  sources.identity_dir.clear();
  auto outcome = config::load(sources);
  EXPECT_TRUE(outcome.document) << config::print(outcome.complaints) << text;
  return std::move(*outcome.document);
}

std::string matched(const exchange::Router& router, const Request& request) {
  Arena arena;
  http::RequestHead head(arena);
  head.method_text = request.method;
  std::string target = request.path;
  for (const auto& [name, value] : request.queries) target += (target == request.path ? "?" : "&") + name + "=" + value;
  head.path = target;
  for (const auto& [name, value] : request.headers) head.headers.add(name, value);
  const exchange::Route* found = router.match(request.host, {head, {}, 0});
  if (!found) return "nobody";
  // namespace/name/rule, and more where several rules of ours are one of theirs.
  size_t end = 0;
  for (int slashes = 0; end < found->name.size(); ++end)
    if (found->name[end] == '/' && ++slashes == 3) break;
  return found->name.substr(0, end);
}

TEST(GatewayRoutes, ARandomRequestGoesWhereTheSpecificationSendsIt) {
  auto random = test::seeded_random();
  Generator chance(random);
  size_t led = 0;
  for (int round = 0; round < 300 && !HasFailure(); ++round) {
    const auto routes = chance.routes();
    const std::string listener = chance.once_in(2) ? "" : chance.pattern();
    const auto document = document_of(routes, listener);
    exchange::ClusterIds clusters;
    const auto plan = plan_of(document, document.listeners.front(), clusters);
    for (int i = 0; i < 60; ++i) {
      const Request request = chance.request();
      const std::string expected = judged(routes, listener, request);
      led += expected != "nobody";
      ASSERT_EQ(matched(*plan->router, request), expected)
          << request.method << " " << request.host << request.path << ", listener \"" << listener << "\"\n"
          << yaml_of(routes);
    }
  }
  EXPECT_GT(led, 5000u) << "most of it must say something";
}

}  // namespace
}  // namespace outrider::server
