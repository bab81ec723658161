#include "tests/support/seat.h"

namespace outrider::filters {
namespace {

constexpr const char* kDenied = "403 csrf foreign_origin";

std::string said(http::Method method, std::vector<std::pair<std::string, std::string>> fields) {
  const auto csrf = test::made("csrf", "{origins: [\"https://*.partner.test\"]}");
  test::Seat seat;
  seat.request().method = method;
  seat.request().authority = "shop.test";
  for (const auto& [name, value] : fields) seat.request().headers.add(name, value);
  (void)csrf->on_request(seat);
  return seat.said;
}

TEST(Csrf, ARequestThatChangesNothingMayComeFromAnywhere) {
  EXPECT_EQ(said(http::Method::Get, {{"Origin", "https://evil.test"}, {"Sec-Fetch-Site", "cross-site"}}), "");
}

TEST(Csrf, WhatBrowsersSayOfTheSiteCounts) {
  EXPECT_EQ(said(http::Method::Post, {{"Sec-Fetch-Site", "same-origin"}}), "");
  EXPECT_EQ(said(http::Method::Post, {{"Sec-Fetch-Site", "none"}}), "");
  EXPECT_EQ(said(http::Method::Post, {{"Sec-Fetch-Site", "cross-site"}}), kDenied);
  EXPECT_EQ(said(http::Method::Post, {{"Sec-Fetch-Site", "same-site"}}), kDenied);
  EXPECT_EQ(said(http::Method::Delete, {{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://shop.test"}}), kDenied);
}

TEST(Csrf, OfOlderBrowsersTheOriginCounts) {
  EXPECT_EQ(said(http::Method::Post, {{"Origin", "https://shop.test"}}), "");
  EXPECT_EQ(said(http::Method::Post, {{"Origin", "https://evil.test"}}), kDenied);
  EXPECT_EQ(said(http::Method::Post, {{"Origin", "null"}}), kDenied);
}

TEST(Csrf, WhoIsTrustedMay) {
  EXPECT_EQ(said(http::Method::Post, {{"Origin", "https://a.partner.test"}, {"Sec-Fetch-Site", "cross-site"}}), "");
  EXPECT_EQ(said(http::Method::Post, {{"Origin", "http://a.partner.test"}, {"Sec-Fetch-Site", "cross-site"}}), kDenied);
  EXPECT_EQ(said(http::Method::Post, {{"Origin", "https://partner.test"}, {"Sec-Fetch-Site", "cross-site"}}), kDenied);
}

TEST(Csrf, WhoIsNoBrowserMay) { EXPECT_EQ(said(http::Method::Post, {}), ""); }

TEST(Csrf, SaysWhatIsNoOrigin) {
  for (const char* origin : {"shop.test", "https://shop.test/", "HTTPS://shop.test", "*", "https://a*.test", "https://"})
    EXPECT_NE(test::complaint_of("csrf", std::string("{origins: [\"") + origin + "\"]}"), "") << origin;
}

}  // namespace
}  // namespace outrider::filters
