// Which rules were not for a request, and what they ask for.

#include <algorithm>

#include "base/path.h"
#include "base/text.h"
#include "http/grammar.h"
#include "server/story.h"
#include "server/wording.h"

namespace outrider::server {

namespace {

constexpr size_t kMostRules = 5;

bool is_for_host(const config::Route& route, std::string_view host) {
  const std::string name = to_lower(host);
  return route.hosts.empty() || std::any_of(route.hosts.begin(), route.hosts.end(), [&](const std::string& each) {
           return each == "*" || each == name || (each.starts_with("*.") && name.ends_with(each.substr(1)));
         });
}

bool is_for_path(const config::Route& route, std::string_view path) {
  if (route.prefixes.empty() && route.paths.empty()) return true;
  return std::any_of(route.prefixes.begin(), route.prefixes.end(),
                     [&](const std::string& prefix) { return covers_path(prefix, path); }) ||
         std::find(route.paths.begin(), route.paths.end(), path) != route.paths.end();
}

std::vector<std::string> names_of(const std::vector<std::pair<std::string, config::TextMatch>>& matches) {
  std::vector<std::string> names;
  for (const auto& [name, match] : matches) names.push_back(name);
  return names;
}

// What is asked for besides host and path.
std::string conditions_text(const config::Conditions& conditions) {
  std::vector<std::string> asked;
  const auto add = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) asked.push_back(std::string(what) + " " + listed(names, " or "));
  };
  if (conditions.grpc) asked.emplace_back("gRPC");
  if (!conditions.regex.empty()) asked.push_back("a path like " + conditions.regex);
  add("the method", conditions.methods);
  add("the field", names_of(conditions.headers));
  add("the parameter", names_of(conditions.queries));
  add("the cookie", names_of(conditions.cookies));
  add("the identity", conditions.identities);
  add("an address of", conditions.networks);
  std::vector<std::string> ports;
  for (const uint16_t port : conditions.ports) ports.push_back(std::to_string(port));
  add("the port", ports);
  if (conditions.percent < 1) asked.emplace_back("a share that is drawn");
  return listed(asked);
}

std::string what_it_lacks(const config::Route& route, std::string_view host, std::string_view path) {
  if (!route.server_names.empty()) return "is for TLS that is passed through, to " + listed(route.server_names, " or ");
  if (!is_for_host(route, host)) return "is for the host " + listed(route.hosts, " or ");
  if (!is_for_path(route, path))
    return "is for the path " +
           (route.paths.empty() ? listed(route.prefixes, " or ") + " and below" : listed(route.paths, " or "));
  if (route.conditions.any()) return "asks for " + conditions_text(route.conditions);
  return route.action == config::Route::Action::Passthrough ? "is for connections that were redirected here" : "";
}

}  // namespace

// Where a rule was found, those before it that would have been for this host and path.
std::vector<std::string> rules_passed_by(const exchange::Decision& decision, const KeyPlaces& keys) {
  std::vector<std::string> told;
  const config::Listener* const listener = keys.listener(decision.listener);
  if (!listener) return told;
  const auto host = http::without_port(decision.host);
  const auto path = std::string_view(decision.path).substr(0, decision.path.find('?'));
  size_t more = 0;
  for (const auto& route : listener->routes) {
    if (route.name == decision.route) break;
    const std::string why = decision.raw ? (route.server_names.empty() ? "" : "is for " + listed(route.server_names, " or "))
                                         : what_it_lacks(route, host, path);
    const bool far = !decision.route.empty() && (decision.raw || !is_for_host(route, host) || !is_for_path(route, path));
    if (why.empty() || far) continue;
    if (told.size() == kMostRules) ++more;
    else told.push_back(route.name + in_brackets(place_of(route.where)) + " " + why);
  }
  if (more) told.push_back(std::to_string(more) + " more are not for it either");
  return told;
}

}  // namespace outrider::server
