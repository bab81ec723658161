#include "net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "net/poll.h"
#include "net/socket.h"

namespace outrider::net {

namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsATurn = 64;
constexpr milliseconds kStarved{64}, kSilent{60'000};

// A socket file nobody answers at is left over from a process that died.
void remove_stale(const Address& at) {
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  struct stat file {};
  const std::string path = at.ip();
  if (::connect(probe, at.raw(), at.length()) != 0 && errno == ECONNREFUSED && ::stat(path.c_str(), &file) == 0 &&
      S_ISSOCK(file.st_mode))
    ::unlink(path.c_str());
  ::close(probe);
}

// [::] takes IPv4 too; an explicit IPv6 address takes only its own family.
void set_family(int fd, const Address& at) {
  const int only = at.is_wildcard() ? 0 : 1;
  if (at.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
}

// Because SO_REUSEPORT lets in whoever set it too, a socket without it asks first: it conflicts with every listener.
int in_use(const Address& at) {
  if (at.port() == 0) return 0;
  const int probe = ::socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return 0;
  const int on = 1;
  setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // connections in TIME_WAIT are no owner
  set_family(probe, at);
  const int os_error = ::bind(probe, at.raw(), at.length()) == 0 ? 0 : errno;
  ::close(probe);
  return os_error;
}

Error cannot_listen(int os_error) { return {Code::Config, Side::Local, Retry::No, os_error, "cannot_listen"}; }

}  // namespace

Result<int> open_listener(const Address& at, Port port) {
  if (!at.is_unix() && port == Port::Alone)
    if (const int os_error = in_use(at); os_error != 0) return cannot_listen(os_error);
  const int fd = ::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 && errno == EAFNOSUPPORT && at.family() == AF_INET6 && at.is_wildcard())
    return open_listener(*Address::parse("0.0.0.0:" + std::to_string(at.port())), port);  // a kernel without IPv6
  if (fd < 0) return socket_error(errno, Side::Local);
  if (at.is_unix()) {
    remove_stale(at);
  } else {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    set_family(fd, at);
    // What is accepted inherits all of it: a client that vanished is noticed although nothing is sent.
    keep_alive(fd, kSilent);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (at.is_loopback()) spare_congestion_control(fd);
  }
  if (::bind(fd, at.raw(), at.length()) != 0 || ::listen(fd, kBacklog) != 0) {
    const int os_error = errno;
    ::close(fd);
    return cannot_listen(os_error);
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
  starved_.cancel();
  if (poll_) std::exchange(poll_, nullptr)->release(Descriptor::Kept);
}

void Listener::resume() {
  starved_.cancel();
  if (poll_ || fd_ < 0) return;
  poll_ = PollHandle<Listener>::make(loop_, fd_, EPOLLIN, this,
                                     [](Listener& self, int, uint32_t) { self.loop_.newcomers().wait(self); });
  if (!poll_) loop_.arm(starved_, kStarved);
}

void Listener::on_turn() {
  if (!poll_) return;
  const auto* const poll = poll_;  // lives for a turn more, whatever an event does to us
  for (int i = 0; i < kAcceptsATurn && poll->owner == this && accept_one() && !loop_.newcomers().out_of_time(); ++i) {}
}

// False: nobody is waiting, or nobody can be let in.
bool Listener::accept_one() {
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  const int fd = ::accept4(fd_, reinterpret_cast<sockaddr*>(&from), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EINTR || errno == ECONNABORTED) return true;
    // No descriptors or no memory: the queue waits, and being told of it again and again helps nobody.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      pause();
      loop_.arm(starved_, kStarved);
    }
    return false;  // EAGAIN: done
  }
  owner_.on_accept(fd, Address(reinterpret_cast<sockaddr*>(&from), length));
  return true;
}

void Listener::close() {
  for (int i = 0; i < kBacklog && fd_ >= 0 && accept_one(); ++i) {}
  leave();
}

void Listener::leave() {
  pause();
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace outrider::net
