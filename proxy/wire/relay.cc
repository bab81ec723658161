#include "wire/relay.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace outrider::wire {

namespace {

constexpr size_t kPipeBytes = 256 * 1024;
constexpr size_t kBlock = 64 * 1024;
constexpr size_t kTrickle = 16 * 1024;    // a wake-up that moved less gives its pipe back
constexpr size_t kPerTurn = 1024 * 1024;  // one connection must not keep a worker from the others
constexpr size_t kPipesKept = 32;

}  // namespace

PipePool::~PipePool() {
  for (const Pipe& pipe : free_) {
    ::close(pipe.read);
    ::close(pipe.write);
  }
}

PipePool::Pipe PipePool::take() {
  if (!free_.empty()) {
    const Pipe pipe = free_.back();
    free_.pop_back();
    return pipe;
  }
  int fds[2];
  if (::pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) return {};
  ::fcntl(fds[1], F_SETPIPE_SZ, int(kPipeBytes));  // refused above the user's quota: 64 KiB works too
  return {fds[0], fds[1]};
}

void PipePool::give_back(Pipe pipe, bool empty) {
  if (pipe.read < 0) return;
  if (empty && free_.size() < kPipesKept) return free_.push_back(pipe);
  ::close(pipe.read);
  ::close(pipe.write);
}

Relay::Relay(HttpConnection& downstream, HttpConnection& upstream, PipePool& pipes, RelayEvents& owner)
    : pipes_(pipes), owner_(owner), ways_{Direction{downstream, upstream, downstream.loop().blocks()},
                                          Direction{upstream, downstream, downstream.loop().blocks()}},
      downstream_end_(*this, ways_[0], ways_[1]), upstream_end_(*this, ways_[1], ways_[0]) {}

Relay::~Relay() {
  for (Direction& way : ways_) pipes_.give_back(way.pipe, way.in_pipe == 0);
}

void Relay::stop() {
  over_ = true;
  for (Direction& way : ways_) way.from.divert(nullptr);
}

void Relay::start() {
  ways_[0].from.divert(&downstream_end_);
  ways_[1].from.divert(&upstream_end_);
  for (Direction& way : ways_) {
    way.from.transport().resume_reading();
    if (!over_) move(way);
  }
}

void Relay::move(Direction& way) {
  if (over_ || way.shut) return;
  size_t moved = 0;
  while (moved < kPerTurn && (way.pipe.read >= 0 ? move_by_splice(way, moved) : move_by_block(way, moved))) {}
  if (!over_) settle(way, moved);
}

// Both return whether another round may move more. A connection that failed has ended the exchange, and this relay.
bool Relay::move_by_block(Direction& way, size_t& moved) {
  bool full = false;
  if (way.held.empty() && !way.ended) {
    const auto got = way.from.transport().read(way.held, kBlock);
    if (!got) {
      over_ = true;
      way.from.fail(got.error());
      return false;
    }
    if (got->ended) way.from.note_input_end();
    way.ended = got->ended;
    full = got->full;
  }
  if (way.held.empty()) return false;
  const auto wrote = way.to.transport().write(way.held);
  if (!wrote) {
    over_ = true;
    way.to.fail(wrote.error());
    return false;
  }
  moved += *wrote;
  way.bytes += *wrote;
  if (!way.held.empty()) return false;
  if (full) way.pipe = pipes_.take();
  return full;
}

bool Relay::move_by_splice(Direction& way, size_t& moved) {
  bool progress = false;
  if (!way.ended && way.in_pipe < kPipeBytes) {
    const ssize_t n = ::splice(way.from.transport().fd(), nullptr, way.pipe.write, nullptr, kPipeBytes - way.in_pipe,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
      over_ = true;
      way.from.fail(net::socket_error(errno, Side::Local));
      return false;
    }
    if (n == 0) {
      way.ended = true;
      way.from.note_input_end();
    }
    if (n > 0) {
      way.in_pipe += size_t(n);
      progress = true;
    }
  }
  if (way.in_pipe == 0) return false;
  const ssize_t n =
      ::splice(way.pipe.read, nullptr, way.to.transport().fd(), nullptr, way.in_pipe, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (n < 0 && errno != EAGAIN && errno != EINTR) {
    over_ = true;
    way.to.fail(net::socket_error(errno, Side::Local));
    return false;
  }
  if (n > 0) {
    way.in_pipe -= size_t(n);
    way.bytes += uint64_t(n);
    moved += size_t(n);
    return true;
  }
  // The far side is full. What the pipe can still take is read once more: the next write is larger for it.
  return progress && way.in_pipe < kPipeBytes && !way.ended;
}

void Relay::settle(Direction& way, size_t moved) {
  const bool waiting = !way.held.empty() || way.in_pipe > 0;
  if (waiting) {
    way.held.settle();
    way.from.transport().pause_reading();
    way.to.transport().want_writable();
    return;
  }
  if (moved < kTrickle) pipes_.give_back(std::exchange(way.pipe, {}), true);
  if (!way.ended) return way.from.transport().resume_reading();
  way.shut = true;
  way.to.transport().shut_write();
  if (!ways_[0].shut || !ways_[1].shut) return;
  over_ = true;
  owner_.on_relay_over();
}

}  // namespace outrider::wire
