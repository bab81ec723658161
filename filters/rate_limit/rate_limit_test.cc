#include <gtest/gtest.h>

#include <thread>

#include "filters/rate_limit/buckets.h"
#include "tests/support/seat.h"

namespace outrider::filters {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

int taken(Buckets& buckets, uint64_t key, uint64_t now, int asked) {
  int taken = 0;
  for (int i = 0; i < asked; ++i) taken += !buckets.take(key, now);
  return taken;
}

TEST(Buckets, GiveABurstAndThenTheRate) {
  Buckets buckets(100, 200, 100);
  EXPECT_EQ(taken(buckets, 1, kSecond, 1000), 200);
  EXPECT_EQ(taken(buckets, 1, kSecond + kSecond / 10, 1000), 10);
  EXPECT_EQ(taken(buckets, 1, 11 * kSecond, 1000), 200) << "no more than a burst, however long it was quiet";
}

TEST(Buckets, SayWhenThereIsATokenAgain) {
  Buckets buckets(2, 1, 1);
  EXPECT_FALSE(buckets.take(1, kSecond));
  EXPECT_EQ(buckets.take(1, kSecond), kSecond / 2);
  EXPECT_EQ(buckets.take(1, kSecond + kSecond / 4), kSecond / 4);
  EXPECT_FALSE(buckets.take(1, kSecond + kSecond / 2));
}

TEST(Buckets, KeysHaveBucketsOfTheirOwn) {
  Buckets buckets(10, 5, 1000);
  for (uint64_t key = 0; key < 500; ++key) EXPECT_EQ(taken(buckets, key, kSecond, 10), 5) << key;
}

// A flood of keys takes the places of those that are full soonest: memory does not grow, and nobody is refused for it.
TEST(Buckets, AFloodOfKeysTakesNoMoreRoom) {
  Buckets buckets(10, 5, 64);
  for (uint64_t key = 0; key < 100'000; ++key) EXPECT_FALSE(buckets.take(key, kSecond));
}

TEST(Buckets, ThreadsTakeNoMoreThanThereIs) {
  Buckets buckets(1, 1000, 1);
  std::atomic<int> all{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { all += taken(buckets, 7, kSecond, 1000); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(all, 1000);
}

TEST(RateLimit, RefusesWhatIsTooMuchAndSaysWhenToComeAgain) {
  const auto limit = test::made("rate_limit", "{rate: 1/h, burst: 2, key: header.x-client}");
  const auto asked = [&](const char* client) {
    test::Seat seat;
    seat.request().headers.add("X-Client", client);
    (void)limit->on_request(seat);
    return seat.said;
  };
  EXPECT_EQ(asked("a"), "");
  EXPECT_EQ(asked("a"), "");
  EXPECT_EQ(asked("a"), "429 rate_limit rate_limit");
  EXPECT_EQ(asked("b"), "");
}

TEST(RateLimit, SaysWhatIsWrongWithItsOptions) {
  EXPECT_EQ(test::complaint_of("rate_limit", "{rate: 100/s}"), "");
  EXPECT_EQ(test::complaint_of("rate_limit", "{rate: 100}"),
            "rate: expected so many in a time, like 100/s, 5/m or 1000/h, got \"100\"");
  EXPECT_EQ(test::complaint_of("rate_limit", "{rate: 1/s, burst: 0}"), "burst: expected a number of 1 or more, got \"0\"");
  EXPECT_EQ(test::complaint_of("rate_limit", "{rate: 1/s, key: x}"),
            "key: expected source, identity, host, path, header.NAME or cookie.NAME, got \"x\"");
  EXPECT_EQ(test::complaint_of("rate_limit", "{rate: 1/s, status: 200}"),
            "status: expected a status from 400 to 599, got \"200\"");
}

}  // namespace
}  // namespace outrider::filters
