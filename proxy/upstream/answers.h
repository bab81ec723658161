#pragma once
// What has come back from one endpoint, for pages.

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "stats/histogram.h"

namespace outrider::upstream {

// Counts since the endpoint was first seen. A part of it; written by all workers and read by the control loop, relaxed: a page
// that is one answer behind is right enough. Buckets are pairs of those of Histogram: a figure is off by at most 1/9.
class Answers {
 public:
  static constexpr uint32_t kBuckets = (stats::Histogram::kBuckets + 1) / 2;
  void answered(uint64_t first_byte_us, bool error) {
    add(times_[stats::Histogram::index(first_byte_us) / 2]);
    if (error) add(errors_);
  }
  void unanswered() { add(unanswered_); }
  uint32_t errors() const { return errors_.load(std::memory_order_relaxed); }  // answers of 5xx
  uint32_t without_answer() const { return unanswered_.load(std::memory_order_relaxed); }

  // Milliseconds and how many answers took so long until their first byte, rising; what nothing is in is left out.
  std::vector<std::pair<double, uint32_t>> times() const {
    std::vector<std::pair<double, uint32_t>> all;
    for (uint32_t i = 0; i < kBuckets; ++i)
      if (const uint32_t count = times_[i].load(std::memory_order_relaxed))
        all.emplace_back(stats::Histogram::figure(2 * i, 2) / 1000, count);
    return all;
  }

 private:
  using Count = std::atomic<uint32_t>;  // may wrap: who looks twice takes the difference
  static void add(Count& count) { count.fetch_add(1, std::memory_order_relaxed); }
  std::array<Count, kBuckets> times_{};
  Count errors_{0}, unanswered_{0};
};

}  // namespace outrider::upstream
