#pragma once
// Plain descriptors for the far side of what is tested.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "net/address.h"
#include "net/loop.h"

namespace outrider::test {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { close(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void close_with_reset() {
    const linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  void shut_write() { ::shutdown(fd_, SHUT_WR); }
  std::string congestion_control() const {
    char name[16] = {};
    socklen_t length = sizeof name;
    getsockopt(fd_, IPPROTO_TCP, TCP_CONGESTION, name, &length);
    return name;
  }

  // What can be read without waiting. `end`: FIN was seen; `error`: or an errno.
  struct Got {
    std::string bytes;
    bool end = false;
    int error = 0;
  };
  Got read_some(size_t at_most = size_t(1) << 30) {
    Got got;
    char part[65536];
    while (got.bytes.size() < at_most) {
      const ssize_t n = ::recv(fd_, part, std::min(sizeof part, at_most - got.bytes.size()), MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno != EAGAIN) got.error = errno;
      if (n == 0) got.end = true;
      if (n <= 0) break;
      got.bytes.append(part, size_t(n));
    }
    return got;
  }
  // As much as goes without waiting.
  size_t write_some(std::string_view bytes) {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      done += size_t(n);
    }
    return done;
  }

 private:
  int fd_ = -1;
};

// Two ends of one connection: a unix pair, or TCP over loopback (which knows RST). Both non-blocking.
inline std::pair<Fd, Fd> unix_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
  return {Fd(fds[0]), Fd(fds[1])};
}

// A listening TCP socket of no loop's.
inline Fd tcp_listener(int backlog = 16) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto at = net::Address::loopback(0);
  if (::bind(fd.get(), at.raw(), at.length()) != 0 || ::listen(fd.get(), backlog) != 0) std::abort();
  return fd;
}

// A port below 1024 of 127.0.0.1 that neither TCP nor UDP has taken; for root. Invalid: there is none.
inline net::Address free_low_port() {
  for (int i = 0; i < 512; ++i) {  // from a place of each process's own: tests run side by side
    net::Address at = net::Address::loopback(uint16_t(512 + (::getpid() * 37 + i) % 512));
    const Fd stream(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), datagram(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::bind(stream.get(), at.raw(), at.length()) == 0 && ::bind(datagram.get(), at.raw(), at.length()) == 0) return at;
  }
  return {};
}

inline Fd connected_to(const net::Address& to) {
  Fd fd(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), to.raw(), to.length()) != 0) return Fd();
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  return fd;
}

inline std::pair<Fd, Fd> tcp_pair() {
  Fd listener = tcp_listener();
  Fd a = connected_to(net::Address::local_of(listener.get()));
  Fd b(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!a || !b) std::abort();
  return {std::move(a), std::move(b)};
}

// A directory of its own for unix sockets, removed with what is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char text[] = "/tmp/outrider-test-XXXXXX";
    if (!::mkdtemp(text)) std::abort();
    path_ = text;
  }
  ~TemporaryDirectory() {
    for (const auto* name : {"a", "b", "c"}) ::unlink(file(name).c_str());
    ::rmdir(path_.c_str());
  }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

}  // namespace outrider::test
