// What a server of HTTP/1 refuses, and what it forgives where it was told to (RFC 9112).

#include "tests/unit/http/three_ways.h"

namespace outrider::http {
namespace {

struct Bad {
  const char* bytes;
  const char* event;
};

class H1ServerRefuses : public ::testing::TestWithParam<Bad> {};

TEST_P(H1ServerRefuses, AndAnswersOnce) {
  const auto t = requests(GetParam().bytes);
  EXPECT_EQ(t.events, std::string("reset ") + GetParam().event + "\n") << GetParam().bytes;
  EXPECT_NE(t.written.find("Connection: close\r\n\r\n"), std::string::npos);
  EXPECT_FALSE(t.reusable);
}

const Bad kBadHeads[] = {
    // the line (RFC 9112 3)
    {"GET\r\n\r\n", "bad_request_line 400"},
    {"GET /\r\n\r\n", "missing_version 400"},
    {"GET / \r\n\r\n", "bad_request_line 400"},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "bad_request_line 400"},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "bad_request_line 400"},
    {"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", "missing_version 400"},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "space_before_start_line 400"},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", "bad_request_line 400"},
    {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", "bad_request_line 400"},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "version_not_supported 505"},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "version_not_supported 505"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "version_not_supported 505"},
    {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "bad_method 400"},
    {"get / HTTP/1.1\r\nHost: a\r\n\r\n", "method_not_implemented 501"},
    {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "method_not_implemented 501"},
    {"SOURCE / HTTP/1.1\r\nHost: a\r\n\r\n", "method_not_implemented 501"},
    {"GET / ICE/1.0\r\nHost: a\r\n\r\n", "bad_request_line 400"},
    {"OPTIONS * RTSP/1.0\r\n\r\n", "bad_request_line 400"},
    // the target
    {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "fragment_in_target 400"},
    {"GET /a\x80 HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"GET http://u@b/ HTTP/1.1\r\nHost: b\r\n\r\n", "bad_target 400"},
    {"GET http://b:x/ HTTP/1.1\r\nHost: b\r\n\r\n", "bad_target 400"},
    {"GET ftp://b/ HTTP/1.1\r\nHost: b\r\n\r\n", "scheme_not_supported 400"},
    {"CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target 400"},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 3\r\n\r\nabc", "connect_with_body 400"},
    // the host (RFC 9112 3.2)
    {"GET / HTTP/1.1\r\n\r\n", "missing_host 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "duplicate_host 400"},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "bad_host 400"},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "bad_host 400"},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "bad_host 400"},
    {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", "bad_host 400"},
    {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "bad_host 400"},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "bad_host 400"},
    // fields (RFC 9112 5)
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "space_before_colon 400"},
    {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", "space_before_colon 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "bad_field_name 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", "empty_field_name 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX(: y\r\n\r\n", "bad_field_name 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", "bad_field_value 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", "bad_field_value 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n", "folded_line 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\tX: y\r\n\r\n", "folded_line 400"},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "folded_line 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n", "bare_lf 400"},
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", "bare_lf 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", "bare_lf 400"},
    {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bare_lf 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n", "bare_cr 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX:\rTransfer-Encoding: chunked\r\n\r\n", "bare_cr 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n", "bare_cr 400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", "bare_cr 400"},
    {"GET / HTTP/1.1\rHost: a\r\n\r\n", "bare_cr 400"},
    {"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bare_cr 400"},
    // framing (RFC 9112 6)
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "content_length_and_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
     "content_length_and_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "duplicate_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\ncontent-length: 4\r\n\r\nabc", "duplicate_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 0\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3.0\r\n\r\nabc", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 184467440737095516160\r\n\r\n", "bad_content_length 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "duplicate_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
     "duplicate_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", "bad_transfer_encoding 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
     "chunked\r\n\r\n0\r\n\r\n",
     "bad_field_value 400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "transfer_coding_not_implemented 501"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "transfer_encoding_in_http10 400"},
};

INSTANTIATE_TEST_SUITE_P(Heads, H1ServerRefuses, ::testing::ValuesIn(kBadHeads));

TEST(H1Server, ANulByteIsNoPartOfAHead) {
  using namespace std::string_literals;
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n"s).events, lines({"reset nul_byte 400"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n"s).events, lines({"reset nul_byte 400"}));
  EXPECT_EQ(requests("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s).events, lines({"reset bad_target 400"}));
}

TEST(H1Server, RefusesBrokenChunks) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string seen = "head POST / @a [Host: a] [Transfer-Encoding: chunked]\n";
  const Bad kBad[] = {
      {"0x1\r\nx\r\n", "bad_chunk_size 400"},
      {"-1\r\nx\r\n", "bad_chunk_size 400"},
      {"+1\r\nx\r\n", "bad_chunk_size 400"},
      {" 1\r\nx\r\n", "bad_chunk_size 400"},
      {"1 \r\nx\r\n", "bad_chunk_size 400"},
      {"1 ;e\r\nx\r\n", "bad_chunk_size 400"},
      {"1;\x01\r\nx\r\n", "bad_chunk_extension 400"},
      {"\r\nx\r\n", "bad_chunk_size 400"},
      {"g\r\nx\r\n", "bad_chunk_size 400"},
      {"1_0\r\nx\r\n", "bad_chunk_size 400"},
      {"1\nx\r\n", "bare_lf 400"},
      {"1;e\nx\r\n", "bare_lf 400"},
      {"1\r\r\nx\r\n", "bad_chunk_size 400"},
      {"1;a\r\r\nx\r\n", "bad_chunk_extension 400"},
      {";a\r\nx\r\n", "bad_chunk_size 400"},
      {"10000000000000000\r\nx\r\n", "bad_chunk_size 400"},
      {"fffffffffffffffff\r\nx\r\n", "bad_chunk_size 400"},
  };
  for (const Bad& bad : kBad) EXPECT_EQ(requests(head + bad.bytes).events, seen + "reset " + bad.event + "\n") << bad.bytes;
  EXPECT_EQ(requests(head + "1\r\nxy\r\n").events, seen + "body x\nreset bad_chunk_end 400\n");
  EXPECT_EQ(requests(head + "1\r\nx\n0\r\n\r\n").events, seen + "body x\nreset bad_chunk_end 400\n");
  EXPECT_EQ(requests(head + "1\r\nx0\r\n\r\n").events, seen + "body x\nreset bad_chunk_end 400\n");
  for (const Bad& bad : {Bad{"Content-Length: 3", "forbidden_trailer 400"}, Bad{"Transfer-Encoding: chunked", "bad_trailer 400"},
                         Bad{"Host: b", "forbidden_trailer 400"}, Bad{" X: y", "folded_line 400"},
                         Bad{"X : y", "bad_trailer 400"}, Bad{": y", "empty_field_name 400"}, Bad{"X: \x01", "bad_trailer 400"}})
    EXPECT_EQ(requests(head + "0\r\n" + bad.bytes + "\r\n\r\n").events, seen + "reset " + bad.event + "\n") << bad.bytes;
  EXPECT_EQ(requests(head + "0\r\nX: y\n\r\n").events, seen + "reset bare_lf 400\n");
  EXPECT_EQ(requests(head + "0\r\n\n").events, seen + "reset bare_lf 400\n");
}

// --- written leniently, where that was asked for ---------------------------------------------------------------------

TEST(H1Server, WhereToldToItForgivesLineEndsAndFolds) {
  ServerScript script;
  script.limits.strict = false;
  EXPECT_EQ(requests("GET / HTTP/1.1\nHost: a\nX: one\n  two\n\n", script).events,
            lines({"head GET / @a [Host: a] [X: one    two]", "end"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\nX: one\r\n\ttwo\r\n\r\n", script).events,
            lines({"head GET / @a [Host: a] [X: one  \ttwo]", "end"}));
  // What decides where a message ends is never forgiven.
  EXPECT_EQ(requests("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", script).events,
            lines({"reset content_length_and_transfer_encoding 400"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\nX:\rTransfer-Encoding: chunked\r\n\r\n", script).events,
            lines({"reset bare_cr 400"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost : a\r\n\r\n", script).events, lines({"reset space_before_colon 400"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\n Host: a\r\n\r\n", script).events, lines({"reset folded_line 400"}));
}

}  // namespace
}  // namespace outrider::http
