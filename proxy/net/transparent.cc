#include "net/transparent.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "net/capabilities.h"

namespace outrider::net {

namespace {

constexpr int kTransparentV6 = 75;                      // IPV6_TRANSPARENT
constexpr uint16_t kFirstPort = 10000, kPorts = 22768;  // below what Linux and others give to clients
constexpr int kTries = 16;

}  // namespace

uint64_t transparency() {
  const uint64_t permitted = Capabilities::now().permitted;
  for (const int capability : {CAP_NET_RAW, CAP_NET_ADMIN})
    if (const uint64_t one = Capabilities::only(capability); permitted & one) return one;
  return 0;
}

bool take_up_transparency() {
  const uint64_t one = transparency();
  Capabilities own = Capabilities::now();
  if (one == 0 || (own.effective & one)) return one != 0;
  own.effective |= one;
  return own.apply();
}

bool let_through(int fd) {
  const int on = 1;
  const Address at = Address::local_of(fd);
  if (at.family() == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, kTransparentV6, &on, sizeof on) != 0) return false;
  return setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on) == 0;  // of IPv6 sockets, too: they may take IPv4
}

int bind_as(int fd, const Address& client) {
  const int on = 1;
  const bool v6 = client.family() == AF_INET6;
  if (setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? kTransparentV6 : IP_TRANSPARENT, &on, sizeof on) != 0) return errno;
  Address from = client;
  for (int left = kTries; left > 0; --left) {
    uint16_t lot = 0;
    if (::getrandom(&lot, sizeof lot, GRND_NONBLOCK) < 0) lot = uint16_t(left * 4099);
    from.set_port(uint16_t(kFirstPort + lot % kPorts));
    if (::bind(fd, from.raw(), from.length()) == 0) return 0;
    if (errno != EADDRINUSE) return errno;
  }
  return EADDRINUSE;
}

}  // namespace outrider::net
