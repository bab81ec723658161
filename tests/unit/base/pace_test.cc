// So many a second.

#include "base/pace.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace outrider {
namespace {

constexpr TimePoint kStart{seconds(1000)};

int entered(Pace& pace, TimePoint at, uint32_t a_second, int of) {
  int n = 0;
  for (int i = 0; i < of; ++i) n += pace.enter(at, a_second);
  return n;
}

TEST(Pace, ASecondsWorthMayComeAtOnce) {
  Pace pace;
  EXPECT_EQ(entered(pace, kStart, 100, 1000), 100);
  EXPECT_EQ(entered(pace, kStart + milliseconds(9), 100, 10), 0);
  EXPECT_EQ(entered(pace, kStart + milliseconds(10), 100, 10), 1);
  EXPECT_EQ(entered(pace, kStart + milliseconds(50), 100, 10), 4);
  EXPECT_EQ(entered(pace, kStart + seconds(3600), 100, 1000), 100) << "no more, however long nobody came";
}

TEST(Pace, OneASecondIsOne) {
  Pace pace;
  EXPECT_EQ(entered(pace, kStart, 1, 5), 1);
  EXPECT_EQ(entered(pace, kStart + milliseconds(999), 1, 5), 0);
  EXPECT_EQ(entered(pace, kStart + milliseconds(1000), 1, 5), 1);
}

TEST(Pace, IsOneForAllThreads) {
  Pace pace;
  std::atomic<int> all{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { all += entered(pace, kStart, 1000, 1000); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(all, 1000);
}

}  // namespace
}  // namespace outrider
