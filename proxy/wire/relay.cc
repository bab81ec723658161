#include "wire/relay.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/socket.h"

namespace outrider::wire {

namespace {

constexpr size_t kTrickle = 16 * 1024;  // a wake-up that moves less is one of small messages
constexpr uint32_t kTrickles = 16;      // so many of them in a row, and the pipe is given back

}  // namespace

Relay::Relay(HttpConnection& downstream, HttpConnection& upstream, PipePool& pipes, RelayEvents& owner, Bounds bounds)
    : pipes_(pipes), owner_(owner), ways_{Direction{downstream, upstream, downstream.loop().blocks(), bounds.up},
                                          Direction{upstream, downstream, downstream.loop().blocks(), bounds.down}},
      sources_{Source{*this, ways_[0]}, Source{*this, ways_[1]}},
      spliceable_(!downstream.transport().tls() && !upstream.transport().tls()), moved_at_(downstream.loop().now()) {}

Relay::~Relay() {
  for (Direction& way : ways_) pipes_.take_back(way.pipe);
}

void Relay::stop() {
  over_ = true;
  if (std::exchange(stopped_, true)) return;
  for (Direction& way : ways_)
    if (way.bound > 0) {
      way.from.divert_reads(nullptr);
      way.to.divert_writes(nullptr);
    }
}

void Relay::start() {
  for (size_t i = 0; i < 2; ++i) {
    if (ways_[i].over) continue;
    ways_[i].from.divert_reads(&sources_[i]);
    ways_[i].to.divert_writes(&sources_[i]);
    if (spliceable_ && ways_[i].bound != kUnbounded) pipes_.lend(ways_[i].pipe);  // it is known to be long
  }
  for (Direction& way : ways_)
    if (!over_ && !way.over) {
      way.from.transport().resume_reading();
      move(way);
    }
}

// One round a wake-up: a socket with more to read wakes us again, behind the others, and has more to move by then.
void Relay::move(Direction& way) {
  if (over_ || way.over) return;
  const size_t moved = way.pipe.active() ? move_by_splice(way) : move_by_block(way);
  if (!over_) settle(way, moved);
}

// The exchange ends, and this with it.
void Relay::fail(HttpConnection& side, const Error& why) {
  over_ = true;
  side.fail(why);
}

// Both return how many bytes the far side took.
size_t Relay::move_by_block(Direction& way) {
  if (way.waiting()) {
    const auto wrote = way.to.transport().write(way.held);
    if (!wrote) return fail(way.to, wrote.error()), 0;
    way.bytes += *wrote;
    return *wrote;
  }
  if (way.ended || way.unread == 0) return 0;
  const auto room = pipes_.scratch().first(size_t(std::min<uint64_t>(PipePool::kScratch, way.unread)));
  const auto got = way.from.transport().read(room);
  if (!got) return fail(way.from, got.error()), 0;
  if (got->ended) way.from.note_input_end();
  way.ended = got->ended;
  if (got->bytes == 0) return 0;
  way.unread -= got->bytes;
  const std::string_view bytes(room.data(), got->bytes);
  const auto wrote = way.to.transport().write(bytes);
  if (!wrote) return fail(way.to, wrote.error()), 0;
  way.bytes += *wrote;
  if (*wrote < bytes.size()) way.held.append(bytes.substr(*wrote));
  else if (spliceable_ && got->full && way.unread > 0) pipes_.lend(way.pipe);
  return *wrote;
}

size_t Relay::move_by_splice(Direction& way) {
  PipeLoan& pipe = way.pipe;
  const auto room = size_t(std::min<uint64_t>(PipePool::kPipeBytes - std::min(pipe.held, PipePool::kPipeBytes), way.unread));
  if (!way.ended && room > 0) {
    const ssize_t n = ::splice(way.from.transport().fd(), nullptr, pipe.write, nullptr, room, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return fail(way.from, net::socket_error(errno, Side::Local)), 0;
    if (n == 0) {
      way.ended = true;
      way.from.note_input_end();
    }
    if (n > 0) {
      pipe.held += size_t(n);
      way.unread -= uint64_t(n);
    }
  }
  if (pipe.held == 0) return 0;
  const ssize_t n = ::splice(pipe.read, nullptr, way.to.transport().fd(), nullptr, pipe.held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (n < 0 && errno != EAGAIN && errno != EINTR) return fail(way.to, net::socket_error(errno, Side::Local)), 0;
  if (n <= 0) return 0;
  pipe.held -= size_t(n);
  way.bytes += uint64_t(n);
  return size_t(n);
}

void Relay::settle(Direction& way, size_t moved) {
  if (moved > 0) moved_at_ = way.from.loop().now();
  if (way.waiting()) {
    way.held.settle();
    way.from.transport().pause_reading();
    way.to.transport().want_writable();
    return;
  }
  if (moved >= kTrickle) {
    way.trickles = 0;
    if (way.pipe.active()) pipes_.note_use(way.pipe);
  } else if (way.pipe.active() && ++way.trickles >= kTrickles) {
    pipes_.take_back(way.pipe);
  }
  if (!way.ended && way.unread > 0) return way.from.transport().resume_reading();
  way.over = true;
  if (way.bound == kUnbounded) way.to.transport().shut_write();
  if (!ways_[0].over || !ways_[1].over) return;
  owner_.on_relay_over();
}

}  // namespace outrider::wire
