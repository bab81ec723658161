// The mean that a number of replicas is made of.

#include "server/autoscale.h"

#include <gtest/gtest.h>

namespace outrider::server {
namespace {

double after(milliseconds step, milliseconds all, double before, double now) {
  for (milliseconds at{0}; at < all; at += step) before = Autoscale::mean(before, now, step, milliseconds(15000));
  return before;
}

TEST(AutoscaleMean, ForgetsTwoThirdsInItsTime) {
  EXPECT_NEAR(after(milliseconds(250), milliseconds(15000), 0, 1), 0.632, 0.001);
  EXPECT_NEAR(after(milliseconds(250), milliseconds(60000), 1, 0), 0.018, 0.001);
}

TEST(AutoscaleMean, IsTheSameHoweverOftenOneLooks) {
  EXPECT_NEAR(after(milliseconds(1000), milliseconds(5000), 0, 1), after(milliseconds(100), milliseconds(5000), 0, 1), 1e-9);
  EXPECT_EQ(Autoscale::mean(0.5, 0.5, milliseconds(250), milliseconds(1000)), 0.5);
}

}  // namespace
}  // namespace outrider::server
