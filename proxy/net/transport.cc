#include "net/transport.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/poll.h"
#include "net/socket.h"
#include "net/tls_engine.h"
#include "net/transparent.h"

namespace outrider::net {

namespace {

constexpr size_t kRecords = 64 * 1024;  // asked of the socket at once
constexpr size_t kUnsent = 64 * 1024;   // encrypted and waiting: above it nothing more is taken
constexpr uint32_t kAgain = 1 << 16;    // none of the kernel's events: wait_for_turn()
constexpr size_t kRecord = 16 * 1024, kSmallRun = 4 * 1024;

// recv(2) and send(2). glibc's own are cancellation points, which costs two locked instructions a call in a program with
// threads; nobody cancels a worker.
ssize_t receive(int fd, void* to, size_t n) { return ::syscall(SYS_recvfrom, fd, to, n, 0, nullptr, nullptr); }

Result<ReadResult> receive_some(int fd, std::span<char> into) {
  const ssize_t n = receive(fd, into.data(), into.size());
  if (n > 0) return ReadResult{size_t(n), false, size_t(n) == into.size()};
  if (n == 0) return ReadResult{0, true, false};
  if (errno == EAGAIN || errno == EINTR) return ReadResult{};
  return socket_error(errno, Side::Local);
}

Result<ReadResult> receive_records(int fd, Buffer& into) {
  const auto got = receive_some(fd, into.reserve(kRecords));
  into.commit(got ? got->bytes : 0);
  return got;
}

ssize_t send_some(int fd, const void* from, size_t n, int flags) {
  return ::syscall(SYS_sendto, fd, from, n, MSG_NOSIGNAL | flags, nullptr, 0);
}

}  // namespace

// What a transport with TLS has beyond others.
struct Transport::Secured {
  template <class How>  // a server's context, or a client's peer
  Secured(Transport& transport, const How& how) : engine(how, transport.loop_.blocks()), again(transport) {}
  TlsEngine engine;
  bool blocked = false;    // who writes waits for the end of the handshake
  bool finishing = false;  // FIN goes behind what is unsent
  bool more = false;       // the last read was full: there may be bytes of which no event will speak
  bool dry = false;        // the handshake's last read, just now, has left nothing with the kernel
  void read_on() {
    if (more && again.owner.reading_) again.owner.loop_.arm(again, milliseconds(0));
  }
  struct Again final : Timer {
    explicit Again(Transport& t) : owner(t) {}
    void on_timer() override {
      if (!owner.secured_->engine.established()) {
        if (owner.step_handshake()) owner.watch();
      } else if (owner.reading_) {
        owner.owner_.on_readable();
      }
    }
    Transport& owner;
  } again;
};

// A newcomer's events, until its turn.
struct Transport::Waiting final : Newcomer {
  explicit Waiting(Transport& t) : owner(t) {}
  void on_turn() override {
    const auto self = std::move(owner.waiting_);
    owner.serve(events);
  }
  Transport& owner;
  uint32_t events = 0;
};

Transport::Transport(Loop& loop, TransportEvents& owner) : loop_(loop), owner_(owner) {}

Transport::~Transport() { close(); }

void Transport::adopt(int fd, std::shared_ptr<const TlsContext> tls) {
  fd_ = fd;
  if (tls) secured_ = std::make_unique<Secured>(*this, tls);
  connected_ = newcomer_ = true;
  watch();
}

void Transport::secure(std::shared_ptr<const TlsContext> tls, Buffer&& received) {
  secured_ = std::make_unique<Secured>(*this, tls);
  secured_->engine.input.append(std::move(received));
  loop_.arm(secured_->again, milliseconds(0));
}

Result<Done> Transport::connect(const Address& to, const TlsPeer* tls, const Address* from) {
  fd_ = ::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return connect_error(errno);
  const int on = 1;
  if (!to.is_unix()) {
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (to.is_loopback()) spare_congestion_control(fd_);
  }
  int os_error = from ? bind_as(fd_, *from) : 0;
  if (os_error == 0 && ::connect(fd_, to.raw(), to.length()) != 0 && errno != EINPROGRESS) os_error = errno;
  if (os_error != 0) {
    const Error why = connect_error(os_error);
    ::close(std::exchange(fd_, -1));
    return why;
  }
  if (tls) secured_ = std::make_unique<Secured>(*this, *tls);
  want_write_ = true;  // writable: connected, or SO_ERROR says why not
  watch();
  return Done{};
}

void Transport::watch() {
  if (fd_ < 0) return;
  const bool read = reading_ && !ended_;
  // A peer that resets while reading is paused is heard of by EPOLLERR and EPOLLRDHUP only.
  const uint32_t want =
      (read ? EPOLLIN : 0u) | (want_write_ ? EPOLLOUT : 0u) | (read || ended_ || ended_unread_ ? 0u : EPOLLRDHUP);
  if (poll_) return poll_->want(want);
  poll_ = PollHandle<Transport>::make(loop_, fd_, want, this, [](Transport& self, int, uint32_t events) {
    self.newcomer_ ? self.wait(events) : self.serve(events);
  });
  if (!poll_) fail({Code::Internal, Side::Local, Retry::No, 0, "cannot_watch"});
}

void Transport::wait(uint32_t events) {
  if (!waiting_) waiting_ = std::make_unique<Waiting>(*this);
  waiting_->events |= events;
  loop_.newcomers().wait(*waiting_);
}

void Transport::wait_for_turn() { wait(kAgain); }

void Transport::serve(uint32_t events) {
  const auto* const poll = poll_;  // lives for a turn more, whatever an event does to us
  if (!connected_) {
    const int os_error = pending_error(fd_);
    if (os_error != 0 || events & EPOLLERR) return fail(connect_error(os_error ? os_error : ECONNABORTED));
    if (!(events & EPOLLOUT)) return;
    connected_ = true;
    want_write_ = false;
    if (secured_ && !step_handshake()) return;  // ours is the first word
    watch();
    return secured_ ? void() : owner_.on_ready();
  }
  const bool greeting = secured_ && !secured_->engine.established();
  // EPOLLERR: what came before the reset is still there, an early answer perhaps, or an alert.
  if (events & EPOLLERR) {
    if (greeting && !step_handshake()) return;
    if (!greeting && reading_ && !ended_) {
      owner_.on_readable();
      if (poll->owner != this) return;
    }
    const int os_error = pending_error(fd_);
    return fail(socket_error(os_error ? os_error : ECONNRESET, Side::Local));
  }
  if (greeting) {
    if (!step_handshake()) return;
    return watch();
  }
  if (events & EPOLLOUT && want_write_) {
    want_write_ = false;
    if (unsent() > 0) {
      if (const auto ok = flush(); !ok) return fail(ok.error());
      if (unsent() > 0) return;
    }
    owner_.on_writable();
    if (poll->owner != this) return;  // closed from inside
    watch();
  }
  if ((events & EPOLLIN && reading_ && !ended_) || events & kAgain) {
    owner_.on_readable();
    if (poll->owner != this) return;
  }
  // Only a FIN, and reading is paused: it is found again when reading goes on. Not to be told of it until then.
  if (events & EPOLLRDHUP && !reading_) ended_unread_ = true, watch();
}

Result<ReadResult> Transport::read(Buffer& into, size_t at_most) {
  auto room = into.reserve(at_most);
  if (room.size() > at_most) room = room.first(at_most);
  const auto got = read(room);
  into.commit(got ? got->bytes : 0);  // who waits holds no block
  return got;
}

// All the input there is; on_ready() and what may follow it once that was enough.
bool Transport::step_handshake() {
  const auto* const poll = poll_;
  TlsEngine& engine = secured_->engine;
  const auto got = receive_records(fd_, engine.input);
  if (!got) return fail(got.error()), false;
  if (got->ended) return fail(engine.closed_early()), false;
  const auto over = engine.handshake();
  const auto sent = flush();  // an alert, too
  if (!over || !sent) return fail(over ? sent.error() : over.error()), false;
  if (!*over) return true;
  owner_.on_ready();
  if (poll->owner != this) return false;
  if (std::exchange(secured_->blocked, false)) owner_.on_writable();
  if (poll->owner != this) return false;
  secured_->dry = got->bytes > 0 && !got->full;
  if (reading_ && engine.has_input()) owner_.on_readable();
  if (poll->owner != this) return false;
  secured_->dry = false;
  return true;
}

// As many records as there are and `into` has room for.
Result<ReadResult> Transport::decrypt(std::span<char> into) {
  TlsEngine& engine = secured_->engine;
  ReadResult result;
  for (bool dry = ended_ || std::exchange(secured_->dry, false);;) {
    const auto got = engine.read(into.subspan(result.bytes));
    if (!got) {
      (void)flush();
      return got.error();
    }
    result.bytes += *got;
    result.full = result.bytes == into.size();
    if (result.full || engine.ended() || dry) break;
    const auto records = receive_records(fd_, engine.input);
    if (!records) return records.error();
    if (records->ended) note_end();
    dry = !records->full;
  }
  if (engine.ended()) note_end();
  result.ended = ended_ && !result.full;
  secured_->more = result.full;
  secured_->read_on();
  if (const auto ok = flush(); !ok) return ok.error();
  return result;
}

// What is encrypted goes to the kernel; on_writable() follows when the rest has.
Result<Done> Transport::flush() {
  if (!secured_ || secured_->engine.output.empty()) return Done{};
  const auto sent = send(secured_->engine.output);
  if (!sent) return sent.error();
  if (unsent() > 0) {
    want_write_ = true;
    watch();
  } else if (std::exchange(secured_->finishing, false)) {
    ::shutdown(fd_, SHUT_WR);
  }
  return Done{};
}

size_t Transport::unsent() const { return secured_ ? secured_->engine.output.size() : 0; }

TlsEngine* Transport::tls() { return secured_ ? &secured_->engine : nullptr; }

const TlsEngine* Transport::tls() const { return secured_ ? &secured_->engine : nullptr; }

bool Transport::cut_short() const { return secured_ && ended_ && !secured_->engine.ended(); }

Result<ReadResult> Transport::read(std::span<char> into) {
  if (secured_) return decrypt(into);
  const auto got = receive_some(fd_, into);
  if (got && got->ended) note_end();
  return got;
}

Result<size_t> Transport::write(std::string_view from) {
  if (secured_) {
    if (!secured_->engine.established() || unsent() >= kUnsent) return want_writable(), size_t{0};
    if (const auto ok = secured_->engine.write(from); !ok) return ok.error();
    if (const auto ok = flush(); !ok) return ok.error();
    return from.size();
  }
  const ssize_t n = send_some(fd_, from.data(), from.size(), 0);
  if (n >= 0) return size_t(n);
  if (errno == EAGAIN || errno == EINTR) return size_t{0};
  return socket_error(errno, Side::Local);
}

void Transport::note_end() {
  ended_ = true;
  watch();
}

Result<size_t> Transport::write(Buffer& from, bool last) {
  last_ = last;
  size_t total = 0;
  if (!secured_) {
    const auto sent = send(from);
    if (!sent) return sent;
    total = *sent;
  } else if (secured_->engine.established()) {
    while (!from.empty() && unsent() < kUnsent) {
      // A head and its body in one record.
      std::string_view run = from.front();
      if (run.size() < kSmallRun) run = from.contiguous(std::min(from.size(), kRecord));
      if (const auto ok = secured_->engine.write(run); !ok) return ok.error();
      total += run.size();
      from.drop(run.size());
    }
    if (last_ && from.empty()) secured_->engine.finish();
    if (const auto ok = flush(); !ok) return ok.error();
  }
  if (!from.empty()) want_writable();
  return total;
}

Result<size_t> Transport::send(Buffer& from) {
  const int flags = last_ ? MSG_MORE : 0;
  size_t total = 0;
  while (!from.empty()) {
    iovec parts[16];
    const size_t count = from.gather(parts, 16);
    size_t offered = 0;
    for (size_t i = 0; i < count; ++i) offered += parts[i].iov_len;
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    const ssize_t n =
        count == 1 ? send_some(fd_, parts[0].iov_base, parts[0].iov_len, flags) : ::sendmsg(fd_, &message, MSG_NOSIGNAL | flags);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return socket_error(errno, Side::Local);
      break;
    }
    from.drop(size_t(n));
    total += size_t(n);
    if (size_t(n) < offered) break;
  }
  return total;
}

