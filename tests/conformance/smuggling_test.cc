// What has been used to make two parsers see two different messages. Each is refused with a reason, counted, and not a
// byte of it reaches an origin.

#include "tests/conformance/table.h"

// clang-format off
namespace outrider::test {
namespace {

const std::string kHidden = "GET /hidden HTTP/1.1\r\nHost: web\r\n\r\n";

Row refused(const char* name, std::string send, const char* answer) { return {name, "11.2", std::move(send), answer, After::Closed}; }

std::string post(const std::string& fields, const std::string& body) { return "POST /a HTTP/1.1\r\nHost: web\r\n" + fields + "\r\n" + body; }

void check_refused(const std::vector<Row>& rows) {
  LlhttpOrigin origin;
  Proxy proxy(Proxy::edge({origin.text()}));
  for (const Row& row : rows) check(row, proxy, origin);
  proxy.expect_metric(double(rows.size()), "outrider_malformed_requests_total");
}

TEST(Smuggling, LengthAgainstChunks) {
  const char* const kBoth = "400 content_length_and_transfer_encoding";
  check_refused({
      refused("CL.TE", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + kHidden), kBoth),
      refused("TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "23\r\n" + kHidden + "\r\n0\r\n\r\n"), kBoth),
      refused("CL.0", post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + kHidden), kBoth),
      refused("with a coding that is none", post("Content-Length: 4\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n" + kHidden), kBoth),
      refused("with an empty one", post("Content-Length: 4\r\nTransfer-Encoding:\r\n", "0\r\n\r\n" + kHidden), kBoth),
      refused("in HTTP/1.0", "POST /a HTTP/1.0\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + kHidden, kBoth),
  });
}

TEST(Smuggling, CodingsInDisguise) {
  const std::string body = "0\r\n\r\n" + kHidden;
  const char* const kBad = "400 bad_transfer_encoding";
  check_refused({
      refused("another word", post("Transfer-Encoding: xchunked\r\n", body), kBad),
      refused("chunked and then more", post("Transfer-Encoding: chunked, identity\r\n", body), kBad),
      refused("chunked and a comma", post("Transfer-Encoding: chunked,\r\n", body), kBad),
      refused("quoted", post("Transfer-Encoding: \"chunked\"\r\n", body), kBad),
      refused("with a parameter", post("Transfer-Encoding: chunked;x=y\r\n", body), kBad),
      refused("identity alone", post("Transfer-Encoding: identity\r\n", body), kBad),
      refused("two fields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", body), "400 duplicate_transfer_encoding"),
      refused("two fields, the first not chunked", post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", body), "400 duplicate_transfer_encoding"),
      refused("two fields in other letters", post("Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n", body), "400 duplicate_transfer_encoding"),
      refused("a space before the colon", post("Transfer-Encoding : chunked\r\n", body), "400 space_before_colon"),
      refused("a tab before the colon", post("Transfer-Encoding\t: chunked\r\n", body), "400 space_before_colon"),
      refused("a vertical tab before the word", post("Transfer-Encoding: \vchunked\r\n", body), "400 bad_field_value"),
      refused("a vertical tab before the name", post("\vTransfer-Encoding: chunked\r\n", body), "400 bad_field_name"),
      refused("a fold before the word", post("Transfer-Encoding:\r\n chunked\r\n", body), "400 folded_line"),
      refused("a fold that hides the field", post("X: y\r\n Transfer-Encoding: chunked\r\n", body), "400 folded_line"),
      refused("a bare CR that hides the field", post("X: y\rTransfer-Encoding: chunked\r\n", body), "400 bare_cr"),
      refused("a bare LF that hides the field", post("X: y\nTransfer-Encoding: chunked\r\n", body), "400 bare_lf"),
      refused("a NUL that hides the field", post(std::string("X: y\0Transfer-Encoding: chunked\r\n", 33), body), "400 nul_byte"),
      refused("in HTTP/1.0", "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + body, "400 transfer_encoding_in_http10"),
  });
}

TEST(Smuggling, LengthsInDisguise) {
  const std::string body = "hello" + kHidden;
  const char* const kBad = "400 bad_content_length";
  check_refused({
      refused("two, different", post("Content-Length: 5\r\nContent-Length: 40\r\n", body), "400 duplicate_content_length"),
      refused("two, the same", post("Content-Length: 5\r\nContent-Length: 5\r\n", body), "400 duplicate_content_length"),
      refused("two, in other letters", post("Content-Length: 5\r\ncontent-length: 0\r\n", body), "400 duplicate_content_length"),
      refused("a list", post("Content-Length: 5, 5\r\n", body), kBad),
      refused("a plus", post("Content-Length: +5\r\n", body), kBad),
      refused("a minus", post("Content-Length: -5\r\n", body), kBad),
      refused("hexadecimal", post("Content-Length: 0x5\r\n", body), kBad),
      refused("a space inside", post("Content-Length: 5 0\r\n", body), kBad),
      refused("a fraction", post("Content-Length: 5.0\r\n", body), kBad),
      refused("an exponent", post("Content-Length: 5e0\r\n", body), kBad),
      refused("an underscore", post("Content-Length: 5_0\r\n", body), kBad),
      refused("quoted", post("Content-Length: \"5\"\r\n", body), kBad),
      refused("nothing", post("Content-Length:\r\n", body), kBad),
      refused("letters", post("Content-Length: five\r\n", body), kBad),
      refused("beyond 63 bits", post("Content-Length: 9223372036854775808\r\n", body), kBad),
      refused("beyond 64 bits", post("Content-Length: 18446744073709551621\r\n", body), kBad),
      refused("beyond anything", post("Content-Length: " + std::string(100, '9') + "\r\n", body), kBad),
      refused("a space before the colon", post("Content-Length : 5\r\n", body), "400 space_before_colon"),
      refused("a fold before the number", post("Content-Length:\r\n 5\r\n", body), "400 folded_line"),
      refused("a fold that hides the field", post("X: y\r\n Content-Length: 5\r\n", body), "400 folded_line"),
      refused("a fold of the line itself", "POST /a HTTP/1.1\r\n Content-Length: 5\r\nHost: web\r\n\r\n" + body, "400 folded_line"),
      refused("a bare CR that hides the field", post("X: y\rContent-Length: 5\r\n", body), "400 bare_cr"),
      refused("a bare CR at the end of the head", "POST /a HTTP/1.1\r\nHost: web\r\n\rContent-Length: 5\r\n\r\n" + body, "400 bare_cr"),
  });
}

TEST(Smuggling, ChunksInDisguise) {
  const auto chunks = [](const char* bytes) { return post("Transfer-Encoding: chunked\r\n", bytes + std::string("\r\n") + kHidden); };
  const char* const kSize = "400 bad_chunk_size";
  const char* const kTrailer = "400 forbidden_trailer";
  check_refused({
      refused("a size with 0x", chunks("0x5\r\nhello\r\n0\r\n"), kSize),
      refused("a size with a sign", chunks("+5\r\nhello\r\n0\r\n"), kSize),
      refused("a negative size", chunks("-5\r\nhello\r\n0\r\n"), kSize),
      refused("a space before the size", chunks(" 5\r\nhello\r\n0\r\n"), kSize),
      refused("a space behind the size", chunks("5 \r\nhello\r\n0\r\n"), kSize),
      refused("a space before the extension", chunks("5 ;x\r\nhello\r\n0\r\n"), kSize),
      refused("no size", chunks("\r\nhello\r\n0\r\n"), kSize),
      refused("a size that overflows to five", chunks("10000000000000005\r\nhello\r\n0\r\n"), kSize),
      refused("a size beyond anything", chunks("ffffffffffffffffff\r\nhello\r\n0\r\n"), kSize),
      refused("LF alone behind the size", chunks("5\nhello\r\n0\r\n"), "400 bare_lf"),
      refused("LF alone behind an extension", chunks("5;x\nhello\r\n0\r\n"), "400 bare_lf"),
      refused("CR in an extension", chunks("5;x\rhello\r\nhello\r\n0\r\n"), "400 bad_chunk_extension"),
      refused("a control character in an extension", chunks("5;\x01\r\nhello\r\n0\r\n"), "400 bad_chunk_extension"),
      refused("an endless extension", chunks(("5;" + std::string(5000, 'x') + "\r\nhello\r\n0\r\n").c_str()), "400 chunk_extensions_too_long"),
      refused("LF alone behind the data", chunks("5\r\nhello\n0\r\n"), "400 bad_chunk_end"),
      refused("data longer than the size", chunks("5\r\nhello!\r\n0\r\n"), "400 bad_chunk_end"),
      refused("nothing behind the data", chunks("5\r\nhello0\r\n"), "400 bad_chunk_end"),
      refused("LF alone at the end", post("Transfer-Encoding: chunked\r\n", "0\r\n\n" + kHidden), "400 bare_lf"),
      refused("a trailer that frames", chunks("0\r\nContent-Length: 5\r\n"), kTrailer),
      refused("a trailer that routes", chunks("0\r\nHost: other\r\n"), kTrailer),
      refused("a trailer that is folded", chunks("0\r\nX: y\r\n Content-Length: 5\r\n"), "400 folded_line"),
      refused("a trailer that ends in LF", chunks("0\r\nX: y\n"), "400 bare_lf"),
  });
}

// The body comes before its fault: what was whole by then may have gone on, but never as a whole message.
TEST(Smuggling, AFaultBehindGoodChunksNeverCompletesTheRequest) {
  LlhttpOrigin origin;
  Proxy proxy(Proxy::edge({origin.text()}));
  for (const char* bad : {"x\r\nhello\r\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "0\r\nHost: b\r\n\r\n", "0\r\n \r\n\r\n"}) {
    Stream client = proxy.connect();
    client.send(post("Transfer-Encoding: chunked\r\n", "5\r\nfirst\r\n"));
    client.send(bad);
    client.send(kHidden);
    const auto answer = client.read_message();
    ASSERT_TRUE(answer) << bad;
    EXPECT_EQ(answer->status(), 400) << bad;
    EXPECT_TRUE(client.at_end());
  }
  EXPECT_EQ(request(proxy.address(), "GET /marker HTTP/1.1\r\nHost: web\r\n\r\n").status(), 200);
  EXPECT_EQ(origin.take(), "GET /marker");
}

// What a client puts into a field is never more than that field.
TEST(Smuggling, OddButHonestRequestsArriveAsTheyAre) {
  check_all({
      {"a body that looks like a request", "6", post("Content-Length: " + std::to_string(kHidden.size()) + "\r\n", kHidden), "200", After::Kept, "POST /a (GET /hidden HTTP/1.1\r\nHost: web\r\n\r\n)"},
      {"chunks that look like a request", "7.1", post("Transfer-Encoding: chunked\r\n", "23\r\n" + kHidden + "\r\n0\r\n\r\n"), "200", After::Kept, "POST /a (GET /hidden HTTP/1.1\r\nHost: web\r\n\r\n)"},
      {"framing named by Connection stays", "9.1", post("Connection: Content-Length, Host, Transfer-Encoding\r\nContent-Length: 5\r\n", "hello"), "200", After::Kept, "POST /a (hello)"},
      {"a field that is almost one of ours", "6", post("Transfer_Encoding: chunked\r\nContent_Length: 3\r\nContent-Length: 5\r\n", "hello"), "200", After::Kept, "POST /a (hello)"},
      {"a trailer announced but not sent", "7.1.2", post("Trailer: X\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), "200", After::Kept, "POST /a (hello)"},
      {"a length with zeros before it", "6.2", post("Content-Length: 00005\r\n", "hello"), "200", After::Kept, "POST /a (hello)"},
      {"a length among spaces", "5.1", post("Content-Length:   5  \r\n", "hello"), "200", After::Kept, "POST /a (hello)"},
  });
}

}  // namespace
}  // namespace outrider::test
