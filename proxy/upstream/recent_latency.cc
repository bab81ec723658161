#include "upstream/recent_latency.h"

#include <chrono>

namespace outrider::upstream {

void RecentLatency::observe(uint64_t us, TimePoint now) {
  turn(now);
  filling_.observe(us);
}

std::optional<milliseconds> RecentLatency::quantile(double q, uint32_t least, TimePoint now) {
  turn(now);
  stats::Histogram both = before_;
  both.merge(filling_);
  if (both.count() < least) return {};
  return std::chrono::ceil<milliseconds>(std::chrono::duration<double, std::micro>(both.quantile(q)));
}

void RecentLatency::turn(TimePoint now) {
  if (now < until_) return;
  before_ = now < until_ + kWindow ? filling_ : stats::Histogram();
  filling_ = {};
  until_ = now + kWindow;
}

}  // namespace outrider::upstream
