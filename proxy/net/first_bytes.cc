#include "net/first_bytes.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/poll.h"

namespace outrider::net {

FirstBytes::FirstBytes(Loop& loop, FirstBytesEvents& owner, int fd) : loop_(loop), owner_(owner), fd_(fd) {}

FirstBytes::~FirstBytes() {
  if (poll_) poll_->release(Descriptor::Closed);
  if (fd_ >= 0) ::close(fd_);
}

void FirstBytes::look() { look(false); }

// Edge-triggered: what has come stays in the queue, and would be told of again and again.
bool FirstBytes::wait() {
  if (poll_) return true;
  constexpr uint32_t kEvents = EPOLLIN | EPOLLRDHUP | EPOLLET;
  poll_ = PollHandle<FirstBytes>::make(loop_, fd_, kEvents, this, [](FirstBytes& self, int, uint32_t events) {
    self.look((events & (EPOLLRDHUP | EPOLLERR)) != 0);
  });
  return poll_ != nullptr;
}

void FirstBytes::look(bool over) {
  char bytes[kMost];
  ssize_t n;
  do n = ::recv(fd_, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  const bool nothing_yet = n < 0 && errno == EAGAIN;
  owner_.on_first_bytes({bytes, size_t(std::max<ssize_t>(n, 0))}, over || (n <= 0 && !nothing_yet));
}

int FirstBytes::take(size_t n) {
  char dropped[kMost];
  for (ssize_t got = 1; n > 0 && got > 0; n -= size_t(std::max<ssize_t>(got, 0)))
    got = ::recv(fd_, dropped, std::min(n, sizeof dropped), MSG_DONTWAIT);
  if (poll_) std::exchange(poll_, nullptr)->release(Descriptor::Kept);
  return std::exchange(fd_, -1);
}

}  // namespace outrider::net
