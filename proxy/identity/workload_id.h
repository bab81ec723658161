#pragma once
// The name a certificate carries, and who may speak for whom.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "identity/outcome.h"

namespace outrider::identity {

// spiffe://<trust domain>/ns/<namespace>/sa/<account>. Value type, immutable; parse() and of() are the only ways to one,
// so a WorkloadId is always well-formed (SPIFFE ID section 2: characters, no empty or dot segments, 2048 bytes).
class WorkloadId {
 public:
  static std::optional<WorkloadId> parse(std::string_view uri);
  static std::optional<WorkloadId> of(std::string_view trust_domain, std::string_view space, std::string_view account);
  const std::string& text() const { return text_; }
  std::string_view trust_domain() const { return std::string_view(text_).substr(9, domain_); }
  std::string_view space() const { return std::string_view(text_).substr(9 + domain_ + 4, space_); }  // namespace
  std::string_view account() const { return std::string_view(text_).substr(9 + domain_ + 4 + space_ + 4); }
  bool operator==(const WorkloadId& other) const { return text_ == other.text_; }

 private:
  WorkloadId() = default;
  std::string text_;
  size_t domain_ = 0, space_ = 0;
};

// Lower case letters, digits, '.', '-', '_'; 1 to 255 of them.
bool valid_trust_domain(std::string_view text);
// "namespace/name", each 1 to 63 of lower case letters, digits, '.', '-', '_'; neither "." nor "..".
bool valid_service(std::string_view text);

// A pattern of the configuration: "shop/web", "shop/*", "*", or a whole "spiffe://td/ns/shop/sa/web", which may end in
// "/*". The short forms speak of `home`, the own trust domain, only.
bool valid_pattern(std::string_view pattern);
bool matches(std::string_view pattern, const WorkloadId& id, std::string_view home);

// The default rule: any identity of the service's namespace. Says nothing about the trust domain.
bool may_speak_for(std::string_view service, const WorkloadId& id);

// registry.owners: services whose speakers are listed; the default rule holds for all others. Immutable once filled.
struct Owners {
  std::map<std::string, std::vector<std::string>, std::less<>> by_service;  // "shop/cart" -> patterns
  bool lists(std::string_view service) const { return by_service.find(service) != by_service.end(); }
  bool may_speak_for(std::string_view service, const WorkloadId& id, std::string_view home) const;
};

}  // namespace outrider::identity
