#pragma once
// How long all of an exchange may take, and who says so.

#include "base/time.h"

namespace outrider::exchange {

struct TimeLimit {
  enum class Of : uint8_t { Nobody, Rule, Listener, Cluster, Caller };
  milliseconds within{0};  // 0: there is none
  Of of = Of::Nobody;
};

}  // namespace outrider::exchange
