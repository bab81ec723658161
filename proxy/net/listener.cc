#include "net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "net/poll.h"
#include "net/transport.h"

namespace outrider::net {

namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsATurn = 64;

// A socket file nobody answers at is left over from a process that died.
void remove_stale(const Address& at) {
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  struct stat file{};
  const std::string path = at.ip();
  if (::connect(probe, at.raw(), at.length()) != 0 && errno == ECONNREFUSED && ::stat(path.c_str(), &file) == 0 &&
      S_ISSOCK(file.st_mode))
    ::unlink(path.c_str());
  ::close(probe);
}

}  // namespace

Result<int> open_listener(const Address& at) {
  const int fd = ::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return socket_error(errno, Side::Local);
  const int on = 1, off = 0;
  if (at.is_unix()) {
    remove_stale(at);
  } else {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    // [::] takes IPv4 too; an explicit IPv6 address takes only its own family.
    if (at.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, at.is_wildcard() ? &off : &on, sizeof on);
  }
  if (::bind(fd, at.raw(), at.length()) != 0 || ::listen(fd, kBacklog) != 0) {
    const int os_error = errno;
    ::close(fd);
    return Error{Code::Config, Side::Local, Retry::No, os_error, "cannot_listen"};
  }
  return fd;
}

Listener::Listener(Loop& loop, ListenerEvents& owner, int fd)
    : loop_(loop), owner_(owner), fd_(fd), local_(Address::local_of(fd)) {
  resume();
}

Listener::~Listener() {
  pause();
  if (fd_ >= 0) ::close(fd_);
}

void Listener::pause() {
  if (poll_) std::exchange(poll_, nullptr)->release();
}

void Listener::resume() {
  if (poll_) return;
  poll_ = PollHandle<Listener>::make(loop_.raw(), fd_, this);
  if (!poll_) return;
  uv_poll_start(&poll_->handle, UV_READABLE, [](uv_poll_t* handle, int, int) {
    if (Listener* self = PollHandle<Listener>::owner_of(handle)) self->on_events();
  });
}

void Listener::on_events() {
  const auto* const before = poll_;
  for (int i = 0; i < kAcceptsATurn && poll_ == before; ++i) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const int fd = ::accept4(fd_, reinterpret_cast<sockaddr*>(&from), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;   // EAGAIN: done. EMFILE: the queue waits until descriptors come back
    }
    const int on = 1;
    if (!local_.is_unix()) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    owner_.on_accept(fd, Address(reinterpret_cast<sockaddr*>(&from), length));
  }
}

}  // namespace outrider::net
