// HTTP/2 on either side of HTTP/1: what a stream says is never more, on the other side, than one message with its fields.

#include "tests/conformance/table.h"
#include "tests/support/h2_peer.h"

// clang-format off
namespace outrider::test {
namespace {

using namespace http;

// Sent on stream 1 of a connection of its own; stream 101 of it, sent behind, is served all the same.
struct Asked {
  const char* name;
  const char* rfc;                     // of RFC 9113
  std::string send;
  const char* says;                    // "200", "RST_STREAM PROTOCOL_ERROR"
  const char* arrives = "";            // at the origin, whole
};

std::string ask(const Fields& more, std::string method = "GET") { return headers(1, request_fields(more, std::move(method))); }
std::string post(const Fields& more, const std::vector<std::string>& body) {
  std::string bytes = headers(1, request_fields(more, "POST"), kEndHeaders);
  for (size_t i = 0; i < body.size(); ++i) bytes += data(1, body[i], i + 1 == body.size());
  return bytes;
}
std::string head(const Fields& fields) { return headers(1, fields); }

// Behind a path, an authority or a method: what would be a second request to whoever believed it.
const std::string kSplit = " HTTP/1.1\r\nHost: web\r\n\r\nGET /hidden HTTP/1.1\r\nX: ";
const char* const kBad = "RST_STREAM PROTOCOL_ERROR";

const std::vector<Asked> kAsked{
    {"a GET", "8.1", ask({}), "200", "GET /a"},
    {"a length", "8.1.1", post({{"content-length", "5"}}, {"hello"}), "200", "POST /a (hello)"},
    {"no length", "8.1", post({}, {"hel", "lo"}), "200", "POST /a (hello)"},
    {"a body that looks like chunks", "8.2.2", post({}, {"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: web\r\n\r\n"}), "200", "POST /a (0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: web\r\n\r\n)"},
    {"trailers", "8.1", headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "hello") + headers(1, {{"x-sum", "5"}}), "200", "POST /a (hello)"},
    {"TE: trailers", "8.2.2", ask({{"te", "trailers"}}), "200", "GET /a"},
    {"the same host twice", "8.3.1", ask({{"host", "web"}}), "200", "GET /a"},
    {"less than the length", "8.1.1", post({{"content-length", "5"}}, {"hell"}), kBad},
    {"more than the length", "8.1.1", post({{"content-length", "5"}}, {"hello", "!"}), kBad},
    {"more than the length, a request", "8.1.1", post({{"content-length", "5"}}, {"helloGET /hidden HTTP/1.1\r\nHost: web\r\n\r\n"}), kBad},
    {"a length without a body", "8.1.1", ask({{"content-length", "5"}}, "POST"), kBad},
    {"a length of 0 and a body", "8.1.1", post({{"content-length", "0"}}, {"GET /hidden HTTP/1.1\r\nHost: web\r\n\r\n"}), kBad},
    {"two lengths", "8.1.1", post({{"content-length", "5"}, {"content-length", "6"}}, {"hello"}), kBad},
    {"a length that is none", "8.1.1", post({{"content-length", "+5"}}, {"hello"}), kBad},
    {"Transfer-Encoding", "8.2.2", post({{"transfer-encoding", "chunked"}}, {"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: web\r\n\r\n"}), kBad},
    {"Transfer-Encoding with a length", "8.2.2", post({{"content-length", "5"}, {"transfer-encoding", "chunked"}}, {"hello"}), kBad},
    {"Connection", "8.2.2", ask({{"connection", "x-forwarded-for"}}), kBad},
    {"Upgrade", "8.2.2", ask({{"upgrade", "websocket"}}), kBad},
    {"Keep-Alive", "8.2.2", ask({{"keep-alive", "timeout=5"}}), kBad},
    {"Proxy-Connection", "8.2.2", ask({{"proxy-connection", "close"}}), kBad},
    {"TE: gzip", "8.2.2", ask({{"te", "gzip"}}), kBad},
    {"upper case", "8.2.1", ask({{"Host", "web"}}), kBad},
    {"a value with CR LF", "8.2.1", ask({{"a", "b\r\nhost: other"}}), kBad},
    {"a value with LF", "8.2.1", ask({{"a", "b\nhost: other"}}), kBad},
    {"a value with CR", "8.2.1", ask({{"a", "b\rhost: other"}}), kBad},
    {"a value with NUL", "8.2.1", ask({{"a", std::string("b\0c", 3)}}), kBad},
    {"a value with a request", "8.2.1", ask({{"a", "b\r\n\r\nGET /hidden HTTP/1.1\r\nHost: web\r\n\r\n"}}), kBad},
    {"a name with CR LF", "8.2.1", ask({{"a: b\r\nx", "y"}}), kBad},
    {"a name with a colon", "8.2.1", ask({{"transfer-encoding:", "chunked"}}), kBad},
    {"a name with a space", "8.2.1", ask({{"content-length ", "5"}}), kBad},
    {"no name", "8.2.1", ask({{"", "x"}}), kBad},
    {"a path with a request", "8.3.1", head({{":method", "GET"}, {":scheme", "http"}, {":path", "/" + kSplit}, {":authority", "web"}}), kBad},
    {"an authority with a request", "8.3.1", head({{":method", "GET"}, {":scheme", "http"}, {":path", "/a"}, {":authority", "web\r\n\r\nGET /hidden HTTP/1.1"}}), kBad},
    {"an authority with a path", "8.3.1", head({{":method", "GET"}, {":scheme", "http"}, {":path", "/a"}, {":authority", "web/hidden"}}), kBad},
    {"a method with a request", "8.3.1", head({{":method", "GET /hidden" + kSplit}, {":scheme", "http"}, {":path", "/a"}, {":authority", "web"}}), kBad},
    {"a scheme with a request", "8.3.1", head({{":method", "GET"}, {":scheme", "http://other/hidden?"}, {":path", "/a"}, {":authority", "web"}}), kBad},
    {"two hosts", "8.3.1", ask({{"host", "other"}}), kBad},
    {"two hosts without an authority", "8.3.1", head({{":method", "GET"}, {":scheme", "http"}, {":path", "/a"}, {"host", "web"}, {"host", "other"}}), kBad},
    {"a pseudo-field in trailers", "8.1", headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "hello") + headers(1, {{":path", "/hidden"}}), kBad},
    {"a length in trailers", "8.1", headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "hello") + headers(1, {{"content-length", "5"}}), kBad},
    {"a coding in trailers", "8.2.2", headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "hello") + headers(1, {{"transfer-encoding", "chunked"}}), kBad},
};

