#include "upstream/throttle.h"

#include <algorithm>

namespace outrider::upstream {

void Throttle::advance(TimePoint now) {
  const int64_t second = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  for (int64_t i = std::min<int64_t>(second - now_, kSeconds); i > 0; --i) {
    Second& oldest = seconds_[size_t(second - i + 1) % kSeconds];
    requests_ -= oldest.requests;
    accepts_ -= oldest.accepts;
    oldest = {};
  }
  now_ = std::max(now_, second);
}

void Throttle::record(TimePoint now, bool accepted) {
  advance(now);
  Second& current = seconds_[size_t(now_) % kSeconds];
  ++current.requests;
  ++requests_;
  current.accepts += accepted;
  accepts_ += accepted;
}

double Throttle::probability(TimePoint now) {
  advance(now);
  if (requests_ < kLeast) return 0;
  return std::clamp((double(requests_) - double(accepts_) / ratio_) / double(requests_ + 1), 0.0, kMost);
}

}  // namespace outrider::upstream
