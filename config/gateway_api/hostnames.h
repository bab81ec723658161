#pragma once
// Hosts of listeners and routes: exact, or "*." and a domain, which is for every host below it.

#include <compare>
#include <optional>
#include <string>
#include <vector>

namespace outrider::config::gateway_api {

// What a route is asked for at a listener: none: nothing in common; empty: any host.
std::optional<std::vector<std::string>> intersection(const std::string& listener, const std::vector<std::string>& route);

// An exact host is more than a wildcard, and of those the longer one.
struct HostRank {
  int kind = 2;    // 0: exact, 1: a wildcard, 2: any host
  int longer = 0;  // characters, negative
  auto operator<=>(const HostRank&) const = default;
};

struct HostGroup {  // that are worth the same
  HostRank rank;
  std::vector<std::string> names;
};
std::vector<HostGroup> groups_of(const std::vector<std::string>& hosts);  // none of them: one group, of any host

}  // namespace outrider::config::gateway_api
