#include "server/app_watch.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "net/address.h"
#include "net/socket.h"

namespace outrider::server {

AppWatch::~AppWatch() {
  if (fd_ >= 0) ::close(fd_);
}

void AppWatch::look(const std::string& address) {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  refused_ = connected_ = false;
  const auto at = net::Address::parse(address);
  if (!at) return;
  fd_ = ::socket(at->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  connected_ = ::connect(fd_, at->raw(), at->length()) == 0;
  refused_ = !connected_ && (errno == ECONNREFUSED || errno == ENOENT);
}

bool AppWatch::gone() const { return fd_ >= 0 && (refused_ || (!connected_ && net::pending_error(fd_) == ECONNREFUSED)); }

bool AppWatch::there() const {
  if (fd_ < 0 || refused_) return false;
  pollfd decided{fd_, POLLOUT, 0};
  return connected_ || (::poll(&decided, 1, 0) == 1 && !(decided.revents & (POLLERR | POLLHUP)));
}

}  // namespace outrider::server
