// Which exchanges the filter picks, and what options say of it. What watchers see of them is in tests/integration/tap_test.cc.

#include <gtest/gtest.h>

#include "filter/tap_match.h"
#include "tests/support/seat.h"

namespace outrider::filters {
namespace {

using test::complaint_of;
using test::made;

struct Seat final : test::Seat {
  Seat() {
    request().method_text = "GET";
    request().authority = "shop.test:8080";
    request().path = "/cart/1?x=2";
  }
  bool watched() const override { return watching; }
  void tap(const filter::Tapping& how) override { picked = &how; }
  bool watching = true;
  const filter::Tapping* picked = nullptr;
};

const filter::Tapping* picked(const std::string& options, std::string_view name = {}, std::string_view value = {}) {
  static std::vector<std::unique_ptr<const filter::Filter>> kept;  // what is picked lives as long as its filter
  kept.push_back(made("tap", options));
  Seat seat;
  if (!name.empty()) seat.request().headers.add(name, value);
  EXPECT_EQ(kept.back()->on_request(seat), filter::Verdict::Continue);
  EXPECT_EQ(seat.said, "");
  return seat.picked;
}

TEST(TapFilter, PicksWhatMatchesAndGoesOn) {
  EXPECT_TRUE(picked("{}"));
  EXPECT_EQ(picked("{}")->max, 100u);
  EXPECT_TRUE(picked("{match: {header: {x-tap: \"1\"}}, max: 7, to: admin}", "X-Tap", "1"));
  EXPECT_FALSE(picked("{match: {header: {x-tap: \"1\"}}}", "X-Tap", "2"));
  EXPECT_FALSE(picked("{match: {header: {x-tap: \"1\"}}}"));
  EXPECT_TRUE(picked("{match: {header: {x-tap: {present: true}}}}", "X-Tap", "2"));
  EXPECT_FALSE(picked("{match: {header: {x-tap: {present: true}}}}"));
  EXPECT_TRUE(picked("{match: {method: [POST, GET], prefix: /cart, host: shop.test}}"));
  EXPECT_FALSE(picked("{match: {method: [POST, PUT], prefix: /cart}}"));
  EXPECT_FALSE(picked("{match: {prefix: /car}}"));
  EXPECT_TRUE(picked("{match: {status: 5xx}}")) << "which is known at the end";
}

TEST(TapFilter, DoesNothingWhileNobodyWatches) {
  Seat seat;
  seat.watching = false;
  EXPECT_EQ(made("tap", "{}")->on_request(seat), filter::Verdict::Continue);
  EXPECT_FALSE(seat.picked);
}

TEST(TapFilter, SaysWhatIsWrong) {
  EXPECT_EQ(complaint_of("tap", "{of: x}"), "of: unknown key; there are: match, max, to");
  EXPECT_EQ(complaint_of("tap", "{max: 0}"), "max: expected a number from 1 to 10000, got \"0\"");
  EXPECT_EQ(complaint_of("tap", "{to: file}"), "to: expected admin, which is where they are watched; got \"file\"");
  EXPECT_EQ(complaint_of("tap", "{match: all}"), "match: expected a map");
  EXPECT_EQ(complaint_of("tap", "{match: {colour: red}}"),
            "match: \"colour\" is nothing to match by; there are: method, host, prefix, path, header, status, grpc_status, "
            "cluster, service, route, listener, flag, peer, slower");
  EXPECT_EQ(complaint_of("tap", "{match: {status: high}}"),
            "match: status: expected a status like 404, 5xx or 400-403, got \"high\"");
  EXPECT_EQ(complaint_of("tap", "{match: {status: {a: b}}}"), "match.status: expected a text, or a list of texts");
  EXPECT_EQ(complaint_of("tap", "{match: {header: x}}"),
            "match.header: expected a map of names and texts, or NAME: {present: true}");
  EXPECT_EQ(complaint_of("tap", "{match: {header: {\"a b\": x}}}"), "match: header: expected NAME or NAME:VALUE, got \"a b:x\"");
}

}  // namespace
}  // namespace outrider::filters
