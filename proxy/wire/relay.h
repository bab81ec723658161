#pragma once
// The fast path of bytes nobody looks at: two plain sockets joined, both ways, until both have ended.

#include <array>
#include <vector>

#include "wire/http_connection.h"

namespace outrider::wire {

// Kernel pipes for splice(2), kept for the next who needs one. Owned by a worker.
class PipePool {
 public:
  struct Pipe {
    int read = -1, write = -1;
  };
  PipePool() = default;
  ~PipePool();
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;
  Pipe take();                            // {-1, -1} when descriptors are short: go on without
  void give_back(Pipe pipe, bool empty);  // one that still holds bytes is closed

 private:
  std::vector<Pipe> free_;
};

class RelayEvents {
 public:
  virtual void on_relay_over() = 0;  // both ways have ended cleanly. Errors come as on_reset of the two streams

 protected:
  ~RelayEvents() = default;
};

// Takes the sockets of two connections whose codecs have nothing buffered, and moves bytes both ways: through a block
// while they trickle, by splice(2) once a read comes back full, until it trickles again. A FIN is passed on as a FIN.
// Back-pressure: a way whose far side is full stops reading. Owned by an exchange, which
// stops it when it ends and destroys it after the turn.
class Relay {
 public:
  Relay(HttpConnection& downstream, HttpConnection& upstream, PipePool& pipes, RelayEvents& owner);
  ~Relay();  // gives pipes back; the connections may be gone by then
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  void start();
  void stop();  // the sockets are their connections' again; may come from inside any event
  uint64_t bytes_up() const { return ways_[0].bytes; }  // from downstream to upstream
  uint64_t bytes_down() const { return ways_[1].bytes; }

 private:
  struct Direction {
    Direction(HttpConnection& f, HttpConnection& t, BlockPool& pool) : from(f), to(t), held(pool) {}
    HttpConnection& from;
    HttpConnection& to;
    Buffer held;
    PipePool::Pipe pipe;
    size_t in_pipe = 0;
    uint64_t bytes = 0;
    bool ended = false, shut = false;
  };
  struct End final : Diversion {  // what one socket hears
    End(Relay& r, Direction& o, Direction& i) : relay(r), out(o), in(i) {}
    void on_side_readable() override { relay.move(out); }
    void on_side_writable() override { relay.move(in); }
    Relay& relay;
    Direction& out;  // read here
    Direction& in;   // written here
  };
  void move(Direction& way);
  bool move_by_block(Direction& way, size_t& moved);
  bool move_by_splice(Direction& way, size_t& moved);
  void settle(Direction& way, size_t moved);
  PipePool& pipes_;
  RelayEvents& owner_;
  std::array<Direction, 2> ways_;
  End downstream_end_, upstream_end_;
  bool over_ = false;
};

}  // namespace outrider::wire
