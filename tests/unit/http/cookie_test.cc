#include "http/cookie.h"

#include <gtest/gtest.h>

#include "base/arena.h"

namespace outrider::http {
namespace {

std::string found(std::initializer_list<std::string_view> cookies, std::string_view name) {
  Arena arena;
  HeaderMap headers(arena);
  headers.add("Host", "a");
  for (const auto value : cookies) headers.add("Cookie", value);
  return std::string(find_cookie(headers, name).value_or("none"));
}

TEST(Cookie, IsFoundByItsWholeName) {
  EXPECT_EQ(found({"a=1; sid=x=y; sidx=2"}, "sid"), "x=y");
  EXPECT_EQ(found({"a=1; sid=x=y; sidx=2"}, "sidx"), "2");
  EXPECT_EQ(found({"a=1"}, "A"), "none");
  EXPECT_EQ(found({}, "a"), "none");
}

TEST(Cookie, TheFirstOfANameCounts) {
  EXPECT_EQ(found({"a=1; b=2; a=3"}, "a"), "1");
  EXPECT_EQ(found({"b=2", "a=3"}, "a"), "3");
}

TEST(Cookie, WhatIsNoPairIsPassedOver) {
  EXPECT_EQ(found({"; ;=;a; b = 2 ;"}, "b"), "2");
  EXPECT_EQ(found({"a; a=1"}, "a"), "");
  EXPECT_EQ(found({""}, "a"), "none");
}

}  // namespace
}  // namespace outrider::http
