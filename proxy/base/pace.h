#pragma once
// So many a second, whoever counts.

#include <algorithm>
#include <atomic>

#include "base/time.h"

namespace outrider {

// As many at once as a second may have, then one whenever its share of a second is over. Of the whole process; any thread, no
// lock: what is kept is when the next one is due (GCRA, ITU-T I.371).
class alignas(64) Pace {
 public:
  // False: too soon, and nothing was taken. `a_second` is not 0.
  bool enter(TimePoint now, uint32_t a_second) {
    constexpr int64_t kSecond = std::chrono::duration_cast<TimePoint::duration>(seconds(1)).count();
    const int64_t at = now.time_since_epoch().count(), apart = std::max<int64_t>(1, kSecond / a_second);
    int64_t due = due_.load(std::memory_order_relaxed);
    do {
      if (due - at > kSecond - apart) return false;
    } while (!due_.compare_exchange_weak(due, std::max(due, at) + apart, std::memory_order_relaxed));
    return true;
  }

 private:
  std::atomic<int64_t> due_{0};
};

}  // namespace outrider
