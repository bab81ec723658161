// Rules in words.

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "config/differences.h"
#include "config/values.h"

namespace outrider::config {

namespace {

std::string text_of(const TextMatch& match) {
  using Kind = TextMatch::Kind;
  const std::string quoted = "\"" + match.text + "\"";
  switch (match.kind) {
    case Kind::Present: return match.negated ? "absent" : "present";
    case Kind::Exact: return (match.negated ? "not " : "") + quoted;
    case Kind::Prefix: return std::string(match.negated ? "not " : "") + "beginning with " + quoted;
    case Kind::Suffix: return std::string(match.negated ? "not " : "") + "ending with " + quoted;
    case Kind::Contains: return std::string(match.negated ? "not " : "") + "with " + quoted + " in it";
    case Kind::Regex: return std::string(match.negated ? "not " : "") + "like " + quoted;
  }
  return {};
}

void add_matches(std::string& out, const char* what, const std::vector<std::pair<std::string, TextMatch>>& matches) {
  for (const auto& [name, match] : matches) out += std::string(" with ") + what + " " + name + " " + text_of(match);
}

std::string paths_of(const Route& route) {
  if (!route.conditions.regex.empty()) return "paths like " + route.conditions.regex;
  const auto& paths = route.prefixes.empty() ? route.paths : route.prefixes;
  if (paths.size() == 1 && paths.front() == "/" && !route.prefixes.empty()) return {};
  return joined(paths, " or ");
}

std::string conditions_of(const Route& route) {
  const Conditions& c = route.conditions;
  std::string out;
  if (c.grpc) out += " by gRPC";
  add_matches(out, "header", c.headers);
  add_matches(out, "parameter", c.queries);
  add_matches(out, "cookie", c.cookies);
  if (!c.identities.empty()) out += " from " + joined(c.identities, " or ");
  if (!c.networks.empty()) out += " from " + joined(c.networks, " or ");
  std::vector<std::string> ports;
  for (const uint16_t port : c.ports) ports.push_back(std::to_string(port));
  if (!ports.empty()) out += " to port " + joined(ports, " or ");
  if (c.percent < 1) out += " (" + percent_text(c.percent) + " of it)";
  return out;
}

std::string weighted(const Route& route) {
  uint64_t sum = 0;
  for (const auto& [name, weight] : route.split) sum += weight;
  std::vector<std::string> parts;
  for (const auto& [name, weight] : route.split)
    parts.push_back(name + " (" + percent_text(sum ? double(weight) / double(sum) : 0) + ")");
  return joined(parts);
}

}  // namespace

std::string percent_text(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g %%", share * 100);
  return text;
}

std::string joined(const std::vector<std::string>& items, const char* last) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) out += (i == 0 ? "" : i + 1 == items.size() ? last : ", ") + items[i];
  return out;
}

std::string name_of_rule(const Route& route) {
  if (route.implied) return "the preset's (" + match_of(route) + ")";
  std::string place = route.path;
  if (place.starts_with("routes.")) place.erase(0, 7);
  const size_t bracket = place.rfind('[');
  const std::string index = bracket == place.npos ? "0" : place.substr(bracket + 1, place.size() - bracket - 2);
  const bool named = !route.name.ends_with("-" + index);
  return place + (named ? " (" + route.name + ")" : "");
}

std::string requests_of(const Route& route) {
  std::string out = joined(route.conditions.methods, " or ");
  const auto add = [&](const std::string& more) {
    if (!more.empty()) out += (out.empty() ? "" : " ") + more;
  };
  const std::string hosts = joined(route.server_names.empty() ? route.hosts : route.server_names, " or ");
  const std::string paths = paths_of(route);
  if (!route.server_names.empty()) add("TLS for " + hosts);
  else if (route.hosts.size() == 1 && paths.starts_with('/')) add(hosts + paths);
  else add(paths.empty() || hosts.empty() ? hosts + paths : hosts + " " + paths);
  const std::string conditions = conditions_of(route);
  return (!out.empty() ? out : conditions.empty() ? "everything" : "what comes") + conditions;
}

std::string match_of(const Route& route) {
  if (route.catches_all()) return "everything";
  const bool plain = route.hosts.empty() && !route.conditions.any() && route.server_names.empty();
  if (plain && route.prefixes.size() == 1) return "prefix " + route.prefixes.front();
  if (plain && route.paths.size() == 1) return "path " + route.paths.front();
  return requests_of(route);
}

std::string target_of(const Route& route) {
  using Action = Route::Action;
  switch (route.action) {
    case Action::Cluster: return route.split.empty() ? route.cluster : weighted(route);
    case Action::ByHost: return "the service that the Host header names";
    case Action::Passthrough: return "the address it was meant for";
    case Action::Respond: return "an answer given here, " + std::to_string(route.respond.status);
    case Action::Redirect: break;
  }
  const auto& r = route.redirect;
  std::string to = r.scheme.empty() ? "" : r.scheme + "://";
  to += r.host.empty() && !r.scheme.empty() ? "the same host" : r.host;
  if (r.port) to += ":" + std::to_string(r.port);
  to += r.path.empty() ? r.prefix : r.path;
  return "a redirect (" + std::to_string(r.status) + ") to " + to;
}

bool refuses(const Route& route) { return route.action == Route::Action::Respond && route.respond.status >= 400; }

std::string signature_of(const Route& route) {
  const Conditions& c = route.conditions;
  std::string out;
  const auto list = [&](const char* name, std::vector<std::string> items) {
    std::sort(items.begin(), items.end());
    out += name;
    for (const auto& item : items) out += "\n" + item;
    out += "\f";
  };
  list("host", route.hosts);
  list("prefix", route.prefixes);
  list("path", route.paths);
  list("sni", route.server_names);
  list("method", c.methods);
  list("from", c.identities);
  list("cidr", c.networks);
  std::vector<std::string> others{c.regex, c.grpc ? "grpc" : "", share_text(c.percent)};
  for (const uint16_t port : c.ports) others.push_back("port " + std::to_string(port));
  list("others", others);
  for (const auto& [what, matches] : {std::pair{"header", &c.headers}, {"query", &c.queries}, {"cookie", &c.cookies}}) {
    std::vector<std::string> each;
    for (const auto& [name, match] : *matches) each.push_back(name + " " + text_of(match));
    list(what, each);
  }
  return out;
}

}  // namespace outrider::config
