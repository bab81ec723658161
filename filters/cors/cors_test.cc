#include "tests/support/seat.h"

namespace outrider::filters {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

// What is said and set: "403 ...", then the fields of the answer.
struct Asked {
  Asked(const std::string& options, http::Method method, const Fields& fields) {
    const auto cors = test::made("cors", options);
    seat.request().method = method;
    for (const auto& [name, value] : fields) seat.request().headers.add(name, value);
    (void)cors->on_request(seat);
    (void)cors->on_response(seat);
  }
  std::string set(const char* name) { return std::string(seat.response().headers.value(name)); }
  test::Seat seat;
};

const std::string kShop =
    "{origins: [\"https://shop.test\"], methods: [GET, POST], headers: [authorization], expose: [x-id], credentials: on, max_age: 1h}";

TEST(Cors, APageThatMayIsTold) {
  Asked asked(kShop, http::Method::Get, {{"Origin", "https://shop.test"}});
  EXPECT_EQ(asked.seat.said, "");
  EXPECT_EQ(asked.set("access-control-allow-origin"), "https://shop.test");
  EXPECT_EQ(asked.set("access-control-allow-credentials"), "true");
  EXPECT_EQ(asked.set("access-control-expose-headers"), "x-id");
  EXPECT_EQ(asked.set("vary"), "origin");
}

TEST(Cors, APageThatMayNotIsToldNothingAndCachesKnow) {
  Asked asked(kShop, http::Method::Get, {{"Origin", "https://evil.test"}});
  EXPECT_EQ(asked.seat.said, "");
  EXPECT_EQ(asked.set("access-control-allow-origin"), "");
  EXPECT_EQ(asked.set("vary"), "origin");
  Asked none(kShop, http::Method::Get, {});
  EXPECT_EQ(none.set("access-control-allow-origin"), "");
  EXPECT_EQ(none.set("vary"), "origin");
}

TEST(Cors, APreflightIsAnsweredHere) {
  Asked asked(kShop, http::Method::Options, {{"Origin", "https://shop.test"}, {"Access-Control-Request-Method", "POST"}});
  EXPECT_EQ(asked.seat.said, "204 ");
  EXPECT_EQ(asked.set("access-control-allow-methods"), "GET, POST");
  EXPECT_EQ(asked.set("access-control-allow-headers"), "authorization");
  EXPECT_EQ(asked.set("access-control-max-age"), "3600");
  Asked other(kShop, http::Method::Options, {{"Origin", "https://evil.test"}, {"Access-Control-Request-Method", "POST"}});
  EXPECT_EQ(other.seat.said, "403 cors foreign_origin");
  Asked plain(kShop, http::Method::Options, {{"Origin", "https://shop.test"}});
  EXPECT_EQ(plain.seat.said, "") << "OPTIONS of somebody who asks for himself";
}

TEST(Cors, EveryOriginIsAStar) {
  Asked asked("{origins: [\"*\"]}", http::Method::Get, {{"Origin", "https://any.test"}});
  EXPECT_EQ(asked.set("access-control-allow-origin"), "*");
  EXPECT_EQ(asked.set("vary"), "");
}

TEST(Cors, SaysWhatIsWrongWithItsOptions) {
  EXPECT_EQ(test::complaint_of("cors", "{}"), "origins: whose pages? origins: [\"https://shop.example.com\"]");
  EXPECT_EQ(test::complaint_of("cors", "{origins: [\"*\"], credentials: on}"),
            "credentials: not for pages of every origin; list them");
  EXPECT_EQ(test::complaint_of("cors", "{origins: [\"*\"], max_age: 5}"), "max_age: expected a duration like 1h, got \"5\"");
  EXPECT_EQ(test::complaint_of("cors", "{origins: [\"*\"], methods: [\"G T\"]}"), "methods: no name: \"G T\"");
}

}  // namespace
}  // namespace outrider::filters
