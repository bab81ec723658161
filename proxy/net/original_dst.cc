#include "net/original_dst.h"

namespace outrider::net {

namespace {
constexpr int kOriginalDst = 80;  // SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST; the kernel's headers for it do not go with libc's
}  // namespace

Address destination_of(int fd) {
  const Address local = Address::local_of(fd);
  if (local.is_unix()) return local;
  sockaddr_storage at{};
  socklen_t length = sizeof at;
  const int level = local.family() == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
  if (getsockopt(fd, level, kOriginalDst, &at, &length) != 0) return local;
  return {reinterpret_cast<sockaddr*>(&at), length};
}

}  // namespace outrider::net
