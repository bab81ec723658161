#pragma once
// What must be zero again when nobody is served any more: a count that stays up means that an odd ending was missed.

#include "tests/support/proxy.h"

namespace outrider::test {

inline void expect_quiet(Proxy& proxy) {
  for (const char* gauge : {"outrider_requests_in_flight", "outrider_connections_active", "outrider_cluster_pending_requests",
                            "outrider_cluster_breaker_open"})
    proxy.expect_metric(0, gauge);
}

}  // namespace outrider::test
