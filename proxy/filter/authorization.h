#pragma once
// Who may ask for what, by the identity that mutual TLS has established.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::filter {

// "namespace/account" of a SPIFFE ID of the trust domain `home`; of others the whole, as it is.
std::string short_name(std::string_view identity, std::string_view home);

// Whether one of the patterns (identity/workload_id.h) is of that identity; none is of nobody.
bool is_any_of(const std::vector<std::string>& patterns, std::string_view identity, std::string_view home);

// Constant, compiled from one configuration; shared by all workers.
struct Authorization {
  struct Rule {
    std::string name;                            // "deny[0]"
    std::vector<std::string> from;               // patterns of identities (identity/workload_id.h)
    std::vector<std::string> methods, prefixes;  // empty: any; a TCP connection has neither
    uint16_t port = 0;                           // of the service that it is about; 0: any
  };
  struct Verdict {
    bool allowed = true;
    std::string_view rule = "default";  // whose word it is
  };
  // Deny wins; where something is allowed, everything else is denied. `path` without its query; both empty: TCP. Whoever has
  // no identity is denied where identities are asked for. `asked` is the port; 0: our own.
  Verdict judge(std::string_view identity, std::string_view method, std::string_view path, uint16_t asked = 0) const;

  bool enforced = true;     // else what it would deny is let through, and counted
  bool allow_list = false;  // something is allowed, be it at another port
  uint16_t port = 0;        // our own
  std::string home;         // the trust domain that short patterns speak of
  std::vector<Rule> allow, deny;
};

}  // namespace outrider::filter
