#pragma once
// What workers share when refusing: a count alone on its cache line.

#include <atomic>
#include <cstdint>

namespace outrider {

// A limit of the whole process. Any thread; relaxed, since only the number matters.
class alignas(64) Tally {
 public:
  // False: full, and nothing was taken.
  bool enter(uint32_t limit) {
    if (count_.fetch_add(1, std::memory_order_relaxed) < limit) return true;
    count_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void leave() { count_.fetch_sub(1, std::memory_order_relaxed); }
  uint32_t now() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> count_{0};
};

}  // namespace outrider
