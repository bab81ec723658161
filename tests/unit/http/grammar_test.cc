#include "http/grammar.h"

#include <gtest/gtest.h>

#include <string>

namespace outrider::http {
namespace {

TEST(Grammar, TokensAreMadeOfTokenCharacters) {
  for (const char* token : {"a", "GET", "X-1", "!#$%&'*+-.^_`|~", "0"}) EXPECT_TRUE(is_token(token)) << token;
  for (const char* other : {"", "a b", "a\t", "a:", "(a)", "a,b", "a/b", "a=b", "\x80", "\"a\"", "a\r", "{}", "[]", "@"})
    EXPECT_FALSE(is_token(other)) << other;
}

// Every byte at every place of the eight that are looked at together.
TEST(Grammar, FieldValuesHoldNoControlCharacterButTab) {
  for (int c = 0; c < 256; ++c) {
    const bool fine = c == '\t' || (c >= 0x20 && c != 0x7f);
    for (size_t length : {1u, 7u, 8u, 9u, 16u, 23u})
      for (size_t at = 0; at < length; ++at) {
        std::string value(length, 'v');
        value[at] = char(c);
        ASSERT_EQ(is_field_value(value), fine) << "byte " << c << " at " << at << " of " << length;
      }
  }
  EXPECT_TRUE(is_field_value(""));
  EXPECT_TRUE(is_field_value("\xff\x80 high bytes are text"));
}

TEST(Grammar, TargetsAreVisible) {
  EXPECT_TRUE(is_target("/a?b=c%20d"));
  for (const char* bad : {"", "/a b", "/a\t", "/\x80", "/\x7f", "/\r"}) EXPECT_FALSE(is_target(bad)) << bad;
}

TEST(Grammar, AuthoritiesAreAHostAndAPort) {
  for (const char* good :
       {"", "a", "a.b-c_d:80", "1.2.3.4:0", "a:", ":80", "[::1]", "[::1]:443", "[v1.x]", "%41", "a:65535", "a;b=c"})
    EXPECT_TRUE(is_authority(good)) << good;
  for (const char* bad : {"a b", "a/b", "a@b", "a:b", "a:80:80", "::1", "[]", "[::1", "[::1]x", "[::1]:x", "[::1]]", "a:65536",
                          "a:-1", "a:080808", "a\\b", "a?b", "a#b", "\"a\"", "\x80"})
    EXPECT_FALSE(is_authority(bad)) << bad;
}

TEST(Grammar, StatusLines) {
  StatusLine line;
  EXPECT_FALSE(read_status_line("HTTP/1.1 200 OK", line));
  EXPECT_EQ(line.status, 200);
  EXPECT_EQ(line.reason, "OK");
  EXPECT_FALSE(read_status_line("HTTP/1.0 404  two words ", line));
  EXPECT_EQ(line.version, Version::Http10);
  EXPECT_EQ(line.reason, " two words ");
  EXPECT_FALSE(read_status_line("HTTP/1.1 999", line));
  EXPECT_EQ(line.reason, "");
  for (const char* bad : {"", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 20x OK", "HTTP/1.1 099 No",
                          "HTTP/1.1\t200", "HTTP/3.0 200 OK", "HTTP/1.1 200\tOK"})
    EXPECT_TRUE(read_status_line(bad, line)) << bad;
}

TEST(Message, MethodsAreReadWithTheirCase) {
  EXPECT_EQ(method_of("GET"), Method::Get);
  EXPECT_EQ(method_of("get"), Method::Other);
  EXPECT_EQ(method_of("OPTIONS"), Method::Options);
  EXPECT_EQ(method_of("PROPFIND"), Method::Other);
  EXPECT_EQ(method_of(""), Method::Other);
  EXPECT_TRUE(is_idempotent(Method::Put));
  EXPECT_FALSE(is_idempotent(Method::Post));
  EXPECT_FALSE(is_idempotent(Method::Patch));
  EXPECT_FALSE(is_idempotent(Method::Other));
}

TEST(Message, PhrasesOfStatusCodes) {
  EXPECT_EQ(reason_of(100), "Continue");
  EXPECT_EQ(reason_of(200), "OK");
  EXPECT_EQ(reason_of(431), "Request Header Fields Too Large");
  EXPECT_EQ(reason_of(511), "Network Authentication Required");
  EXPECT_EQ(reason_of(299), "");
  EXPECT_EQ(reason_of(0), "");
  EXPECT_EQ(reason_of(65535), "");
  for (const uint16_t none : {100, 103, 204, 304}) EXPECT_FALSE(may_have_body(none)) << none;
  for (const uint16_t some : {200, 206, 301, 404, 500}) EXPECT_TRUE(may_have_body(some)) << some;
}

}  // namespace
}  // namespace outrider::http
