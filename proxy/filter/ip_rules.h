#pragma once
// Who may come, by address.

#include <string>
#include <string_view>
#include <vector>

#include "base/network.h"

namespace outrider::filter {

// Constant, compiled from one configuration; shared by all workers.
class IpRules {
 public:
  struct Verdict {
    bool allowed = true;
    const char* rule = "ip.default";  // whose word it is; lives as long as the rules
  };
  bool allow(std::string_view network) { return add(allow_, "allow", network); }  // false: it is none (Network::parse)
  bool deny(std::string_view network) { return add(deny_, "deny", network); }
  bool empty() const { return allow_.empty() && deny_.empty(); }
  // Deny wins; where something is allowed, everything else is denied. Nothing: a peer without an address.
  Verdict judge(const std::optional<IpBytes>& ip) const;

 private:
  struct Rule {
    std::string name;  // "ip.deny[0]"
    Network network;
  };
  static bool add(std::vector<Rule>& rules, const char* kind, std::string_view network);
  static const Rule* find(const std::vector<Rule>& rules, const IpBytes& ip);
  std::vector<Rule> allow_, deny_;
};

}  // namespace outrider::filter
