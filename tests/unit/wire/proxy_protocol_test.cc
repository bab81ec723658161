// Headers of PROXY protocol: every form there is, and what is none.

#include "wire/proxy_protocol.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

namespace outrider::wire {
namespace {

using State = ProxyHeader::State;

// From a block of exactly this size: what reads too far is seen by the sanitizers.
ProxyHeader read(std::string_view bytes) {
  const std::unique_ptr<char[]> exact(new char[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  return read_proxy_header({exact.get(), bytes.size()});
}

std::string text_of(const net::Address& address) { return address.valid() ? address.text() : "-"; }

// "v1 192.0.2.1:80 198.51.100.1:443"; "malformed v1_port"; "absent"; "partial", "begun".
std::string line(std::string_view bytes) {
  const ProxyHeader header = read(bytes);
  switch (header.state) {
    case State::Whole:
      return std::string(header.kind) + " " + text_of(header.told.source) + " " + text_of(header.told.destination);
    case State::Malformed: return std::string("malformed ") + header.why;
    case State::Absent: return "absent";
    case State::Partial: return header.begun ? "begun" : "partial";
  }
  return "";
}

// Byte by byte: no verdict before it is sure, none that is taken back, and nothing behind the header matters.
void expect_steady(const std::string& bytes) {
  const std::string whole = line(bytes);
  const bool is_whole = read(bytes).state == State::Whole;
  bool begun = false;
  for (size_t n = 0; n < bytes.size(); ++n) {
    const ProxyHeader now = read(std::string_view(bytes).substr(0, n));
    if (now.state == State::Partial) {
      EXPECT_TRUE(now.begun || !begun) << n;
      begun = now.begun;
      EXPECT_LT(n, kProxyHeaderBytes);
      continue;
    }
    EXPECT_EQ(line(std::string_view(bytes).substr(0, n)), whole) << n;
    if (is_whole) EXPECT_GE(n, read(bytes).size);
  }
  if (is_whole) {
    EXPECT_EQ(line(bytes + "GET / HTTP/1.1\r\n\r\n"), whole);
    EXPECT_EQ(read(bytes + "more").size, read(bytes).size);
  }
}

TEST(ProxyProtocolV1, EveryForm) {
  const std::string v6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const std::pair<std::string, std::string> table[] = {
      {"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", "v1 192.0.2.1:56324 198.51.100.7:443"},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "v1 255.255.255.255:65535 255.255.255.255:65535"},
      {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "v1 0.0.0.0:0 0.0.0.0:0"},
      {"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "v1 [2001:db8::1]:1 [::1]:2"},
      {"PROXY TCP6 " + v6 + " " + v6 + " 65535 65535\r\n", "v1 [" + v6 + "]:65535 [" + v6 + "]:65535"},
      {"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", "v1 192.0.2.1:1 192.0.2.2:2"},
      {"PROXY UNKNOWN\r\n", "unknown - -"},
      {"PROXY UNKNOWN " + v6 + " " + v6 + " 65535 65535\r\n", "unknown - -"},  // the longest of all, 107 bytes
      {"PROXY UNKNOWN anything, it is passed over\r\n", "unknown - -"},
  };
  for (const auto& [bytes, expected] : table) {
    EXPECT_EQ(line(bytes), expected) << bytes;
    EXPECT_EQ(read(bytes).size, bytes.size()) << bytes;
    expect_steady(bytes);
  }
  EXPECT_EQ(table[7].first.size(), 107u);
}

TEST(ProxyProtocolV1, WhatBreaksIt) {
  const std::pair<std::string, std::string> table[] = {
      {"PROXY \r\n", "v1_protocol"},
      {"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "v1_protocol"},
      {"PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n", "v1_protocol"},
      {"PROXY UNKNOWNS\r\n", "v1_protocol"},
      {"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "v1_protocol"},
      {"PROXY / HTTP/1.1\r\n", "v1_protocol"},
      {"PROXY TCP4\r\n", "v1_line"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "v1_line"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "v1_line"},
      {"PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n", "v1_line"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", "v1_line"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "v1_line"},
      {std::string("PROXY TCP4 192.0.2.1\0x 192.0.2.2 1 2\r\n", 39), "v1_line"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", "v1_port"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "v1_port"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n", "v1_port"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n", "v1_port"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n", "v1_port"},
      {"PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", "v1_address"},
      {"PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n", "v1_address"},
      {"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n", "v1_address"},
      {"PROXY TCP4 ::1 ::1 1 2\r\n", "v1_address"},
      {"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "v1_address"},
      {"PROXY TCP6 fe80::1%lo ::1 1 2\r\n", "v1_address"},
      {"PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n", "v1_address"},
      {"PROXY TCP4 localhost 192.0.2.2 1 2\r\n", "v1_address"},
      {"PROXY UNKNOWN " + std::string(92, 'x') + "\r\n", "v1_too_long"},  // 108
      {"PROXY " + std::string(200, 'x'), "v1_too_long"},
  };
  for (const auto& [bytes, why] : table) {
    EXPECT_EQ(line(bytes), "malformed " + why) << bytes;
    expect_steady(bytes);
  }
  EXPECT_EQ(line("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n"), "unknown - -") << "107";
  EXPECT_EQ(line("PROXY " + std::string(100, 'x')), "begun") << "106, and an end may come";
}

// --- version 2 ---------------------------------------------------------------------------------------------------------

std::string be16(size_t n) { return {char(n >> 8), char(n)}; }
std::string v2(int command, int family, const std::string& rest) {
  return std::string("\r\n\r\n\0\r\nQUIT\n", 12) + char(command) + char(family) + be16(rest.size()) + rest;
}
std::string tlv(int type, const std::string& value) { return char(type) + be16(value.size()) + value; }
const std::string kV4("\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb", 12);
const std::string kV6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + '\x01' + std::string(15, '\0') + '\x01' +
                        std::string("\x00\x01\x00\x02", 4);
const std::string kUnix = "/run/client.sock" + std::string(92, '\0') + "/run/x" + std::string(102, '\0');
const std::string kToldV4 = "v2 192.0.2.1:56324 198.51.100.7:443";

TEST(ProxyProtocolV2, EveryForm) {
  const std::pair<std::string, std::string> table[] = {
      {v2(0x21, 0x11, kV4), kToldV4},
      {v2(0x21, 0x21, kV6), "v2 [2001:db8::1]:1 [::1]:2"},
      {v2(0x21, 0x31, kUnix), "unknown - -"},
      {v2(0x21, 0x32, kUnix), "unknown - -"},
      {v2(0x21, 0x12, kV4), "unknown - -"},  // datagrams
      {v2(0x21, 0x22, kV6), "unknown - -"},
      {v2(0x21, 0x00, ""), "unknown - -"},
      {v2(0x21, 0x00, "whatever it is"), "unknown - -"},
      {v2(0x20, 0x00, ""), "local - -"},
      {v2(0x20, 0x11, kV4), "local - -"},        // the addresses of a check are discarded,
      {v2(0x20, 0xff, "garbage"), "local - -"},  // and so is whatever family it names
      {v2(0x21, 0x11, kV4 + tlv(0x04, "")), kToldV4},
      {v2(0x21, 0x11, kV4 + tlv(0x04, std::string(100, 'x'))), kToldV4},
      {v2(0x21, 0x11, kV4 + tlv(0x05, std::string(128, 'u')) + tlv(0x30, "netns")), kToldV4},
      {v2(0x21, 0x11, kV4 + tlv(0xe0, "vendor") + tlv(0xff, "")), kToldV4},
      {v2(0x21, 0x11, kV4 + tlv(0x04, std::string(4096 - 16 - 12 - 3, 'x'))), kToldV4},
  };
  for (const auto& [bytes, expected] : table) {
    EXPECT_EQ(line(bytes), expected) << testing::PrintToString(bytes);
    EXPECT_EQ(read(bytes).size, bytes.size());
    expect_steady(bytes);
  }
}

TEST(ProxyProtocolV2, WhatBreaksIt) {
  const std::string cut = tlv(0x04, "four");
  const std::pair<std::string, std::string> table[] = {
      {v2(0x11, 0x11, kV4), "v2_version"},
      {v2(0x31, 0x11, kV4), "v2_version"},
      {v2(0x01, 0x11, kV4), "v2_version"},
      {v2(0x22, 0x11, kV4), "v2_command"},
      {v2(0x2f, 0x11, kV4), "v2_command"},
      {v2(0x21, 0x41, kUnix), "v2_family"},
      {v2(0x21, 0xf1, kUnix), "v2_family"},
      {v2(0x21, 0x13, kV4), "v2_family"},
      {v2(0x21, 0x11, kV4.substr(1)), "v2_address"},
      {v2(0x21, 0x21, kV4), "v2_address"},
      {v2(0x21, 0x31, kUnix.substr(1)), "v2_address"},
      {v2(0x21, 0x11, ""), "v2_address"},
      {v2(0x21, 0x11, kV4 + cut.substr(0, 1)), "v2_tlv"},
      {v2(0x21, 0x11, kV4 + cut.substr(0, 2)), "v2_tlv"},
      {v2(0x21, 0x11, kV4 + cut.substr(0, 6)), "v2_tlv"},
      {v2(0x21, 0x11, kV4 + tlv(0x03, "abc")), "v2_tlv"},
      {v2(0x21, 0x11, kV4 + tlv(0x03, "abcd")), "v2_checksum"},
      {v2(0x21, 0x11, kV4 + tlv(0x20, "\x01")), "v2_tlv"},
      {v2(0x21, 0x11, kV4 + tlv(0x20, std::string("\x01\0\0\0\0", 5) + "x")), "v2_tlv"},
      {v2(0x21, 0x11, kV4 + tlv(0x04, std::string(4096 - 16 - 12 - 2, 'x'))), "v2_too_long"},
      {v2(0x20, 0x00, std::string(65535, 'x')).substr(0, 100), "v2_too_long"},
  };
  for (const auto& [bytes, why] : table) {
    EXPECT_EQ(line(bytes), "malformed " + why) << testing::PrintToString(bytes.substr(0, 60));
    expect_steady(bytes);
  }
}

// Of RFC 3720, B.4, with the field of the sum itself at 0. HAProxy's is read in proxy_protocol/peers.py.
TEST(ProxyProtocolV2, TheChecksumIsCrc32cOfTheWholeHeader) {
  const auto crc32c = [](std::string_view bytes) {
    uint32_t crc = ~0u;
    for (const char c : bytes) {
      crc ^= uint8_t(c);
      for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
  };
  ASSERT_EQ(crc32c("123456789"), 0xe3069283u);
  std::string header = v2(0x21, 0x11, kV4 + tlv(0x03, std::string(4, '\0')) + tlv(0x02, "a.test"));
  const uint32_t sum = crc32c(header);
  for (int i = 0; i < 4; ++i) header[16 + 12 + 3 + size_t(i)] = char(sum >> (24 - 8 * i));
  EXPECT_EQ(line(header), kToldV4);
  EXPECT_EQ(read(header).told.server_name, "a.test");
  for (size_t at = 16; at < header.size(); ++at) {
    if (at == 28) continue;  // its type: then there is no sum
    std::string other = header;
    other[at] = char(other[at] ^ 1);
    EXPECT_EQ(read(other).state, State::Malformed) << at;
  }
}

TEST(ProxyProtocolV2, SaysWhatTlsAgreedOn) {
  const auto told = [](const std::string& tlvs) { return read(v2(0x21, 0x11, kV4 + tlvs)).told; };
  const std::string ssl("\x01\0\0\0\0", 5), with_cert("\x07\0\0\0\0", 5), bad_cert("\x07\0\0\0\1", 5), plain("\0\0\0\0\1", 5);
  const Relayed all =
      told(tlv(0x01, "h2") + tlv(0x02, "shop.test") + tlv(0x20, with_cert + tlv(0x21, "TLSv1.3") + tlv(0x22, "cn")));
  EXPECT_EQ(all.protocol, "h2");
  EXPECT_EQ(all.server_name, "shop.test");
  EXPECT_EQ(all.version, "TLSv1.3");
  EXPECT_TRUE(all.encrypted && all.certified);
  EXPECT_TRUE(told(tlv(0x20, ssl)).encrypted);
  EXPECT_FALSE(told(tlv(0x20, ssl)).certified);
  EXPECT_FALSE(told(tlv(0x20, bad_cert)).certified);
  EXPECT_FALSE(told(tlv(0x20, plain)).encrypted);
  EXPECT_EQ(told(tlv(0x02, std::string(300, 'x'))).server_name, "") << "no name of a host";
  EXPECT_FALSE(read(v2(0x21, 0x31, kUnix + tlv(0x20, ssl))).told.encrypted) << "of whom nothing else is told";
}

TEST(ProxyProtocol, WhatIsNone) {
  for (const std::string bytes : {"GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01", "proxy TCP4",
                                  "PROXYX", "POST", "\r\nGET / HTTP/1.1\r\n", "\r\n\r\n\r\n", "x"}) {
    EXPECT_EQ(line(bytes), "absent") << bytes;
    expect_steady(bytes);
  }
  EXPECT_EQ(line(std::string("\r\n\r\n\0\r\nQUIT\r", 12)), "absent");
  EXPECT_EQ(line(""), "partial");
  EXPECT_EQ(line("PROXY"), "partial") << "it may be PROXYING";
  EXPECT_EQ(line("PROXY "), "begun");
  EXPECT_EQ(line(v2(0x21, 0x11, kV4).substr(0, 11)), "partial");
  EXPECT_EQ(line(v2(0x21, 0x11, kV4).substr(0, 12)), "begun");
}

net::Address at(const std::string& text) { return *net::Address::parse(text); }

TEST(ProxyProtocol, WhatIsWrittenIsWhatIsRead) {
  const std::string far = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535";
  const std::tuple<std::string, std::string, std::string> table[] = {
      {"192.0.2.1:1", "198.51.100.7:443", "PROXY TCP4 192.0.2.1 198.51.100.7 1 443\r\n"},
      {"[2001:db8::1]:1", "[::1]:2", "PROXY TCP6 2001:db8::1 ::1 1 2\r\n"},
      {"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"},  // of a socket for both
      {"192.0.2.1:1", "[::1]:2", "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"},
      {far, far, ""},
  };
  for (const auto& [source, destination, v1] : table) {
    Relayed told{at(source), at(destination)};
    const std::string one = write_proxy_header(ProxyProtocol::V1, &told), two = write_proxy_header(ProxyProtocol::V2, &told);
    if (!v1.empty()) EXPECT_EQ(one, v1);
    EXPECT_LE(one.size(), 107u);
    for (const std::string& written : {one, two}) {
      const ProxyHeader back = read(written);
      ASSERT_EQ(back.state, State::Whole) << source;
      EXPECT_EQ(back.told.source.ip(), told.source.ip());
      EXPECT_EQ(back.told.destination.ip(), told.destination.ip());
      EXPECT_EQ(back.told.source.port(), told.source.port());
      EXPECT_EQ(back.told.destination.port(), told.destination.port());
    }
  }
}

TEST(ProxyProtocol, WhatIsKnownOfTlsIsWrittenToo) {
  Relayed told{at("192.0.2.1:1"), at("198.51.100.7:443"), true, true, "TLSv1.3", "shop.test", "h2"};
  const Relayed back = read(write_proxy_header(ProxyProtocol::V2, &told)).told;
  EXPECT_TRUE(back.encrypted && back.certified);
  EXPECT_EQ(back.version + " " + back.server_name + " " + back.protocol, "TLSv1.3 shop.test h2");
  told.certified = false;
  EXPECT_FALSE(read(write_proxy_header(ProxyProtocol::V2, &told)).told.certified);
  told.server_name = std::string(300, 'x');
  EXPECT_EQ(read(write_proxy_header(ProxyProtocol::V2, &told)).told.server_name, "");
}

TEST(ProxyProtocol, OfOurOwnConnectionsAndOfNobodysNothingIsTold) {
  EXPECT_EQ(write_proxy_header(ProxyProtocol::V1, nullptr), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(line(write_proxy_header(ProxyProtocol::V2, nullptr)), "local - -");
  EXPECT_EQ(write_proxy_header(ProxyProtocol::V2, nullptr).size(), 16u);
  const Relayed by_unix{at("unix:/run/a.sock"), at("unix:/run/b.sock")};
  EXPECT_EQ(write_proxy_header(ProxyProtocol::V1, &by_unix), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(line(write_proxy_header(ProxyProtocol::V2, &by_unix)), "unknown - -");
  EXPECT_EQ(write_proxy_header(ProxyProtocol::Off, &by_unix), "");
}

}  // namespace
}  // namespace outrider::wire
