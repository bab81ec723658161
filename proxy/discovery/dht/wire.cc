#include "discovery/dht/wire.h"

#include <netinet/in.h>

#include <cstring>

namespace outrider::discovery {

std::string number(uint64_t value, size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = char(value >> (8 * (size - 1 - i)));
  return out;
}

uint64_t number(std::string_view bytes) {
  uint64_t value = 0;
  for (char c : bytes) value = value << 8 | uint8_t(c);
  return value;
}

std::string_view cut(std::string_view& from, size_t size) {
  const std::string_view part = from.substr(0, size);
  from.remove_prefix(part.size());
  return part;
}

std::string address_bytes(const net::Address& address) {
  std::string out;
  if (address.family() == AF_INET) {
    const auto& v4 = *reinterpret_cast<const sockaddr_in*>(address.raw());
    out.assign(reinterpret_cast<const char*>(&v4.sin_addr), 4);
  } else {
    const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(address.raw());
    out.assign(reinterpret_cast<const char*>(&v6.sin6_addr), 16);
  }
  return out + number(address.port(), 2);
}

std::optional<net::Address> read_address(std::string_view bytes) {
  if (bytes.size() != 6 && bytes.size() != 18) return {};
  const uint16_t port = htons(uint16_t(number(bytes.substr(bytes.size() - 2))));
  if (bytes.size() == 6) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = port;
    std::memcpy(&v4.sin_addr, bytes.data(), 4);
    return net::Address(reinterpret_cast<sockaddr*>(&v4), sizeof v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = port;
  std::memcpy(&v6.sin6_addr, bytes.data(), 16);
  const net::Address address(reinterpret_cast<sockaddr*>(&v6), sizeof v6);
  if (address.family() != AF_INET6) return {};
  return address;
}

}  // namespace outrider::discovery
