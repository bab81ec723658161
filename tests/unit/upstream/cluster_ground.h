#pragma once
// What tests of a cluster stand on.

#include "ground.h"

namespace outrider::upstream {

inline int64_t wall_ms() { return to_ms(std::chrono::system_clock::now()); }

inline const Error kRefused{Code::Refused, Side::Upstream, Retry::Yes, 111, "connection_refused"};
inline const Outcome kFailed{Outcome::Kind::Failed};

class ClusterTest : public testing::Test {
 protected:
  Instances four() {
    return {instance("10.0.0.1:80"), instance("10.0.0.2:80"), instance("10.0.0.3:80"), instance("10.0.0.4:80")};
  }
  static void attempt(Cluster& cluster, Seat& seat, const Outcome& outcome, const Error* failure) {
    cluster.begin(seat);
    cluster.report(seat, outcome, failure);
  }
  uint64_t read(stats::Slot slot) { return ground.shard->read(slot); }
  Ground ground;
};

}  // namespace outrider::upstream
