#include "net/datagram.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "net/capabilities.h"
#include "net/poll.h"
#include "net/socket.h"

namespace outrider::net {

namespace {
constexpr int kDatagramsATurn = 64;
constexpr int kReceiveBuffer = 1 << 20;  // a joiner is sent a megabyte at once (REGISTRY: listen complete)
}  // namespace

Datagram::Datagram(Loop& loop, DatagramEvents& owner) : loop_(loop), owner_(owner) {}

Datagram::~Datagram() {
  if (poll_) std::exchange(poll_, nullptr)->release(Descriptor::Closed);
  if (fd_ >= 0) ::close(fd_);
}

Result<Done> Datagram::bind(const Address& at) {
  fd_ = ::socket(at.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return socket_error(errno, Side::Local);
  const int off = 0;
  if (at.family() == AF_INET6 && at.is_wildcard()) setsockopt(fd_, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  if (const int os_error = bind_at(fd_, at); os_error != 0) {
    ::close(std::exchange(fd_, -1));
    return Error{Code::Config, Side::Local, Retry::No, os_error, "cannot_bind"};
  }
  resume();
  if (!poll_) return Error{Code::Internal, Side::Local, Retry::No, 0, "cannot_watch"};
  return Done{};
}

Result<Done> Datagram::adopt(int fd) {
  fd_ = fd;
  resume();
  if (!poll_) return Error{Code::Internal, Side::Local, Retry::No, 0, "cannot_watch"};
  return Done{};
}

int Datagram::share() const { return ::fcntl(fd_, F_DUPFD_CLOEXEC, 0); }

void Datagram::pause() {
  if (poll_) std::exchange(poll_, nullptr)->release(Descriptor::Kept);
}

void Datagram::resume() {
  if (!poll_)
    poll_ = PollHandle<Datagram>::make(loop_, fd_, EPOLLIN, this, [](Datagram& self, int, uint32_t) { self.on_events(); });
}

void Datagram::on_events() {
  std::array<char, 65536> scratch;
  const auto* const poll = poll_;  // lives for a turn more, whatever an event does to us
  for (int i = 0; i < kDatagramsATurn && poll->owner == this; ++i) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t n = ::recvfrom(fd_, scratch.data(), scratch.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      if (errno == EAGAIN) return;
      owner_.on_unreachable();  // ECONNREFUSED and the like: an ICMP answer to something sent earlier
      continue;
    }
    owner_.on_datagram({scratch.data(), size_t(n)}, Address(reinterpret_cast<sockaddr*>(&from), length));
  }
}

int Datagram::send(std::string_view bytes, const Address& to) {
  const ssize_t n = ::sendto(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL, to.raw(), to.length());
  return n < 0 ? errno : 0;
}

Address Datagram::local() const { return Address::local_of(fd_); }

}  // namespace outrider::net
