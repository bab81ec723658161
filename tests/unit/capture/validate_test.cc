// What is proven of a connection.

#include "capture/validate.h"

#include <gtest/gtest.h>

namespace outrider::capture {
namespace {

constexpr const char* kTable = R"(  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1337        0 1 1 0 100 0 0 10 0
   1: 0100007F:3A99 02014E0A:C350 01 00000000:00000000 00:00000000 00000000  1337        0 2 1 0 100 0 0 10 0
   2: 00000000000000000000000001000000:3A99 000078FD000000000000000002000000:C351 05 00000000:00000000 00:00000000 0 0 0 3
)";

TEST(Validate, AConnectionIsKnownByBothItsPorts) {
  EXPECT_TRUE(lists_connection(kTable, 15001, 50000));
  EXPECT_TRUE(lists_connection(kTable, 15001, 50001));  // of IPv6, and ended by the other side
  EXPECT_FALSE(lists_connection(kTable, 15001, 50002));
  EXPECT_FALSE(lists_connection(kTable, 15006, 50000));
  EXPECT_FALSE(lists_connection(kTable, 15001, 0));  // what listens
  EXPECT_FALSE(lists_connection("", 15001, 50000));
  EXPECT_FALSE(lists_connection("   1: x y z", 15001, 50000));
}

TEST(Validate, NothingProvenIsNotInForce) {
  using State = Finding::State;
  const auto of = [](std::initializer_list<State> states) {
    std::vector<Finding> all;
    for (const State state : states) all.push_back({state, {}, {}, {}});
    return in_force(all);
  };
  EXPECT_FALSE(of({}));
  EXPECT_FALSE(of({State::NotLookedAt}));
  EXPECT_TRUE(of({State::Proven, State::NotLookedAt}));
  EXPECT_FALSE(of({State::Proven, State::Failed}));
}

}  // namespace
}  // namespace outrider::capture
