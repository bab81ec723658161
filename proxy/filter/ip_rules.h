#pragma once
// Who may come, by address.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;

namespace outrider::filter {

using IpBytes = std::array<uint8_t, 16>;                   // IPv4 as ::ffff:a.b.c.d
std::optional<IpBytes> ip_bytes(std::string_view ip);      // "10.0.0.1", "::1"
std::optional<IpBytes> ip_bytes(const sockaddr* address);  // nothing of a unix socket's

// Constant, compiled from one configuration; shared by all workers.
class IpRules {
 public:
  struct Verdict {
    bool allowed = true;
    const char* rule = "ip.default";  // whose word it is; lives as long as the rules
  };
  bool allow(std::string_view network);  // "10.0.0.0/8", "::1"; false: it is none, or has bits behind its prefix
  bool deny(std::string_view network);
  bool empty() const { return allow_.empty() && deny_.empty(); }
  // Deny wins; where something is allowed, everything else is denied. Nothing: a peer without an address.
  Verdict judge(const std::optional<IpBytes>& ip) const;

 private:
  struct Rule {
    std::string name;  // "ip.deny[0]"
    IpBytes network;
    uint8_t length;  // of the prefix, in bits
  };
  static bool add(std::vector<Rule>& rules, const char* kind, std::string_view network);
  static const Rule* find(const std::vector<Rule>& rules, const IpBytes& ip);
  std::vector<Rule> allow_, deny_;
};

}  // namespace outrider::filter
