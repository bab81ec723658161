#include <gtest/gtest.h>

#include "filters/bandwidth/throttle.h"
#include "tests/support/seat.h"

namespace outrider::filters {
namespace {

using filter::Verdict;
using Time = Throttle::Time;

constexpr Time kStart = std::chrono::hours(1);

TEST(Throttle, LetsGoAsMuchASecondAsItMay) {
  Throttle throttle(100'000, false);
  Time now = kStart;
  size_t gone = 0;
  while (now < kStart + std::chrono::seconds(10)) {
    now += throttle.take(0, throttle.piece(), now);
    gone += throttle.piece();
  }
  EXPECT_NEAR(double(gone), 1e6, 2.0 * double(throttle.piece()));
}

TEST(Throttle, SavesUpNoMoreThanOnePiece) {
  Throttle throttle(100'000, false);
  EXPECT_EQ(throttle.take(0, throttle.piece(), kStart), Time(0));
  EXPECT_GT(throttle.take(0, throttle.piece(), kStart), Time(0));
  const Time later = kStart + std::chrono::minutes(1);
  EXPECT_EQ(throttle.take(0, throttle.piece(), later), Time(0));
  EXPECT_EQ(throttle.take(0, throttle.piece(), later), std::chrono::milliseconds(50));
}

TEST(Throttle, ConnectionsHaveOfTheirOwn) {
  Throttle throttle(100'000, true);
  EXPECT_EQ(throttle.take(1, throttle.piece(), kStart), Time(0));
  EXPECT_EQ(throttle.take(2, throttle.piece(), kStart), Time(0));
  EXPECT_GT(throttle.take(1, throttle.piece(), kStart), Time(0));
}

TEST(BandwidthFilter, MakesWhatIsTooMuchWait) {
  const auto bandwidth = test::made("bandwidth", "{down: 1KiB/s}");
  EXPECT_EQ(bandwidth->hooks(), filter::Hook::ResponseBody);
  EXPECT_EQ(bandwidth->piece(http::Way::Request), SIZE_MAX);
  BlockPool blocks;
  test::Seat seat;
  Buffer data(blocks);
  data.append(std::string(bandwidth->piece(http::Way::Response), 'x'));
  EXPECT_EQ(bandwidth->on_response_body(seat, data, false), Verdict::Continue);
  for (int i = 0; i < 100 && seat.waits.count() == 0; ++i) (void)bandwidth->on_response_body(seat, data, false);
  EXPECT_GT(seat.waits.count(), 0);
  EXPECT_EQ(seat.noted, "bandwidth slowed\n") << "once a call";
  Buffer nothing(blocks);
  EXPECT_EQ(bandwidth->on_response_body(seat, nothing, true), Verdict::Continue);
}

TEST(BandwidthFilter, ComplainsAboutWhatItDoesNotUnderstand) {
  EXPECT_EQ(test::complaint_of("bandwidth", "{down: 1MiB/s, up: 1MiB/s, per: connection}"), "");
  EXPECT_EQ(test::complaint_of("bandwidth", "{up: 1MiB/s, per: route}"), "");
  EXPECT_EQ(test::complaint_of("bandwidth", "{}"), ": nothing to do: give down or up");
  EXPECT_EQ(test::complaint_of("bandwidth", "{down: 1MiB}"),
            "down: expected a size a second of 128B/s or more, like 1MiB/s, got \"1MiB\"");
  EXPECT_EQ(test::complaint_of("bandwidth", "{up: 1B/s}").substr(0, 4), "up: ");
  EXPECT_EQ(test::complaint_of("bandwidth", "{up: 1KiB/s, per: day}"), "per: expected connection or route, got \"day\"");
}

}  // namespace
}  // namespace outrider::filters