void check(const Asked& row, Proxy& proxy, LlhttpOrigin& origin) {
  SCOPED_TRACE(std::string(row.name) + " (" + row.rfc + ")");
  H2Peer client(proxy.address());
  client.send(row.send);
  const bool reset = std::string_view(row.says).starts_with("RST_STREAM");
  const std::string said = client.read_until(reset ? "RST_STREAM 1 " : "DATA 1 end fine");
  if (reset) EXPECT_TRUE(has(said, "RST_STREAM 1 PROTOCOL_ERROR\n")) << said;
  else EXPECT_TRUE(has(said, std::string("HEADERS 1 [:status: ") + row.says + "]")) << said;
  client.send(headers(101, request_fields()));
  EXPECT_TRUE(client.reads("DATA 101 end fine"));
  const std::string arrives = row.arrives;
  EXPECT_EQ(origin.take(), arrives + (arrives.empty() ? "" : "; ") + "GET /a");
}

TEST(Http2Requests, AreOneMessageOrNone) {
  for (const bool bridged : {false, true}) {
    SCOPED_TRACE(bridged ? "over HTTP/2" : "over HTTP/1");
    LlhttpOrigin origin;
    Path path(origin.text(), bridged);
    for (const Asked& row : kAsked) check(row, path.proxy, origin);
  }
}

