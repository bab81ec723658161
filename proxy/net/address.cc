#include "net/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/hash.h"
#include "base/text.h"

namespace outrider::net {

namespace {

constexpr Error bad(const char* what) { return {Code::Config, Side::Local, Retry::No, 0, what}; }

}  // namespace

Address::Address(const sockaddr* address, socklen_t length) {
  if (address->sa_family == AF_UNIX) {
    auto path = std::make_shared<sockaddr_un>();
    length_ = std::min<socklen_t>(length, sizeof *path);
    std::memcpy(path.get(), address, length_);
    path_ = std::move(path);
    return;
  }
  length_ = std::min<socklen_t>(length, sizeof ip_);
  std::memcpy(&ip_.v6, address, length_);
  if (family() != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&ip_.v6.sin6_addr)) return;
  // What a dual-stack socket calls ::ffff:1.2.3.4 is 1.2.3.4 to everybody who compares or prints it.
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = ip_.v6.sin6_port;
  std::memcpy(&v4.sin_addr, ip_.v6.sin6_addr.s6_addr + 12, 4);
  ip_.v6 = {};
  ip_.v4 = v4;
  length_ = sizeof v4;
}

Result<Address> Address::parse(std::string_view text) {
  if (text.starts_with("unix:")) {
    text.remove_prefix(5);
    sockaddr_un path{};
    if (text.empty() || text.size() >= sizeof path.sun_path) return bad("unix path empty or too long");
    path.sun_family = AF_UNIX;
    std::memcpy(path.sun_path, text.data(), text.size());
    return Address(reinterpret_cast<sockaddr*>(&path), socklen_t(offsetof(sockaddr_un, sun_path) + text.size() + 1));
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad("no port");
  const auto port = parse_number(text.substr(colon + 1));
  if (!port || *port > 65535) return bad("bad port");
  std::string host(text.substr(0, colon));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(uint16_t(*port));
  if (host.empty()) return Address(reinterpret_cast<sockaddr*>(&v6), sizeof v6);  // any address of either family
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return bad("bad IPv6 address");
    return Address(reinterpret_cast<sockaddr*>(&v6), sizeof v6);
  }
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = v6.sin6_port;
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) return bad("not an IP address");
  return Address(reinterpret_cast<sockaddr*>(&v4), sizeof v4);
}

Address Address::loopback(uint16_t port) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return {reinterpret_cast<sockaddr*>(&v4), sizeof v4};
}

Address Address::local_of(int fd) {
  sockaddr_storage at{};
  socklen_t length = sizeof at;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&at), &length) != 0) return {};
  return {reinterpret_cast<sockaddr*>(&at), length};
}

bool Address::is_loopback() const {
  if (family() == AF_INET) return (ntohl(ip_.v4.sin_addr.s_addr) >> 24) == 127;
  if (family() == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&ip_.v6.sin6_addr);
  return is_unix();
}

bool Address::is_wildcard() const {
  if (family() == AF_INET) return ip_.v4.sin_addr.s_addr == INADDR_ANY;
  if (family() == AF_INET6) return IN6_IS_ADDR_UNSPECIFIED(&ip_.v6.sin6_addr);
  return false;
}

uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(ip_.v4.sin_port);
  if (family() == AF_INET6) return ntohs(ip_.v6.sin6_port);
  return 0;
}

void Address::set_port(uint16_t port) {
  if (family() == AF_INET) ip_.v4.sin_port = htons(port);
  if (family() == AF_INET6) ip_.v6.sin6_port = htons(port);
}

uint64_t Address::ip_key() const {
  if (family() == AF_INET) return ip_.v4.sin_addr.s_addr;
  if (family() != AF_INET6) return 0;
  uint64_t halves[2];
  std::memcpy(halves, &ip_.v6.sin6_addr, sizeof halves);
  return mix(mix(halves[0]) + halves[1]);
}

std::string Address::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) inet_ntop(AF_INET, &ip_.v4.sin_addr, text, sizeof text);
  if (family() == AF_INET6) inet_ntop(AF_INET6, &ip_.v6.sin6_addr, text, sizeof text);
  if (is_unix() && length_ > offsetof(sockaddr_un, sun_path)) return path_->sun_path;
  return text;
}

size_t Address::write_ip(char* to) const {
  char* at = to;
  const auto number = [&](uint32_t n) { at = std::to_chars(at, at + 10, n).ptr; };
  const auto word = [&](std::string_view text) { at = std::copy(text.begin(), text.end(), at); };
  if (family() == AF_INET) {
    const uint32_t ip = ntohl(ip_.v4.sin_addr.s_addr);
    for (int shift = 24; shift >= 0; shift -= 8) {
      number(ip >> shift & 255);
      *at++ = shift ? '.' : ':';
    }
    number(port());
  } else if (family() == AF_INET6) {
    *at++ = '[';
    inet_ntop(AF_INET6, &ip_.v6.sin6_addr, at, INET6_ADDRSTRLEN);
    at += std::strlen(at);
    word("]:");
    number(port());
  }
  return size_t(at - to);
}

std::string Address::text() const {
  if (is_unix()) return "unix:" + ip();
  char text[kMaxIpText];
  return valid() ? std::string(text, write_ip(text)) : "-";
}

bool Address::operator==(const Address& other) const {
  return length_ == other.length_ && std::memcmp(raw(), other.raw(), length_) == 0;
}

Address Address::towards(const Address& peer) {
  Address from;
  const int fd = ::socket(peer.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return from;
  if (::connect(fd, peer.raw(), peer.length()) == 0) from = local_of(fd);  // sends nothing
  ::close(fd);
  return from;
}

std::string Address::first_reachable() {
  ifaddrs* all = nullptr;
  std::string found;
  if (::getifaddrs(&all) != 0) return "127.0.0.1";
  for (const int family : {AF_INET, AF_INET6})  // IPv4 first: link-local IPv6 is of no use to others
    for (const ifaddrs* each = all; each && found.empty(); each = each->ifa_next) {
      if (!each->ifa_addr || each->ifa_addr->sa_family != family || !(each->ifa_flags & IFF_UP) ||
          (each->ifa_flags & IFF_LOOPBACK))
        continue;
      const bool link_local =
          family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<sockaddr_in6*>(each->ifa_addr)->sin6_addr);
      if (!link_local) found = Address(each->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)).ip();
    }
  ::freeifaddrs(all);
  return found.empty() ? "127.0.0.1" : found;
}

}  // namespace outrider::net
