#include "http/voice.h"

#include <gtest/gtest.h>

#include <string>

namespace outrider::http {
namespace {

struct Heard {
  std::string bytes;
  Voice voice;
};

const std::vector<Heard>& table() {
  using namespace std::string_literals;
  static const std::vector<Heard> kTable{
      {"GET / HTTP/1.1\r\n", Voice::Http1},
      {"OPTIONS * HTTP/1.1\r\n", Voice::Http1},
      {"GET garbage that is HTTP's to refuse\x01", Voice::Http1},
      {"\r\nPOST /", Voice::Http1},
      {"BREW /pot HTTP/1.1\r\n", Voice::Http1},
      {"BREW /pot HTTP/2.0\n", Voice::Http1},
      {"BREW /pot\r\n", Voice::Other},
      {"P", Voice::Unknown},
      {"PO", Voice::Likely},
      {"GE", Voice::Likely},
      {"CONNECT", Voice::Likely},
      {"\r\n", Voice::Likely},
      {"", Voice::Unknown},
      {"GETTING ON", Voice::Unlikely},
      {"get key\r\n", Voice::Other},                  // memcached
      {"*1\r\n$4\r\nPING\r\n", Voice::Other},         // RESP
      {"\0\0\0\x08\x04\xd2\x16\x2f"s, Voice::Other},  // an SSLRequest of PostgreSQL
      {"SSH-2.0-OpenSSH_9.2\r\n", Voice::Other},
      {"EHLO there\r\n", Voice::Other},
      {"\x80\x01", Voice::Other},
      {std::string(kVoiceBytes, 'x'), Voice::Other},
      {std::string(kVoiceBytes - 1, 'x'), Voice::Unlikely},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Voice::Http2},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand more", Voice::Http2},
      {"PRI * HTTP/2.0\r\n\r\nS", Voice::Unknown},
      {"PRI * HTTP/1.1\r\n", Voice::Http1},
      {"\x16\x03\x01\x02\x00\x01\x00"s, Voice::Tls},
      {"\x16\x03\x01\x02\x00"s, Voice::Unknown},
      {"\x16\x03\x01\x02\x00\x02"s, Voice::Other},  // a ServerHello
      {"\x16\x02", Voice::Other},
  };
  return kTable;
}

TEST(Voice, IsToldFromTheFirstBytes) {
  for (const auto& [bytes, voice] : table()) EXPECT_EQ(int(voice_of(bytes)), int(voice)) << testing::PrintToString(bytes);
}

// However the bytes come: a verdict stands.
TEST(Voice, AVerdictStandsWhateverFollows) {
  for (const auto& [bytes, voice] : table()) {
    Voice verdict = Voice::Unknown;
    for (size_t n = 0; n <= bytes.size(); ++n) {
      const Voice now = voice_of(std::string_view(bytes).substr(0, n));
      if (verdict > Voice::Unlikely) ASSERT_EQ(int(now), int(verdict)) << n << " of " << testing::PrintToString(bytes);
      verdict = now;
    }
  }
}

}  // namespace
}  // namespace outrider::http
