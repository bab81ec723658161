#include "server/app_watch.h"

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
  refused_ = false;
  const auto at = net::Address::parse(address);
  if (!at) return;
  fd_ = ::socket(at->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  refused_ = ::connect(fd_, at->raw(), at->length()) != 0 && (errno == ECONNREFUSED || errno == ENOENT);
}

bool AppWatch::gone() {
  if (fd_ < 0) return false;
  return refused_ || net::pending_error(fd_) == ECONNREFUSED;
}

}  // namespace outrider::server