void Transport::want_writable() {
  if (secured_ && !secured_->engine.established()) {
    secured_->blocked = true;
    return;
  }
  want_write_ = true;
  watch();
}

bool Transport::has_unread() const {
  char byte;
  if (fd_ < 0) return false;
  return (secured_ && secured_->engine.has_input()) || ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void Transport::pause_reading() {
  if (!reading_) return;
  reading_ = false;
  watch();
}

void Transport::resume_reading() {
  if (!reading_) {
    reading_ = true;
    watch();
  }
  if (secured_) secured_->read_on();  // its owner may have let an event pass
}

void Transport::finish() {
  if (fd_ < 0 || !secured_) return;
  last_ = true;
  secured_->engine.finish();
  (void)flush();  // whether it went or not: nothing more will
}

void Transport::shut_write() {
  if (fd_ < 0) return;
  finish();
  if (unsent() > 0) secured_->finishing = true;
  else ::shutdown(fd_, SHUT_WR);
}

void Transport::close() {
  if (poll_) std::exchange(poll_, nullptr)->release(Descriptor::Closed);
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (secured_) secured_->again.cancel();
  waiting_.reset();
}

int Transport::release() {
  if (poll_) std::exchange(poll_, nullptr)->release(Descriptor::Kept);
  waiting_.reset();
  return std::exchange(fd_, -1);
}

void Transport::abort() {
  const linger now{1, 0};
  if (fd_ >= 0) setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void Transport::fail(Error why) {
  close();
  owner_.on_closed(why);
}

}  // namespace outrider::net
