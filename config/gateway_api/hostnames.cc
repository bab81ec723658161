#include "config/gateway_api/hostnames.h"

#include <algorithm>
#include <map>

namespace outrider::config::gateway_api {

namespace {

bool is_wildcard(const std::string& host) { return host.starts_with("*."); }

bool is_below(const std::string& host, const std::string& wildcard) {
  const std::string domain = wildcard.substr(1);  // ".example.com"
  return host.size() > domain.size() && host.ends_with(domain);
}

}  // namespace

std::optional<std::vector<std::string>> intersection(const std::string& listener, const std::vector<std::string>& route) {
  if (listener.empty()) return route;
  if (route.empty()) return std::vector<std::string>{listener};
  std::vector<std::string> both;
  for (const std::string& host : route) {
    const bool within = host == listener || (is_wildcard(listener) && is_below(host, listener));
    const bool around = is_wildcard(host) && is_below(listener, host);
    const std::string& narrower = within ? host : listener;
    if ((within || around) && std::find(both.begin(), both.end(), narrower) == both.end()) both.push_back(narrower);
  }
  return both.empty() ? std::nullopt : std::optional(both);
}

std::vector<HostGroup> groups_of(const std::vector<std::string>& hosts) {
  if (hosts.empty()) return {HostGroup{}};
  std::map<HostRank, std::vector<std::string>> groups;
  for (const std::string& host : hosts)
    groups[is_wildcard(host) ? HostRank{1, -int(host.size())} : HostRank{0, 0}].push_back(host);
  std::vector<HostGroup> out;
  for (auto& [rank, names] : groups) out.push_back({rank, std::move(names)});
  return out;
}

}  // namespace outrider::config::gateway_api
