#pragma once
// How near the process is to what it may use.

#include <atomic>
#include <cstdint>

namespace outrider::exchange {

// Written by the control thread (server/overload), read by workers for each request and connection. Relaxed: a request more or
// less does not matter.
class Pressure {
 public:
  enum class Level : uint8_t { Calm, ShedLow, NoKeepAlive, Refuse };  // each with what those before it do
  enum class Cause : uint8_t { Nothing, Memory, Connections, LoopLag };
  Level level() const { return level_.load(std::memory_order_relaxed); }
  Cause cause() const { return cause_.load(std::memory_order_relaxed); }
  void set(Level level, Cause cause) {
    cause_.store(cause, std::memory_order_relaxed);
    level_.store(level, std::memory_order_relaxed);
  }

 private:
  std::atomic<Level> level_{Level::Calm};
  std::atomic<Cause> cause_{Cause::Nothing};
};

}  // namespace outrider::exchange