TEST(Http2Requests, CookieCrumbsAreOneFieldForHttp1) {
  for (const bool bridged : {false, true}) {
    const auto origin = Origin::answering([](const Message& request) { return ok(std::to_string(request.count("cookie")) + " " + request.field("cookie")); });
    Path path(origin->text(), bridged);
    H2Peer client(path.proxy.address());
    client.send(ask({{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2; c=3"}, {"cookie", "d=4"}}));
    const std::string said = client.read_until("DATA 1 end");
    EXPECT_TRUE(has(said, "DATA 1 end 1 a=1; b=2; c=3; d=4\n")) << said;
  }
}

// --- endpoints of HTTP/2 ---------------------------------------------------------------------------------------------

struct Answered {
  const char* name;
  const char* rfc;                     // of RFC 9113
  std::string says;                    // the endpoint, on stream 1, to the first request
  const char* client;                  // "200 hi", "200 hi!" when it is visibly cut (or a bad gateway), "502 reason"
};

std::string say(const Fields& fields, bool end = false) { return headers(1, fields, uint8_t(kEndHeaders | (end ? kEndStream : 0))); }
std::string say_hi(Fields more) {
  more.insert(more.begin(), {":status", "200"});
  return say(more) + data(1, "hi", true);
}

// Answers each connection's first request as the row says, and later ones with "second".
void serve(Stream& connection, const std::string& says) {
  if (!connection.read_exactly(kPreface.size()) || !connection.send(frame(NGHTTP2_SETTINGS, 0, 0) + frame(NGHTTP2_SETTINGS, kAck, 0))) return;
  while (const auto start = connection.read_exactly(9)) {
    const auto byte = [&](size_t at) { return uint32_t(uint8_t((*start)[at])); };
    const size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (size && !connection.read_exactly(size)) return;
    if (byte(3) != NGHTTP2_HEADERS) continue;
    const uint32_t stream = byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8);
    const bool sent = connection.send(stream == 1 ? says : headers(stream, {{":status", "200"}}, kEndHeaders) + data(stream, "second", true));
    if (!sent) return;
  }
}

const std::vector<Answered> kAnswered{
    {"a body", "8.1", say_hi({}), "200 hi"},
    {"a length", "8.1.1", say_hi({{"content-length", "2"}}), "200 hi"},
    {"an interim one first", "8.1", say({{":status", "103"}, {"link", "</x>"}}) + say_hi({}), "103 200 hi"},
    {"trailers", "8.1", say({{":status", "200"}}) + data(1, "hi") + headers(1, {{"x-sum", "2"}}), "200 hi"},
    {"padding", "6.1", say({{":status", "200"}}) + frame(NGHTTP2_DATA, kPadded | kEndStream, 1, std::string("\3hi\0\0\0", 6)), "200 hi"},
    {"no status", "8.3.2", say({{"a", "b"}}, true), "502 malformed"},
    {"two statuses", "8.3", say({{":status", "200"}, {":status", "404"}}, true), "502 malformed"},
    {"a status of two digits", "8.3.2", say({{":status", "20"}}, true), "502 malformed"},
    {"a status that is none", "8.3.2", say({{":status", "2x0"}}, true), "502 malformed"},
    {"a request's pseudo-field", "8.3", say({{":status", "200"}, {":path", "/"}}, true), "502 malformed"},
    {"a pseudo-field behind a field", "8.3", say({{"a", "b"}, {":status", "200"}}, true), "502 malformed"},
    {"a switch of protocols", "8.6", say({{":status", "101"}}) + say_hi({}), "502 malformed"},
    {"upper case", "8.2.1", say_hi({{"Set-Cookie", "a=b"}}), "502 malformed"},
    {"a value with CR LF", "8.2.1", say_hi({{"a", "b\r\nx-injected: 1"}}), "502 malformed"},
    {"a value with LF", "8.2.1", say_hi({{"a", "b\nx-injected: 1"}}), "502 malformed"},
    {"a value with CR", "8.2.1", say_hi({{"a", "b\rx-injected: 1"}}), "502 malformed"},
    {"a value with NUL", "8.2.1", say_hi({{"a", std::string("b\0c", 3)}}), "502 malformed"},
    {"a value with a response", "8.2.1", say_hi({{"a", "b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"}}), "502 malformed"},
    {"a name with CR LF", "8.2.1", say_hi({{"a: b\r\nx-injected", "1"}}), "502 malformed"},
    {"a name with a colon", "8.2.1", say_hi({{"content-length:", "9"}}), "502 malformed"},
    {"Transfer-Encoding", "8.2.2", say_hi({{"transfer-encoding", "chunked"}}), "502 malformed"},
    {"Connection", "8.2.2", say_hi({{"connection", "close"}}), "502 malformed"},
    {"Upgrade", "8.2.2", say_hi({{"upgrade", "h2c"}}), "502 malformed"},
    {"two lengths", "8.1.1", say_hi({{"content-length", "2"}, {"content-length", "50"}}), "502 malformed"},
    {"a length that is none", "8.1.1", say_hi({{"content-length", "2x"}}), "502 malformed"},
    {"a length and nothing", "8.1.1", say({{":status", "200"}, {"content-length", "2"}}, true), "502 malformed"},
    {"less than the length", "8.1.1", say({{":status", "200"}, {"content-length", "3"}}) + data(1, "hi", true), "200 hi!"},
    {"a reset in a body", "6.4", say({{":status", "200"}, {"content-length", "3"}}) + data(1, "hi") + frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_INTERNAL_ERROR)), "200 hi!"},
    {"a reset in a body of any length", "6.4", say({{":status", "200"}}) + data(1, "hi") + frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_NO_ERROR)), "200 hi!"},
    {"a reset instead of an answer", "6.4", frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_INTERNAL_ERROR)), "502 stream_reset"},
    {"a pseudo-field in trailers", "8.1", say({{":status", "200"}}) + data(1, "hi") + headers(1, {{":status", "200"}}), "200 hi!"},
    {"a length in trailers", "8.1", say({{":status", "200"}}) + data(1, "hi") + headers(1, {{"content-length", "9"}}), "200 hi!"},
    {"a body before its head", "8.1", data(1, "hi") + say_hi({}), "502 protocol_error"},
    {"a push", "8.4", frame(NGHTTP2_PUSH_PROMISE, kEndHeaders, 1, number(2) + block(request_fields())) + say_hi({}), "502 protocol_error"},
    {"a frame above the limit", "4.2", data(1, std::string(16385, 'x')), "502 frame_size_error"},
    {"a block that cannot be read", "4.3", frame(NGHTTP2_HEADERS, kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"), "502 compression_error"},
};

TEST(Http2Responses, AreOneAnswerOrABadGateway) {
  for (const Answered& row : kAnswered) {
    SCOPED_TRACE(std::string(row.name) + " (" + row.rfc + ")");
    Origin origin([&row](Stream& connection) { serve(connection, row.says); });
    Proxy proxy(Proxy::edge({origin.text()}, "protocol: http2, retry: {attempts: 0}"), {"overload.threads=1"});
    Stream client = proxy.connect();
    client.send("GET /first HTTP/1.1\r\nHost: web\r\n\r\n");
    std::string seen;
    auto answer = client.read_message();
    for (; answer && answer->status() < 200; answer = client.read_message()) seen += std::to_string(answer->status()) + " ";
    ASSERT_TRUE(answer);
    const std::string reason = answer->field("x-outrider-reason");
    seen += std::to_string(answer->status()) + " " + (reason.empty() ? answer->body : reason) + (answer->whole ? "" : "!");
    EXPECT_EQ(settled(seen, row.client), row.client);
    EXPECT_EQ(answer->count("x-injected"), 0u);
    client.send("GET /second HTTP/1.1\r\nHost: web\r\n\r\n");
    const auto second = client.read_message();
    EXPECT_TRUE(!second || second->start.starts_with("HTTP/1.1 ")) << second->start;
  }
}

}  // namespace
}  // namespace outrider::test
