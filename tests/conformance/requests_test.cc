// RFC 9112 and the parts of RFC 9110 it leans on, from the side of a client.

#include "tests/conformance/table.h"

// clang-format off
namespace outrider::test {
namespace {

constexpr auto Kept = After::Kept;
constexpr auto Closed = After::Closed;

TEST(Requests, TheirLine) {
  check_all({
      {"a request is passed on", "3", "GET /a HTTP/1.1\r\nHost: web\r\n\r\n", "200", Kept, "GET /a"},
      {"the query goes with the path", "3.2.1", "GET /a?b=c&d=%41 HTTP/1.1\r\nHost: web\r\n\r\n", "200", Kept, "GET /a?b=c&d=%41"},
      {"a few blank lines before it are skipped", "2.2", "\r\n\r\nGET /a HTTP/1.1\r\nHost: web\r\n\r\n", "200", Kept, "GET /a"},
      {"more of them are not", "2.2", "\r\n\r\n\r\nGET /a HTTP/1.1\r\nHost: web\r\n\r\n", "400 blank_line", Closed},
      {"space before it", "2.2", " GET /a HTTP/1.1\r\nHost: web\r\n\r\n", "400 space_before_start_line", Closed},
      {"two spaces in it", "3", "GET  /a HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_request_line", Closed},
      {"a space in the target", "3.2", "GET /a b HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_request_line", Closed},
      {"a tab for a space", "3", "GET\t/a\tHTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_request_line", Closed},
      {"space behind it", "3", "GET /a HTTP/1.1 \r\nHost: web\r\n\r\n", "400 bad_request_line", Closed},
      {"no version, as in HTTP/0.9", "2.3", "GET /a\r\n\r\n", "400 missing_version", Closed},
      {"nothing but a word", "3", "HELLO\r\n\r\n", "400 bad_request_line", Closed},
      {"a version in lower case", "2.3", "GET /a http/1.1\r\nHost: web\r\n\r\n", "400 bad_request_line", Closed},
      {"a version of three digits", "2.3", "GET /a HTTP/1.10\r\nHost: web\r\n\r\n", "400 bad_request_line", Closed},
      {"a version yet to come", "2.3", "GET /a HTTP/3.0\r\nHost: web\r\n\r\n", "505 version_not_supported", Closed},
      {"the preface of HTTP/2 with an honest version", "RFC 9113 3.4", "PRI * HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_target", Closed},
      {"a method that is no token", "3.1", "GE(T /a HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_method", Closed},
      {"a method nobody knows", "3.1", "BREW /a HTTP/1.1\r\nHost: web\r\n\r\n", "501 method_not_implemented", Closed},
      {"a method in lower case is another", "3.1", "get /a HTTP/1.1\r\nHost: web\r\n\r\n", "501 method_not_implemented", Closed},
      {"another protocol's method", "3.1", "DESCRIBE /a RTSP/1.0\r\nCSeq: 1\r\n\r\n", "400 bad_request_line", Closed},
      {"TLS where none is spoken", "3", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 x\n", 15), "400 bare_lf", Closed},
  });
}

TEST(Requests, OfHttp2AreNoneWhereAListenerSpeaksHttp1Alone) {
  check_all({{"the preface of HTTP/2", "RFC 9113 3.4", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 version_not_supported", Closed}},
            "protocol: http1");
}

TEST(Requests, TheirTarget) {
  check_all({
      {"the absolute form names its own host", "3.2.2", "GET http://web/a HTTP/1.1\r\nHost: other\r\n\r\n", "200", Kept, "GET /a"},
      {"the absolute form without a path", "3.2.2", "GET http://web HTTP/1.1\r\nHost: web\r\n\r\n", "200", Kept, "GET /"},
      {"the absolute form still needs a Host", "3.2", "GET http://web/a HTTP/1.1\r\n\r\n", "400 missing_host", Closed},
      {"the absolute form with a user", "RFC 9110 4.2.4", "GET http://u:p@web/a HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_target", Closed},
      {"the absolute form of another scheme", "3.2.2", "GET gopher://web/a HTTP/1.1\r\nHost: web\r\n\r\n", "400 scheme_not_supported", Closed},
      {"an asterisk for OPTIONS", "3.2.4", "OPTIONS * HTTP/1.1\r\nHost: web\r\n\r\n", "200", Kept, "OPTIONS *"},
      {"an asterisk spelt out", "3.2.4", "OPTIONS http://web HTTP/1.1\r\nHost: web\r\n\r\n", "200", Kept, "OPTIONS *"},
      {"an asterisk for anything else", "3.2.4", "GET * HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_target", Closed},
      {"the authority form outside of CONNECT", "3.2.3", "GET web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n", "400 bad_target", Closed},
      {"a path without its slash", "3.2.1", "GET a HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_target", Closed},
      {"a fragment", "3.2", "GET /a#b HTTP/1.1\r\nHost: web\r\n\r\n", "400 fragment_in_target", Closed},
      {"bytes beyond ASCII", "3.2", "GET /\xc3\xa4 HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_target", Closed},
      {"a control character", "3.2", "GET /a\x01 HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_target", Closed},
      {"a path that leaves the root", "RFC 3986 5.2.4", "GET /../a HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_path", Closed},
      {"a path that leaves it in disguise", "RFC 3986 5.2.4", "GET /a/%2e%2E/../b HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_path", Closed},
      {"a path with a NUL", "RFC 3986 7.3", "GET /a%00b HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_path", Closed},
      {"a percent sign that says nothing", "RFC 3986 2.1", "GET /a%zz HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_path", Closed},
      {"a path is told in its normal form", "RFC 3986 6.2.2", "GET //a/./b/../%63%2F?q=../x HTTP/1.1\r\nHost: web\r\n\r\n", "200", Kept, "GET /a/c/?q=../x"},
  });
}

// HTTP/2 has no form for it (RFC 9113 8.3.1).
TEST(Requests, AnEmptyHost) {
  const std::string send = "GET /a HTTP/1.1\r\nHost:\r\n\r\n";
  check_over(false, {{"an empty one", "3.2", send, "200", Kept, "GET /a"}});
  check_over(true, {{"an empty one", "3.2", send, "502 stream_reset", Kept}});
}

TEST(Requests, TheirHost) {
  check_all({
      {"none", "3.2", "GET /a HTTP/1.1\r\n\r\n", "400 missing_host", Closed},
      {"two, the same", "3.2", "GET /a HTTP/1.1\r\nHost: web\r\nHost: web\r\n\r\n", "400 duplicate_host", Closed},
      {"two, different ones", "3.2", "GET /a HTTP/1.1\r\nHost: web\r\nHOST: other\r\n\r\n", "400 duplicate_host", Closed},
      {"a list", "3.2", "GET /a HTTP/1.1\r\nHost: web, other\r\n\r\n", "400 bad_host", Closed},
      {"with a path", "3.2", "GET /a HTTP/1.1\r\nHost: web/x\r\n\r\n", "400 bad_host", Closed},
      {"with a user", "3.2", "GET /a HTTP/1.1\r\nHost: u@web\r\n\r\n", "400 bad_host", Closed},
      {"with a port that is none", "3.2", "GET /a HTTP/1.1\r\nHost: web:http\r\n\r\n", "400 bad_host", Closed},
      {"with two ports", "3.2", "GET /a HTTP/1.1\r\nHost: web:80:80\r\n\r\n", "400 bad_host", Closed},
      {"a bracket left open", "3.2", "GET /a HTTP/1.1\r\nHost: [::1\r\n\r\n", "400 bad_host", Closed},
      {"an IPv6 address", "3.2", "GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200", Kept, "GET /a"},
  });
}

TEST(Requests, TheirFields) {
  using namespace std::string_literals;
  check_all({
      {"space before the colon", "5.1", "GET /a HTTP/1.1\r\nHost: web\r\nX : y\r\n\r\n", "400 space_before_colon", Closed},
      {"a tab before the colon", "5.1", "GET /a HTTP/1.1\r\nHost: web\r\nX\t: y\r\n\r\n", "400 space_before_colon", Closed},
      {"a folded line", "5.2", "GET /a HTTP/1.1\r\nHost: web\r\nX: y\r\n z\r\n\r\n", "400 folded_line", Closed},
      {"a line folded with a tab", "5.2", "GET /a HTTP/1.1\r\nHost: web\r\nX: y\r\n\tz\r\n\r\n", "400 folded_line", Closed},
      {"space before the first field", "2.2", "GET /a HTTP/1.1\r\n Host: web\r\n\r\n", "400 folded_line", Closed},
      {"no colon", "5", "GET /a HTTP/1.1\r\nHost: web\r\nnonsense\r\n\r\n", "400 bad_field_name", Closed},
      {"no name", "5", "GET /a HTTP/1.1\r\nHost: web\r\n: y\r\n\r\n", "400 empty_field_name", Closed},
      {"a name that is no token", "5.1", "GET /a HTTP/1.1\r\nHost: web\r\nX(y): z\r\n\r\n", "400 bad_field_name", Closed},
      {"a NUL in a value", "RFC 9110 5.5", "GET /a HTTP/1.1\r\nHost: web\r\nX: y\0z\r\n\r\n"s, "400 nul_byte", Closed},
      {"a NUL in a name", "5.1", "GET /a HTTP/1.1\r\nHost: web\r\nX\0: y\r\n\r\n"s, "400 nul_byte", Closed},
      {"a control character in a value", "RFC 9110 5.5", "GET /a HTTP/1.1\r\nHost: web\r\nX: \x02\r\n\r\n", "400 bad_field_value", Closed},
      {"bytes beyond ASCII in a value", "RFC 9110 5.5", "GET /a HTTP/1.1\r\nHost: web\r\nX: \xe4\xff\r\n\r\n", "200", Kept, "GET /a"},
      {"LF alone behind the line", "2.2", "GET /a HTTP/1.1\nHost: web\r\n\r\n", "400 bare_lf", Closed},
      {"LF alone behind a field", "2.2", "GET /a HTTP/1.1\r\nHost: web\n\r\n", "400 bare_lf", Closed},
      {"LF alone at the end", "2.2", "GET /a HTTP/1.1\r\nHost: web\r\n\n", "400 bare_lf", Closed},
      {"LF alone throughout", "2.2", "GET /a HTTP/1.1\nHost: web\n\n", "400 bare_lf", Closed},
      {"CR alone in a value", "2.2", "GET /a HTTP/1.1\r\nHost: web\r\nX: y\rz\r\n\r\n", "400 bare_cr", Closed},
      {"two CR before a LF", "2.2", "GET /a HTTP/1.1\r\nHost: web\r\nX: y\r\r\n\r\n", "400 bare_cr", Closed},
  });
}

TEST(Requests, TheirBody) {
  check_all({
      {"of a declared length", "6.2", "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhello", "200", Kept, "POST /a (hello)"},
      {"of length zero", "6.2", "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 0\r\n\r\n", "200", Kept, "POST /a"},
      {"none where nothing declares one", "6.3", "POST /a HTTP/1.1\r\nHost: web\r\n\r\n", "200", Kept, "POST /a"},
      {"in chunks", "7.1", "POST /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "200", Kept, "POST /a (hello)"},
      {"in chunks with capitals, zeros and extensions", "7.1.1", "POST /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: CHUNKED\r\n\r\n00A;x;y=1;z=\"2\"\r\nhello1hell\r\n000\r\n\r\n", "200", Kept, "POST /a (hello1hell)"},
      {"in chunks with trailers", "7.1.2", "POST /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n", "200", Kept, "POST /a (x)"},
      {"of a GET", "RFC 9110 9.3.1", "GET /a HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi", "200", Kept, "GET /a (hi)"},
      {"of a TRACE", "RFC 9110 9.3.8", "TRACE /a HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi", "400 trace_with_body", Closed},
      {"of a TRACE, in chunks", "RFC 9110 9.3.8", "TRACE /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 trace_with_body", Closed},
      {"with a coding nobody here undoes", "6.1", "POST /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501 transfer_coding_not_implemented", Closed},
      {"of an expectation that is met at once", "RFC 9110 10.1.1", "POST /a HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", "200", Kept, "POST /a (hi)"},
  });
}

TEST(Requests, TheirConnection) {
  const std::string get = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";
  check_all({
      {"pipelined requests are answered in order", "9.3.2", get + "GET /b HTTP/1.1\r\nHost: web\r\n\r\n" + get, "200 200 200", Kept, "GET /a; GET /b; GET /a"},
      {"close is kept to", "9.6", "GET /a HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n" + get, "200", Closed, "GET /a"},
      {"close among others, in capitals", "9.6", "GET /a HTTP/1.1\r\nHost: web\r\nConnection: x, CLOSE\r\n\r\n", "200", Closed, "GET /a"},
      {"close in a second field", "9.6", "GET /a HTTP/1.1\r\nHost: web\r\nConnection: x\r\nConnection: close\r\n\r\n", "200", Closed, "GET /a"},
      {"HTTP/1.0 ends it", "9.3", "GET /a HTTP/1.0\r\nHost: web\r\n\r\n", "200", Closed, "GET /a"},
      {"HTTP/1.0 may ask to keep it", "9.3", "GET /a HTTP/1.0\r\nHost: web\r\nConnection: keep-alive\r\n\r\n", "200", Kept, "GET /a"},
      {"HTTP/1.0 may do without a Host", "3.2", "GET /a HTTP/1.0\r\n\r\n", "200", Closed, "GET /a"},
      {"HTTP/1.0 with two of them", "3.2", "GET /a HTTP/1.0\r\nHost: web\r\nHost: web\r\n\r\n", "400 duplicate_host", Closed},
      {"a bad one behind a good one", "9.3.2", get + "GET /b HTTP/1.1\r\n\r\n" + get, "200 400 missing_host", Closed, "GET /a"},
      {"an offer of h2c is not taken up", "RFC 9110 7.8", "GET /a HTTP/1.1\r\nHost: web\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", "200", Kept, "GET /a"},
      {"a tunnel is refused", "RFC 9110 9.3.6", "CONNECT web:443 HTTP/1.1\r\nHost: web:443\r\n\r\n" + get, "501 connect_not_supported", Closed},
      {"a tunnel in the wrong form", "3.2.3", "CONNECT /a HTTP/1.1\r\nHost: web\r\n\r\n", "400 bad_target", Closed},
      {"an answer to HEAD has no body", "6.3", "HEAD /a HTTP/1.1\r\nHost: web\r\n\r\n", "200", Kept, "HEAD /a"},
  });
}

// Over HTTP/2 an upgrade that the endpoint ignores has no answer: a 2xx would say that there is a tunnel (RFC 8441 4).
TEST(Requests, TheirUpgrade) {
  const std::string both = "GET /a HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /b HTTP/1.1\r\nHost: web\r\n\r\n";
  check_over(false, {{"nothing behind it is a request", "RFC 9110 7.8", both, "200", Closed, "GET /a"}});
  check_over(true, {{"nothing behind it is a request", "RFC 9110 7.8", both, "502 upgrade_ignored", Closed, "GET /a"}});
}

TEST(Requests, TheirLimits) {
  const std::string many = [] {
    std::string fields;
    for (int i = 0; i < 30; ++i) fields += "X-" + std::to_string(i) + ": 1\r\n";
    return fields;
  }();
  check_all({
      {"a head that is too large", "RFC 6585 5", "GET /a HTTP/1.1\r\nHost: web\r\nX: " + std::string(5000, 'x') + "\r\n\r\n", "431 head_too_large", Closed},
      {"too many fields", "RFC 6585 5", "GET /a HTTP/1.1\r\nHost: web\r\n" + many + "\r\n", "431 too_many_fields", Closed},
      {"a target that is too long", "3", "GET /" + std::string(6000, 'a') + " HTTP/1.1\r\nHost: web\r\n\r\n", "414 target_too_long", Closed},
      {"a body that declares too much", "RFC 9110 15.5.14", "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 1000\r\n\r\nhello", "413 body_too_large", Closed},
      {"a body in chunks that is too large", "RFC 9110 15.5.14", "POST /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n", "413 body_too_large", Closed},
      {"HTTP/1.0 where it is not served", "RFC 9110 15.6.6", "GET /a HTTP/1.0\r\nHost: web\r\n\r\n", "505 version_not_supported", Closed},
      {"a body that is just small enough", "6", "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 10\r\n\r\n0123456789", "200", Kept, "POST /a (0123456789)"},
  }, "http: {max_body: 10B, max_header_bytes: 4KiB, max_headers: 20, http10: false}");
}

TEST(Requests, WhereToldToTheProxyForgives) {
  check_all({
      {"LF alone throughout", "2.2", "GET /a HTTP/1.1\nHost: web\n\n", "200", Kept, "GET /a"},
      {"a folded line", "5.2", "GET /a HTTP/1.1\r\nHost: web\r\nX: y\r\n z\r\n\r\n", "200", Kept, "GET /a"},
      {"a folded field that would frame", "5.2", "POST /a HTTP/1.1\r\nHost: web\r\nX: y\r\n Content-Length: 5\r\n\r\n", "200", Kept, "POST /a"},
      {"both framings, never", "6.3", "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 content_length_and_transfer_encoding", Closed},
      {"CR alone, never", "2.2", "GET /a HTTP/1.1\nHost: web\nX: y\rz\n\n", "400 bare_cr", Closed},
  }, "http: {strict: false}");
}

}  // namespace
}  // namespace outrider::test
