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

// Takes all but the last byte of what comes, until there is an end.
class Collects final : public Filter {
 public:
  explicit Collects(std::string& taken) : taken_(taken) {}
  Hook hooks() const override { return Hook::RequestHead; }
  Verdict on_request(Call&) const override { return Verdict::Collect; }
  Verdict on_collect(Call&, Buffer& arrived, bool end) const override {
    if (!arrived.empty()) taken_ += arrived.take(arrived.size() - 1).text();
    return end ? Verdict::Continue : Verdict::Collect;
  }

 private:
  std::string& taken_;
};

TEST(Chain, AHeadWaitsWhileItsBodyIsCollected) {
  BlockPool blocks;
  test::Seat seat;
  int seen = 0;
  std::string taken;
  const Chain chain({std::make_shared<Collects>(taken), std::make_shared<Notes>(seen)});
  http::Pipe pipe(blocks);
  for (const char* piece : {"", "abc", "d"}) {
    pipe.held.append(std::string_view(piece));
    EXPECT_EQ(chain.run_head(seat, http::Way::Request, pipe), Verdict::Collect);
    EXPECT_EQ(chain.run_collect(seat, pipe), Verdict::Collect);
  }
  EXPECT_EQ(taken, "abc");
  EXPECT_EQ(seen, 0);
  pipe.ended = true;
  EXPECT_EQ(chain.run_head(seat, http::Way::Request, pipe), Verdict::Collect);
  EXPECT_EQ(chain.run_collect(seat, pipe), Verdict::Continue);
  EXPECT_EQ(chain.run_head(seat, http::Way::Request, pipe), Verdict::Continue);
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(pipe.held.text(), "d") << "what it has left goes on";
}

// Keeps what it is shown, and pauses with it where it is to.
class Reads final : public Filter {
 public:
  Reads(std::string& read, bool pauses) : read_(read), pauses_(pauses) {}
  Hook hooks() const override { return Hook::RequestBody; }
  Verdict on_request_body(Call&, Buffer& data, bool end) const override {
    read_ += data.text() + (end ? "|end" : "|");
    return pauses_ ? Verdict::Pause : Verdict::Continue;
  }

 private:
  std::string& read_;
  const bool pauses_;
};

TEST(Chain, WhatComesWhileABodyWaitsIsSeenByEveryFilterOnce) {
  BlockPool blocks;
  test::Seat seat;
  std::string first, slow, last;
  const Chain chain(
      {std::make_shared<Reads>(first, false), std::make_shared<Reads>(slow, true), std::make_shared<Reads>(last, false)});
  http::Pipe pipe(blocks);
  pipe.held.append("one");
  EXPECT_EQ(chain.run_body(seat, http::Way::Request, pipe), Verdict::Pause);
  pipe.held.append("two");
  pipe.ended = true;
  EXPECT_EQ(chain.run_body(seat, http::Way::Request, pipe), Verdict::Pause);
  EXPECT_EQ(first + "/" + slow + "/" + last, "one|/one|/");
  pipe.paused = false;
  EXPECT_EQ(chain.run_body(seat, http::Way::Request, pipe), Verdict::Pause);
  EXPECT_EQ(first + "/" + slow + "/" + last, "one|two|end/one|two|end/one|");
  EXPECT_EQ(pipe.passed, 3u);
  pipe.paused = false;
  EXPECT_EQ(chain.run_body(seat, http::Way::Request, pipe), Verdict::Continue);
  EXPECT_EQ(first + "/" + slow + "/" + last, "one|two|end/one|two|end/one|two|end");
  EXPECT_EQ(chain.run_body(seat, http::Way::Request, pipe), Verdict::Continue);
  EXPECT_EQ(first + "/" + slow + "/" + last, "one|two|end/one|two|end/one|two|end");
  EXPECT_EQ(pipe.held.text(), "onetwo");
}

class Nibbles final : public Filter {
 public:
  Hook hooks() const override { return Hook::RequestBody; }
  size_t piece(http::Way) const override { return 2; }
};

TEST(Chain, ABodyGoesInPiecesWhereAFilterWantsThem) {
  BlockPool blocks;
  test::Seat seat;
  std::string read;
  const Chain chain({std::make_shared<Reads>(read, false), std::make_shared<Nibbles>()});
  http::Pipe pipe(blocks);
  pipe.held.append("seven b");
  pipe.ended = true;
  EXPECT_EQ(chain.run_body(seat, http::Way::Request, pipe), Verdict::Continue);
  EXPECT_EQ(read, "se|ve|n |b|end");
  EXPECT_EQ(pipe.held.text(), "seven b");
}

TEST(Chain, TheLastFilterThatWaitsIsNotAskedAgain) {
  BlockPool blocks;
  test::Seat seat;
  std::string slow;
  const Chain chain({std::make_shared<Reads>(slow, true)});
  http::Pipe pipe(blocks);
  pipe.held.append("one");
  EXPECT_EQ(chain.run_body(seat, http::Way::Request, pipe), Verdict::Pause);
  pipe.paused = false;
  EXPECT_EQ(chain.run_body(seat, http::Way::Request, pipe), Verdict::Continue);
  EXPECT_EQ(slow, "one|");
}

}  // namespace
}  // namespace outrider::filter
