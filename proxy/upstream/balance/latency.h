#pragma once
// The moving average of a seat.

#include "upstream/balancer.h"

namespace outrider::upstream::balance {

// One more sample. Its share grows with the time since the last one, so the average forgets by the clock and not by
// the number of requests (an exponential average over irregular samples).
void fold(Seat& seat, uint64_t sample_us, TimePoint now, milliseconds decay);

}  // namespace outrider::upstream::balance
