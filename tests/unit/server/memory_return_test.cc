#include "server/memory_return.h"

#include <gtest/gtest.h>

#include <vector>

namespace outrider::server {
namespace {

// The seconds, counted from 0, after which memory goes back.
std::vector<size_t> returns(const std::vector<uint32_t>& connections) {
  Ebb ebb;
  std::vector<size_t> seconds;
  for (size_t i = 0; i < connections.size(); i++)
    if (ebb.look(connections[i], 0)) seconds.push_back(i);
  return seconds;
}

TEST(Ebb, ACrowdThatLeavesReturnsItsMemoryAndOnceMoreWhenAllOfItIsFree) {
  EXPECT_EQ(returns({8000, 0, 0, 0, 0}), (std::vector<size_t>{1, 2}));
}

TEST(Ebb, TheRestThatLeavesLaterReturnsItsMemoryToo) {
  EXPECT_EQ(returns({8000, 450, 450, 450, 200, 0, 0, 0}), (std::vector<size_t>{1, 2, 6}));
}

TEST(Ebb, ACrowdThatLeavesInPartsReturnsEachLargeOne) {
  EXPECT_EQ(returns({8000, 5000, 3900, 3000, 1900, 1000}), (std::vector<size_t>{2, 4}));
}

TEST(Ebb, ACrowdThatCameAndWentBetweenTwoLooksCounts) {
  Ebb ebb;
  EXPECT_FALSE(ebb.look(1, 1));
  EXPECT_TRUE(ebb.look(1, 8000));
}

TEST(Ebb, ComingAndGoingAndFewConnectionsReturnNothing) {
  EXPECT_EQ(returns({8000, 7000, 7800, 5000, 5000, 8000, 4500}), (std::vector<size_t>{}));
  EXPECT_EQ(returns({499, 0, 0, 499, 0}), (std::vector<size_t>{}));
}

TEST(Ebb, WhenTheRestStaysLongItIsNoRestAnyMore) {
  std::vector<uint32_t> connections{8000, 400};
  connections.resize(20, 400);
  connections.insert(connections.end(), {100, 100, 100});
  EXPECT_EQ(returns(connections), (std::vector<size_t>{1, 2}));
}

}  // namespace
}  // namespace outrider::server
