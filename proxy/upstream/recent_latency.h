#pragma once
// How long the answers of one cluster took of late.

#include <optional>

#include "base/time.h"
#include "stats/histogram.h"

namespace outrider::upstream {

// Two windows of half a minute each, the one that is being filled and the one before it: what is asked for is of the last 30 to
// 60 seconds. One worker's, owned by its cluster.
class RecentLatency {
 public:
  static constexpr milliseconds kWindow{30000};
  void observe(uint64_t us, TimePoint now);
  // What the share `q` of the answers took at most, in whole milliseconds; none: there were fewer than `least`.
  std::optional<milliseconds> quantile(double q, uint32_t least, TimePoint now);

 private:
  void turn(TimePoint now);
  stats::Histogram filling_, before_;
  TimePoint until_{};
};

}  // namespace outrider::upstream
