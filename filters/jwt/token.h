#pragma once
// A signed token (RFC 7519, in its compact form) and what it has to say to be believed.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "filters/jwt/key_set.h"

namespace outrider::filters {

// What a token must be. Constant, of one filter.
struct TokenRules {
  std::string issuer;                 // empty: whoever
  std::vector<std::string> audience;  // one of these; empty: whoever it is for
  std::vector<identity::Algorithm> algorithms;
  milliseconds skew{60'000};                                // by which clocks may differ
  std::vector<std::pair<std::string, std::string>> claims;  // header, claim
};

// What is known of a token once it has been looked at. Texts are copies.
struct TokenVerdict {
  const char* refused = nullptr;                            // why; a literal
  std::string payload;                                      // as it was sent: base64url
  std::vector<std::pair<std::string, std::string>> claims;  // header, value
};

TokenVerdict judge_token(std::string_view token, const KeySet& keys, const TokenRules& rules, WallTime now);

// "ES256", "RS256", "EdDSA"; nothing: not ours. A token that names "none" or a shared secret names nothing of ours.
std::optional<identity::Algorithm> token_algorithm(std::string_view name);

}  // namespace outrider::filters
