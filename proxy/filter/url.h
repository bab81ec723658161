#pragma once
// Where something is to be fetched from.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace outrider::filter {

struct Url {
  bool https = false;
  std::string host;  // IPv6 without its brackets
  uint16_t port = 0;
  std::string path = "/";  // with its query
  std::string authority;   // as it was written: for Host
};

// http:// and https:// with a host; nothing where it is another, or has a user or a fragment in it.
std::optional<Url> parse_url(std::string_view text);

}  // namespace outrider::filter
