#include "net/original_dst.h"

#include <unistd.h>

#include <algorithm>

namespace outrider::net {

namespace {

constexpr int kOriginalDst = 80;  // SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST; the kernel's headers for it do not go with libc's

// The kernel knows best, and says so to whoever asks for a port there.
bool is_of_this_machine(Address address) {
  if (address.is_loopback()) return true;
  const int fd = ::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  address.set_port(0);
  const bool ours = ::bind(fd, address.raw(), address.length()) == 0;
  ::close(fd);
  return ours;
}

}  // namespace

Destination destination_of(int fd) {
  Address local = Address::local_of(fd);
  if (local.is_unix()) return {std::move(local)};
  union {
    sockaddr any;
    sockaddr_in6 v6;
    sockaddr_storage room{};
  } at;
  socklen_t length = sizeof at;
  const int level = local.family() == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
  if (getsockopt(fd, level, kOriginalDst, &at, &length) != 0) return {std::move(local)};
  if (at.any.sa_family == AF_INET6) at.v6.sin6_flowinfo = 0;  // the connection's, and no part of an address
  length = at.any.sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);  // which the kernel leaves as it was
  Address meant(&at.any, length);
  const bool redirected = meant.valid() && !(meant == local);
  return {std::move(meant), redirected};
}

Destination destination_by_tproxy(int fd, const Address& listening) {
  Address local = Address::local_of(fd);
  const bool led_here = local.port() != listening.port() || !(listening.is_wildcard() || local == listening);
  return {std::move(local), led_here};
}

bool is_one_of(const Address& to, std::span<const Address> listening) {
  return std::any_of(listening.begin(), listening.end(), [&](const Address& one) {
    if (one.is_unix() || one.port() != to.port()) return false;
    const bool everywhere = one.is_wildcard() && (one.family() == AF_INET6 || to.family() == AF_INET);
    return one == to || (everywhere && is_of_this_machine(to));
  });
}

}  // namespace outrider::net
