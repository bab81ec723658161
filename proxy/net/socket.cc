#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace outrider::net {

Error socket_error(int os_error, Side side) {
  switch (os_error) {
    case ECONNREFUSED: return {Code::Refused, side, Retry::Yes, os_error, "connection_refused"};
    case ENOENT: return {Code::Refused, side, Retry::Yes, os_error, "no_such_socket"};
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL: return {Code::Unreachable, side, Retry::Yes, os_error, "unreachable"};
    case ETIMEDOUT: return {Code::Timeout, side, Retry::No, os_error, "connection_timed_out"};
    case ECONNRESET:
    case EPIPE: return {Code::Closed, side, Retry::IfReused, os_error, "connection_reset"};
    case EMFILE:
    case ENFILE: return {Code::Overload, Side::Local, Retry::No, os_error, "out_of_descriptors"};
    default: return {Code::Closed, side, Retry::No, os_error, "socket_error"};
  }
}

Error connect_error(int os_error) {
  if (os_error == EAGAIN) return {Code::Refused, Side::Upstream, Retry::Yes, os_error, "backlog_full"};  // unix sockets
  Error why = socket_error(os_error, Side::Upstream);
  if (why.side == Side::Upstream) why.retry = Retry::Yes;
  return why;
}

int pending_error(int fd) {
  int os_error = 0;
  socklen_t length = sizeof os_error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &os_error, &length) == 0 ? os_error : errno;
}

void keep_alive(int fd, milliseconds idle) {
  const int on = 1, seconds_idle = std::max(1, int(idle.count() / 1000)), between = 10, probes = 3;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds_idle, sizeof seconds_idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

void spare_congestion_control(int fd) {
  static constexpr std::string_view kReno = "reno";
  setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, kReno.data(), kReno.size());
}

}  // namespace outrider::net
