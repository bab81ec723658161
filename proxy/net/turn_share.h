#pragma once
// How much of a turn one kind of work may take.

#include <chrono>
#include <cstdint>
#include <utility>

#include "base/time.h"

namespace outrider::net {

// For what is dear and may wait: who has other work in the same turn waits for this much of it, however much there is. Owned by
// a loop; one thread.
class TurnShare {
 public:
  static constexpr std::chrono::microseconds kMost{2000};
  // False: it has to wait for another turn, and is counted.
  bool left(TimePoint turn) {
    if (std::exchange(turn_, turn) != turn) spent_ = {};
    if (spent_ < kMost) return true;
    ++put_off_;
    return false;
  }
  void spend(TimePoint::duration what) { spent_ += what; }
  uint64_t put_off() { return std::exchange(put_off_, 0); }  // how often, since this was last asked

 private:
  TimePoint turn_{};
  TimePoint::duration spent_{};
  uint64_t put_off_ = 0;
};

}  // namespace outrider::net
