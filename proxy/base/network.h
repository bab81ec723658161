#pragma once
// Addresses of IP and networks of them.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

struct sockaddr;

namespace outrider {

using IpBytes = std::array<uint8_t, 16>;                   // IPv4 as ::ffff:a.b.c.d
std::optional<IpBytes> ip_bytes(std::string_view ip);      // "10.0.0.1", "::1"
std::optional<IpBytes> ip_bytes(const sockaddr* address);  // nothing of a unix socket's

struct Network {
  IpBytes first{};
  uint8_t length = 128;  // of the prefix, in bits
  bool has(const IpBytes& ip) const;
  // "10.0.0.0/8", "fd00::/8", "::1". Bits behind the prefix ("10.0.0.1/8") are a mistake more often than not: it is none then,
  // and `stray` says why.
  static std::optional<Network> parse(std::string_view text, bool* stray = nullptr);
};

}  // namespace outrider
