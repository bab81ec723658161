#include "net/capabilities.h"

#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace outrider::net {

Capabilities Capabilities::now() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct halves[2]{};
  if (::syscall(SYS_capget, &header, halves) != 0) return {};
  return {halves[0].effective | uint64_t(halves[1].effective) << 32, halves[0].permitted | uint64_t(halves[1].permitted) << 32};
}

bool Capabilities::apply() const {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct halves[2]{};
  for (int i = 0; i < 2; ++i) {
    halves[i].effective = uint32_t(effective >> (32 * i));
    halves[i].permitted = uint32_t(permitted >> (32 * i));
  }
  return ::syscall(SYS_capset, &header, halves) == 0;
}

int bind_at(int fd, const Address& at) {
  constexpr uint64_t kLowPorts = Capabilities::only(CAP_NET_BIND_SERVICE);
  Capabilities own = Capabilities::now();
  const bool laid_down = (own.permitted & ~own.effective & kLowPorts) != 0;
  if (laid_down) {
    own.effective |= kLowPorts;
    (void)own.apply();  // else bind() says so
  }
  const int os_error = ::bind(fd, at.raw(), at.length()) == 0 ? 0 : errno;
  if (laid_down) {
    own.effective &= ~kLowPorts;
    own.permitted &= ~kLowPorts;
    (void)own.apply();  // to give up is always granted
  }
  return os_error;
}

}  // namespace outrider::net
