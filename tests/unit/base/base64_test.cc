#include "base/base64.h"

#include <gtest/gtest.h>

namespace outrider {
namespace {

TEST(Base64Text, BothFormsReadBackWhateverTheBytesAre) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    for (const Base64 form : {Base64::Padded, Base64::Url})
      EXPECT_EQ(decode_base64(encode_base64(bytes, form), form), bytes) << i;
    bytes += char(i * 7);
  }
  EXPECT_EQ(encode_base64("fo", Base64::Padded), "Zm8=");
  EXPECT_EQ(encode_base64("fo", Base64::Url), "Zm8");
  EXPECT_EQ(encode_base64("\xfb\xff", Base64::Padded), "+/8=");
  EXPECT_EQ(encode_base64("\xfb\xff", Base64::Url), "-_8");
}

TEST(Base64Text, OneTextAloneStandsForSomeBytes) {
  for (const char* text : {"Zm8", "Zm9", "Zm8==", "Zg=", "Z", "====", "=Zm8", "Zm8=Zm8=", "Zm8\n", " Zm8", "Zm-_", "Zn8=x"})
    EXPECT_FALSE(decode_base64(text, Base64::Padded)) << text;
  for (const char* text : {"Zm8=", "Zm9", "Z", "Zm+/", "Zm 8"}) EXPECT_FALSE(decode_base64(text, Base64::Url)) << text;
  EXPECT_EQ(decode_base64("", Base64::Padded), "");
  EXPECT_EQ(decode_base64("", Base64::Url), "");
}

}  // namespace
}  // namespace outrider
