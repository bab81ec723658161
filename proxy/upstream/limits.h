#pragma once
// What all workers together may do to one service: the circuit breaker's counts.

#include "base/tally.h"

namespace outrider::upstream {

// One per service in the process, shared by its workers' clusters.
struct Limits {
  Tally connections, pending, requests;
};

}  // namespace outrider::upstream
