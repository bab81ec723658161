#include "net/messenger.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/poll.h"

namespace outrider::net {

namespace {

constexpr milliseconds kAgain{8};
constexpr int kMessagesATurn = 64;
constexpr int kBuffer = 1 << 20;  // some thousands of messages; the kernel gives what it may

}  // namespace

std::pair<int, int> messenger_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return {-1, -1};
  for (const int end : ends) setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kBuffer, sizeof kBuffer);
  return {ends[0], ends[1]};
}

bool send_message(int socket, std::string_view bytes, int fd) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof fd)]{};
  if (fd >= 0) {
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    cmsghdr* const with = CMSG_FIRSTHDR(&message);
    with->cmsg_level = SOL_SOCKET;
    with->cmsg_type = SCM_RIGHTS;
    with->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(with), &fd, sizeof fd);
  }
  ssize_t n;
  do n = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n >= 0;
}

// Of an empty message and of the end the kernel says the same; nobody sends empty ones. An end that has not read all we sent it
// resets the connection, which the kernel says once, and before what that end said itself.
Received receive_message(int socket) {
  char bytes[kMostMessage];
  iovec part{bytes, sizeof bytes};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int) * 4)];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  ssize_t n;
  do n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && (errno == EINTR || errno == ECONNRESET));
  if (n < 0 && errno == EAGAIN) return {};
  Received received;
  received.what = n > 0 ? Received::What::Message : Received::What::End;
  if (n > 0) received.bytes.assign(bytes, size_t(n));
  for (cmsghdr* with = n > 0 ? CMSG_FIRSTHDR(&message) : nullptr; with; with = CMSG_NXTHDR(&message, with)) {
    if (with->cmsg_level != SOL_SOCKET || with->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= with->cmsg_len; at += sizeof(int)) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(with) + at, sizeof fd);
      if (received.fd < 0) received.fd = fd;
      else ::close(fd);  // one is all that is asked for
    }
  }
  return received;
}

Received await_message(int socket, milliseconds limit) {
  const TimePoint until = Loop::clock() + limit;
  for (;;) {
    auto received = receive_message(socket);
    if (received.what != Received::What::Nothing) return received;
    const auto left = std::chrono::ceil<milliseconds>(until - Loop::clock());
    if (left.count() <= 0) return {};
    pollfd one{socket, POLLIN, 0};
    (void)::poll(&one, 1, int(left.count()));
  }
}

Messenger::Messenger(Loop& loop, MessengerEvents& owner, int socket) : loop_(loop), owner_(owner), socket_(socket) {
  poll_ = PollHandle<Messenger>::make(loop_, socket_, EPOLLIN, this,
                                      [](Messenger& self, int, uint32_t events) { self.on_events(events); });
}

Messenger::~Messenger() {
  again_.cancel();
  if (poll_) std::exchange(poll_, nullptr)->release(Descriptor::Closed);
  ::close(socket_);
  for (const auto& one : waiting_)
    if (one.fd >= 0) ::close(one.fd);
}

void Messenger::send(std::string bytes, int fd) {
  waiting_.push_back({std::move(bytes), fd});
  if (waiting_.size() == 1) flush();
}

// What the other end refuses it has hung up on, of which there is an event.
void Messenger::flush() {
  while (!waiting_.empty()) {
    const Waiting& first = waiting_.front();
    if (!send_message(socket_, first.bytes, first.fd)) {
      if (errno == EAGAIN && poll_) return poll_->want(EPOLLIN | EPOLLOUT);
      if (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM || errno == EAGAIN) return loop_.arm(again_, kAgain);
    }
    if (first.fd >= 0) ::close(first.fd);
    waiting_.pop_front();
  }
  if (poll_) poll_->want(EPOLLIN);
}

void Messenger::on_events(uint32_t events) {
  const auto* const poll = poll_;  // lives for a turn more, whatever an event does to us
  if (events & EPOLLOUT) flush();
  if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP))) return;
  for (int i = 0; i < kMessagesATurn && poll->owner == this; ++i) {
    const auto received = receive_message(socket_);
    if (received.what == Received::What::Nothing) return;
    if (received.what == Received::What::Message) {
      owner_.on_message(received.bytes, received.fd);
      continue;
    }
    std::exchange(poll_, nullptr)->release(Descriptor::Kept);
    return owner_.on_hung_up();
  }
}

}  // namespace outrider::net
