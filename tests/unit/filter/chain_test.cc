// Filters in a row, and one that has to wait.

#include "filter/chain.h"

#include <gtest/gtest.h>

#include "tests/support/seat.h"

namespace outrider::filter {
namespace {

class Waits final : public Filter {
 public:
  Hook hooks() const override { return Hook::RequestHead | Hook::ResponseHead; }
  Verdict on_request(Call&) const override { return Verdict::Pause; }
  Verdict on_response(Call&) const override { return Verdict::Pause; }
};

class Notes final : public Filter {
 public:
  explicit Notes(int& seen) : seen_(seen) {}
  Hook hooks() const override { return Hook::RequestHead | Hook::ResponseHead; }
  Verdict on_request(Call&) const override { return ++seen_, Verdict::Continue; }
  Verdict on_response(Call&) const override { return ++seen_, Verdict::Continue; }

 private:
  int& seen_;
};

TEST(Chain, WhatWaitsGoesOnWhenItIsToldToAndNotBefore) {
  BlockPool blocks;
  test::Seat seat;
  int seen = 0;
  for (const auto way : {http::Way::Request, http::Way::Response}) {
    std::vector<std::shared_ptr<const Filter>> filters{std::make_shared<Waits>(), std::make_shared<Notes>(seen)};
    if (way == http::Way::Response) std::swap(filters[0], filters[1]);  // these run backwards
    const Chain chain(std::move(filters));
    http::Pipe pipe(blocks);
    seen = 0;
    for (int other_events = 0; other_events < 3; ++other_events) EXPECT_EQ(chain.run_head(seat, way, pipe), Verdict::Pause);
    EXPECT_EQ(seen, 0) << "somebody else's event let it on";
    pipe.paused = false;
    EXPECT_EQ(chain.run_head(seat, way, pipe), Verdict::Continue);
    EXPECT_EQ(seen, 1);
  }
}

}  // namespace
}  // namespace outrider::filter
