#include "upstream/grpc_health.h"

#include <gtest/gtest.h>

namespace outrider::upstream {
namespace {

std::string framed(std::string_view message, char compressed = 0) {
  std::string out(1, compressed);
  for (int shift = 24; shift >= 0; shift -= 8) out += char(message.size() >> shift);
  return out.append(message);
}

TEST(GrpcHealth, TheQuestionNamesTheService) {
  EXPECT_EQ(grpc_health_question(""), framed(""));
  EXPECT_EQ(grpc_health_question("shop.Cart"), framed("\x0a\x09shop.Cart"));
  const std::string longer(300, 's');
  EXPECT_EQ(grpc_health_question(longer), framed("\x0a\xac\x02" + longer));
}

TEST(GrpcHealth, OnlyServingIsServing) {
  EXPECT_TRUE(says_serving(framed("\x08\x01")));
  for (const char* other : {"\x08\x02", "\x08\x03", "\x08\x81\x01"}) EXPECT_FALSE(says_serving(framed(other)));
  EXPECT_FALSE(says_serving(framed("")));  // UNKNOWN
}

TEST(GrpcHealth, FieldsOfOtherVersionsArePassedOver) {
  const std::string others(
      "\x12\x03\x08\x02x\x18\x80\x01\x21"
      "12345678\x2d"
      "1234",
      22);
  EXPECT_TRUE(says_serving(framed(others + "\x08\x01")));
  EXPECT_TRUE(says_serving(framed("\x08\x01" + others)));
}

TEST(GrpcHealth, WhatIsCutOrCompressedIsNoAnswer) {
  const std::string whole = framed(
      "\x12\x03"
      "abc\x08\x01");
  ASSERT_TRUE(says_serving(whole));
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(says_serving(whole.substr(0, n))) << n;
  EXPECT_FALSE(says_serving(whole + "x"));
  EXPECT_FALSE(says_serving(framed("\x08\x01", 1)));
  for (const char* bad : {"\x0b\x08\x01", "\x08", "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x80"})
    EXPECT_FALSE(says_serving(framed(bad)));
}

}  // namespace
}  // namespace outrider::upstream
