#include "http/head_scan.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/arena.h"
#include "tests/support/seed.h"

namespace outrider::http {
namespace {

using Block = HeadScan::Block;
using State = HeadScan::State;

struct Seen {
  State state = State::More;
  std::string what;
  std::string block;  // as copied out, when whole
  std::string left;   // what the input still holds then
  bool operator==(const Seen&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Seen& s) {
  return out << int(s.state) << " " << s.what << " [" << s.block << "] [" << s.left << "]";
}

Seen scan(const std::vector<std::string_view>& pieces, Block block, const HeadScan::Limits& limits) {
  BlockPool pool;
  Arena arena;
  Buffer input(pool);
  HeadScan scan;
  scan.begin(block);
  Seen seen;
  for (const auto piece : pieces) {
    input.append(piece);
    if (seen.state == State::More) seen.state = scan.scan(input, limits);
  }
  if (seen.state == State::Bad) seen.what = scan.refusal().what;
  if (seen.state != State::Whole) return seen;
  seen.block = scan.copy(input, arena);
  seen.left = input.text();
  return seen;
}

Seen all_ways(std::string_view text, Block block = Block::Request, const HeadScan::Limits& limits = {1024, 10, true}) {
  const Seen whole = scan({text}, block, limits);
  std::vector<std::string_view> each;
  for (size_t at = 0; at < text.size(); ++at) {
    if (at) {
      EXPECT_EQ(scan({text.substr(0, at), text.substr(at)}, block, limits), whole) << "cut at " << at;
    }
    each.push_back(text.substr(at, 1));
  }
  EXPECT_EQ(scan(each, block, limits), whole);
  return whole;
}

TEST(HeadScan, FindsTheEndAndLeavesTheRest) {
  const Seen seen = all_ways("GET / HTTP/1.1\r\nA: b\r\n\r\nrest\r\n\r\n");
  EXPECT_EQ(seen.block, "GET / HTTP/1.1\r\nA: b\r\n\r\n");
  EXPECT_EQ(seen.left, "rest\r\n\r\n");
  EXPECT_EQ(all_ways("A: b\r\n\r\nx", Block::Trailers).block, "A: b\r\n\r\n");
  EXPECT_EQ(all_ways("\r\nx", Block::Trailers).block, "\r\n");
  EXPECT_EQ(all_ways("GET / HTTP/1.1\r\nA: b\r\n\r").state, State::More);
  EXPECT_EQ(all_ways("GET / HTTP/1.1\r\nA: b\r\n").state, State::More);
}

TEST(HeadScan, RefusesWhatTheParserWouldLetThrough) {
  EXPECT_EQ(all_ways("A\nB\r\n\r\n").what, "bare_lf");
  EXPECT_EQ(all_ways("A\r\nB: c\n\r\n").what, "bare_lf");
  EXPECT_EQ(all_ways("A\r\nB: c\r\n\n").what, "bare_lf");
  EXPECT_EQ(all_ways("A\rB\r\n\r\n").what, "bare_cr");
  EXPECT_EQ(all_ways("A\r\nB: c\r\r\n\r\n").what, "bare_cr");
  EXPECT_EQ(all_ways("A\r\n\rB: c\r\n\r\n").what, "bare_cr");
  EXPECT_EQ(all_ways("A\r\nB: c\r\n d\r\n\r\n").what, "folded_line");
  EXPECT_EQ(all_ways("A\r\n\tB: c\r\n\r\n").what, "folded_line");
  EXPECT_EQ(all_ways("A\r\n: c\r\n\r\n").what, "empty_field_name");
  EXPECT_EQ(all_ways(" A\r\n\r\n").what, "space_before_start_line");
  EXPECT_EQ(all_ways("\r\nA\r\n\r\n").what, "blank_line");
  EXPECT_EQ(all_ways(" B: c\r\n\r\n", Block::Trailers).what, "folded_line");
  EXPECT_EQ(all_ways(": c\r\n\r\n", Block::Trailers).what, "empty_field_name");
}

TEST(HeadScan, CountsBytesAndFields) {
  const std::string head = "A\r\nB: c\r\nD: e\r\n\r\n";
  const auto size = uint32_t(head.size());
  EXPECT_EQ(all_ways(head, Block::Request, {size, 2, true}).state, State::Whole);
  EXPECT_EQ(all_ways(head, Block::Request, {size - 1, 2, true}).what, "head_too_large");
  EXPECT_EQ(all_ways(head, Block::Request, {size, 1, true}).what, "too_many_fields");
  EXPECT_EQ(all_ways(head, Block::Request, {2, 1, true}).what, "target_too_long");
  EXPECT_EQ(all_ways("B: c\r\nD: e\r\n\r\n", Block::Trailers, {100, 1, true}).what, "too_many_fields");
  EXPECT_EQ(all_ways("B: c\r\nD: e\r\n\r\n", Block::Trailers, {8, 2, true}).what, "trailers_too_large");
  EXPECT_EQ(all_ways("B: c\r\n\r\n", Block::Trailers, {100, 1, true}).state, State::Whole);
}

TEST(HeadScan, ForgivingItStraightensWhatItCopies) {
  const HeadScan::Limits lax{1024, 10, false};
  EXPECT_EQ(all_ways("A\nB: c\n\nrest", Block::Request, lax).block, "A\r\nB: c\r\n\r\n");
  EXPECT_EQ(all_ways("A\nB: c\r\n d\n\te\r\n\nrest", Block::Request, lax).block, "A\r\nB: c   d  \te\r\n\r\n");
  EXPECT_EQ(all_ways("B: c\n d\n\n", Block::Trailers, lax).block, "B: c   d\r\n\r\n");
  EXPECT_EQ(all_ways("A\rB: c\n\n", Block::Request, lax).what, "bare_cr");
  EXPECT_EQ(all_ways("A\n B: c\n\n", Block::Request, lax).what, "folded_line");
}

// A head in crumbs costs what it holds, not the square of it, and comes to the same.
TEST(HeadScan, AHeadInManyCrumbsIsTheSameHead) {
  Random random = test::seeded_random();
  std::string head = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 200; ++i) head += "X-" + std::to_string(i) + ": " + std::string(random.below(60), 'v') + "\r\n";
  head += "\r\n";
  BlockPool pool;
  Arena arena;
  Buffer input(pool);
  HeadScan scan;
  scan.begin(Block::Request);
  const HeadScan::Limits limits{64 * 1024, 200, true};
  auto state = State::More;
  for (size_t at = 0; at < head.size();) {
    const size_t n = std::min<size_t>(1 + random.below(40), head.size() - at);
    Buffer crumb(pool);
    crumb.append(std::string_view(head).substr(at, n));
    input.append(std::move(crumb));  // a slice and a block of its own
    at += n;
    ASSERT_EQ(state, State::More);
    state = scan.scan(input, limits);
  }
  ASSERT_EQ(state, State::Whole);
  EXPECT_EQ(scan.copy(input, arena), head);
}

}  // namespace
}  // namespace outrider::http
