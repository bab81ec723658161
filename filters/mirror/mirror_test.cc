// Which requests are to be copied, and what options say of it.

#include <gtest/gtest.h>

#include "tests/support/seat.h"

namespace outrider::filters {
namespace {

using test::complaint_of;
using test::made;

struct Seat final : test::Seat {
  void mirror(const filter::Filter& owner, const filter::Mirroring& how) override {
    to = owner.cluster();
    asked = how;
  }
  std::string to;
  filter::Mirroring asked;
};

TEST(MirrorFilter, AsksForACopyAndGoesOn) {
  const auto filter =
      made("mirror", "{cluster: next, percent: 5%, timeout: 2s, max_body: 1KiB, max_answer: 2KiB, max_in_flight: 7}");
  Seat seat;
  EXPECT_EQ(filter->on_request(seat), filter::Verdict::Continue);
  EXPECT_EQ(seat.to, "next");
  EXPECT_EQ(seat.asked.share, 0.05);
  EXPECT_EQ(seat.asked.timeout, milliseconds(2000));
  EXPECT_EQ(seat.asked.max_body, 1024u);
  EXPECT_EQ(seat.asked.max_answer, 2048u);
  EXPECT_EQ(seat.asked.max_in_flight, 7u);
  EXPECT_EQ(seat.said, "");
}

TEST(MirrorFilter, ACopyIsNotCopied) {
  Seat seat;
  seat.request().headers.add("X-Outrider-Mirror", "1");
  EXPECT_EQ(made("mirror", "{cluster: next}")->on_request(seat), filter::Verdict::Continue);
  EXPECT_EQ(seat.to, "");
}

TEST(MirrorFilter, SaysWhatIsWrong) {
  EXPECT_EQ(complaint_of("mirror", "{}"), "cluster: missing");
  EXPECT_EQ(complaint_of("mirror", "{cluster: a, to: b}"),
            "to: unknown key; there are: cluster, percent, timeout, max_body, max_answer, max_in_flight");
  EXPECT_EQ(complaint_of("mirror", "{cluster: a, percent: 5}"), "percent: expected a percentage from 0% to 100%, got \"5\"");
  EXPECT_EQ(complaint_of("mirror", "{cluster: a, timeout: 0}"), "timeout: expected a duration from 1ms to 10m");
  EXPECT_EQ(complaint_of("mirror", "{cluster: a, max_body: 1GiB}"), "max_body: expected a size of at most 16MiB");
  EXPECT_EQ(complaint_of("mirror", "{cluster: a, max_in_flight: 0}"),
            "max_in_flight: expected a number from 1 to 100000, got \"0\"");
}

}  // namespace
}  // namespace outrider::filters
