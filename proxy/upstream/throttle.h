#pragma once
// Requests that would only fail are refused before they cost anything.

#include <array>
#include <cstdint>

#include "base/random.h"
#include "base/time.h"

namespace outrider::upstream {

// Client-side throttling (Beyer et al., Site Reliability Engineering, chapter 21): of the requests let in during half a minute,
// as many should have gone well as `ratio` says. Where fewer did, a request is refused with the probability
// (requests - accepts / ratio) / (requests + 1). Counted are those that were let in: those refused would count against the
// service what was ours, and it would never come back. For the same reason one in five is always let in, and of a few nothing is
// concluded. Owned by an Admission; no thread.
class Throttle {
 public:
  static constexpr double kMost = 0.8;
  static constexpr uint32_t kLeast = 20;
  explicit Throttle(double ratio) : ratio_(ratio) {}
  void record(TimePoint now, bool accepted);
  double probability(TimePoint now);  // of a refusal
  bool refuses(TimePoint now, Random& random) {
    const double p = probability(now);
    return p > 0 && random.unit() < p;
  }

 private:
  static constexpr size_t kSeconds = 30;
  struct Second {
    uint32_t requests = 0, accepts = 0;
  };
  void advance(TimePoint now);
  const double ratio_;
  std::array<Second, kSeconds> seconds_{};
  int64_t now_ = 0;                      // the newest of them
  uint64_t requests_ = 0, accepts_ = 0;  // of all of them
};

}  // namespace outrider::upstream
