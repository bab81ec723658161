#pragma once
// The fast path of bytes nobody looks at: from socket to socket.

#include <array>
#include <limits>

#include "wire/http_connection.h"
#include "wire/pipe_pool.h"

namespace outrider::wire {

class RelayEvents {
 public:
  // Every way has ended, or carried all it was to carry. Errors come as on_reset of the two streams.
  virtual void on_relay_over() = 0;

 protected:
  ~RelayEvents() = default;
};

// Takes the sockets of two connections whose codecs have nothing buffered, and moves bytes: through scratch memory
// while they trickle, by splice(2) while they come in bulk. Joined both ways without bounds, a FIN is passed on as a FIN. A way
// with a bound (a body of known length) ends there, or at a FIN before it, and its codecs go on from what bytes_up() and
// bytes_down() say; the other way may stay with the codecs. Back-pressure: a way whose far side is full stops reading.
// Owned by an exchange, which stops it when it ends and destroys it after the turn.
class Relay {
 public:
  static constexpr uint64_t kUnbounded = std::numeric_limits<uint64_t>::max();
  struct Bounds {
    uint64_t up, down;  // 0: that way is not joined
  };
  Relay(HttpConnection& downstream, HttpConnection& upstream, PipePool& pipes, RelayEvents& owner,
        Bounds bounds = {kUnbounded, kUnbounded});
  ~Relay();  // gives pipes back; the connections may be gone by then
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  void start();
  void stop();  // the sockets are their connections' again; may come from inside any event. Idempotent
  uint64_t bytes_up() const { return ways_[0].bytes; }  // from downstream to upstream
  uint64_t bytes_down() const { return ways_[1].bytes; }
  TimePoint moved_at() const { return moved_at_; }  // the loop's time

 private:
  struct Direction {
    Direction(HttpConnection& f, HttpConnection& t, BlockPool& pool, uint64_t b)
        : from(f), to(t), held(pool), bound(b), unread(b), over(b == 0) {}
    HttpConnection& from;
    HttpConnection& to;
    Buffer held;
    PipeLoan pipe;
    const uint64_t bound;
    uint64_t unread, bytes = 0;  // of the bound; written
    uint32_t trickles = 0;       // wake-ups in a row that moved little
    bool ended = false, over;
    bool waiting() const { return !held.empty() || pipe.held > 0; }
  };
  struct Source final : Diversion {
    Source(Relay& r, Direction& w) : relay(r), way(w) {}
    void on_diverted() override { relay.move(way); }
    Relay& relay;
    Direction& way;
  };
  void move(Direction& way);
  size_t move_by_block(Direction& way);
  size_t move_by_splice(Direction& way);
  void settle(Direction& way, size_t moved);
  void fail(HttpConnection& side, const Error& why);
  PipePool& pipes_;
  RelayEvents& owner_;
  std::array<Direction, 2> ways_;
  std::array<Source, 2> sources_;
  const bool spliceable_;  // neither side is encrypted
  TimePoint moved_at_{};
  bool over_ = false;  // nothing moves any more
  bool stopped_ = false;
};

}  // namespace outrider::wire
