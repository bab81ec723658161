#include "base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/text.h"

namespace outrider {

namespace {

constexpr uint8_t kV4Prefix = 96;

IpBytes mapped(const in_addr& v4) {
  IpBytes bytes{};
  bytes[10] = bytes[11] = 0xff;
  std::memcpy(bytes.data() + 12, &v4, sizeof v4);
  return bytes;
}

IpBytes bytes_of(const in6_addr& v6) {
  IpBytes bytes;
  std::memcpy(bytes.data(), &v6, sizeof v6);
  return bytes;
}

bool bit(const IpBytes& ip, size_t at) { return ip[at / 8] >> (7 - at % 8) & 1; }

}  // namespace

std::optional<IpBytes> ip_bytes(std::string_view ip) {
  const std::string text(ip);
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return mapped(v4);
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return bytes_of(v6);
  return std::nullopt;
}

std::optional<IpBytes> ip_bytes(const sockaddr* address) {
  if (address->sa_family == AF_INET) return mapped(reinterpret_cast<const sockaddr_in*>(address)->sin_addr);
  if (address->sa_family == AF_INET6) return bytes_of(reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  return std::nullopt;
}

bool Network::has(const IpBytes& ip) const {
  const size_t whole = length / 8;
  if (!std::equal(ip.begin(), ip.begin() + whole, first.begin())) return false;
  for (size_t at = whole * 8; at < length; ++at)
    if (bit(ip, at) != bit(first, at)) return false;
  return true;
}

std::optional<Network> Network::parse(std::string_view text, bool* stray) {
  const size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  const auto ip = ip_bytes(address);
  if (!ip) return std::nullopt;
  const uint8_t before = address.find(':') == address.npos ? kV4Prefix : 0;
  uint64_t length = 128u - before;
  if (slash != text.npos) {
    const auto given = parse_number(text.substr(slash + 1));
    if (!given || *given > length) return std::nullopt;
    length = *given;
  }
  length += before;
  for (size_t at = length; at < 128; ++at)
    if (bit(*ip, at)) {
      if (stray) *stray = true;
      return std::nullopt;
    }
  return Network{*ip, uint8_t(length)};
}

}  // namespace outrider
