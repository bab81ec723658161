#include <gtest/gtest.h>

#include "tests/support/seat.h"

namespace outrider::filters {
namespace {

using filter::Verdict;

TEST(BodyLimitFilter, RefusesWhatIsAnnouncedToBeTooLarge) {
  const auto limit = test::made("body_limit", "{max: 1KiB}");
  for (const auto& [length, wanted] : {std::pair("1024", Verdict::Continue), {"1025", Verdict::Answered}}) {
    test::Seat seat;
    seat.request().headers.set(http::HeaderId::ContentLength, length);
    EXPECT_EQ(limit->on_request(seat), wanted) << length;
    EXPECT_EQ(seat.said, wanted == Verdict::Continue ? "" : "413 body_limit body_too_large");
  }
}

TEST(BodyLimitFilter, CountsWhatIsNotAnnounced) {
  const auto limit = test::made("body_limit", "{max: 10B}");
  BlockPool blocks;
  test::Seat seat;
  EXPECT_EQ(limit->on_request(seat), Verdict::Continue);
  const auto comes = [&](const char* bytes, bool end) {
    Buffer data(blocks);
    data.append(bytes);
    return limit->on_request_body(seat, data, end);
  };
  EXPECT_EQ(comes("hello", false), Verdict::Continue);
  EXPECT_EQ(comes("world", false), Verdict::Continue);
  EXPECT_EQ(comes("", true), Verdict::Continue);
  EXPECT_EQ(comes("!", false), Verdict::Answered);
  EXPECT_EQ(seat.said, "413 body_limit body_too_large");
}

TEST(BodyLimitFilter, ComplainsAboutWhatItDoesNotUnderstand) {
  EXPECT_EQ(test::complaint_of("body_limit", "{max: 0}"), "");
  EXPECT_EQ(test::complaint_of("body_limit", "{}"), "max: missing");
  EXPECT_EQ(test::complaint_of("body_limit", "{max: much}"), "max: expected a size of at most 1048576GiB");
  EXPECT_EQ(test::complaint_of("body_limit", "{max: 1KiB, of: response}"), "of: unknown key; there are: max");
}

}  // namespace
}  // namespace outrider::filters
