#pragma once
// What is not for everybody who looks on: credentials in fields, in queries and in URLs.

#include <string>
#include <string_view>

#include "http/header_map.h"

namespace outrider::http {

inline constexpr std::string_view kHidden = "[hidden]";

// By its name (authorization, cookie, set-cookie, x-api-key, x-auth-token ...), by what its sender said of it (never to be
// indexed, RFC 7541 7.1.3), or by a value that looks like a token.
bool is_secret(const Field& field);

// "/a?x=1&token=abc" is "/a?x=1&token=[hidden]"; likewise behind '#', and a user and password before a host. Any text with a
// URL in it; others are left as they are.
std::string without_secrets(std::string_view url);

}  // namespace outrider::http
