// What a server makes of frames (RFC 9113).

#include "tests/unit/http/frames.h"
#include "tests/unit/http/three_ways.h"

namespace outrider::http {
namespace {

struct Heard {
  std::string events;  // of streams and connection
  std::string frames;  // written, without SETTINGS and WINDOW_UPDATE
  bool operator==(const Heard&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Heard& h) {
  return out << "--- events\n" << h.events << "--- frames\n" << h.frames;
}

// A connection of a server that answers each whole request with 200 and "yes", and refusals that have one with their
// status.
class Server {
 public:
  explicit Server(CodecLimits limits = {}) : rig(Role::Server, limits, Wire::Http2) {
    rig.serve = [this](StreamId id) -> StreamEvents* {
      if (refuses) return nullptr;
      auto& stream = streams.emplace_back(rig, id);
      stream.on_ended = [this, &stream] {
        if (answers) answer(stream, 200, "yes");
      };
      stream.on_refused = [this, &stream](const Error& why) {
        if (why.status) answer(stream, why.status, "");
      };
      return &stream;
    };
    rig.read(kPreface + frame(NGHTTP2_SETTINGS, 0, 0));
  }
  void answer(RecordingStream& stream, uint16_t status, std::string_view body) {
    Arena arena;
    ResponseHead head(arena);
    head.status = status;
    rig.codec->send_response(stream.id, head, body.empty());
    if (body.empty()) return rig.codec->detach(stream.id);
    Buffer bytes(rig.pool);
    bytes.append(body);
    rig.codec->send_body(stream.id, bytes, true);
  }
  Heard heard() {
    rig.take_output();
    return {rig.events, frames()};
  }
  std::string frames() {
    rig.take_output();
    return reader.read(std::exchange(rig.written, {}));
  }

  Rig rig;
  std::deque<RecordingStream> streams;
  FrameReader reader;
  bool answers = true, refuses = false;
};

// The same whole, in halves at every offset and byte by byte.
Heard to_server(const std::string& bytes, CodecLimits limits = {}) {
  Heard all;
  three_ways(bytes, [&](const std::vector<std::string_view>& pieces) {
    Server server(limits);
    for (const auto piece : pieces) server.rig.read(piece);
    all = server.heard();
    return Transcript{all.events, all.frames, server.rig.codec->reusable()};
  });
  return all;
}

const std::string kOk = "HEADERS 1 [:status: 200]\nDATA 1 end yes\n";

TEST(H2Server, ReadsARequestAndWritesAResponse) {
  const auto heard = to_server(headers(1, request_fields({{"accept", "*/*"}})));
  EXPECT_EQ(heard.events, "head GET /a @web [Host: web] [accept: */*]\nend\n");
  EXPECT_EQ(heard.frames, kOk);
}

TEST(H2Server, ABodyComesInDataFramesAndEndsWithTheLast) {
  const auto heard = to_server(headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "abc") + data(1, "def", true));
  EXPECT_EQ(heard.events, "head POST /a @web [Host: web]\nbody abcdef\nend\n");
  EXPECT_EQ(heard.frames, kOk);
}

TEST(H2Server, PaddingIsNoBody) {
  const auto heard = to_server(headers(1, request_fields({}, "POST"), kEndHeaders) +
                               frame(NGHTTP2_DATA, kPadded | kEndStream, 1, std::string("\3abc", 4) + std::string(3, '\0')));
  EXPECT_EQ(heard.events, "head POST /a @web [Host: web]\nbody abc\nend\n");
}

TEST(H2Server, TrailersEndARequest) {
  const auto heard =
      to_server(headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "abc") + headers(1, {{"x-sum", "1"}}));
  EXPECT_EQ(heard.events, "head POST /a @web [Host: web]\nbody abc\ntrailers [x-sum: 1]\nend\n");
}

TEST(H2Server, AHeaderBlockMayBeContinued) {
  const std::string whole = block(request_fields());
  const auto heard = to_server(frame(NGHTTP2_HEADERS, kEndStream, 1, whole.substr(0, 5)) +
                               frame(NGHTTP2_CONTINUATION, 0, 1, whole.substr(5, 5)) +
                               frame(NGHTTP2_CONTINUATION, kEndHeaders, 1, whole.substr(10)));
  EXPECT_EQ(heard.events, "head GET /a @web [Host: web]\nend\n");
}

TEST(H2Server, CookieCrumbsAreOneFieldAgain) {
  const auto heard = to_server(headers(1, request_fields({{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}, {"cookie", "c=3"}})));
  EXPECT_EQ(heard.events, "head GET /a @web [Host: web] [cookie: a=1; b=2; c=3] [x: y]\nend\n");
}

TEST(H2Server, HostStandsInForAuthorityAndMustNotDifferFromIt) {
  EXPECT_EQ(to_server(headers(1, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "b"}})).events,
            "head GET / @b [host: b]\nend\n");
  EXPECT_EQ(to_server(headers(1, request_fields({{"host", "WEB"}}))).events, "head GET /a @web [Host: web]\nend\n");
  const auto differ = to_server(headers(1, request_fields({{"host", "other"}})));
  EXPECT_EQ(differ.events, "reset host_and_authority_differ\n");
  EXPECT_EQ(differ.frames, "RST_STREAM 1 PROTOCOL_ERROR\n");
}

TEST(H2Server, ConnectHasAnAuthorityAndNothingElse) {
  const auto heard =
      to_server(headers(1, {{":method", "CONNECT"}, {":authority", "db:5432"}}, kEndHeaders) + data(1, "hi", true));
  EXPECT_EQ(heard.events, "head CONNECT  authority @db:5432 [Host: db:5432]\nbody hi\nend\n");
}

// Its SETTINGS, an answer to PING: what no stream has a part in.
TEST(H2Server, TellsOfOutputThatIsItsOwnAffair) {
  Rig rig(Role::Server, {}, Wire::Http2);
  for (const auto& bytes : {kPreface + frame(NGHTTP2_SETTINGS, 0, 0), frame(NGHTTP2_PING, 0, 0, "12345678")}) {
    rig.input.append(bytes);
    rig.outputs = 0;
    ASSERT_TRUE(rig.codec->feed(rig.input));
    EXPECT_GT(rig.outputs, 0);
    rig.take_output();
  }
  EXPECT_NE(rig.written.find("12345678"), std::string::npos);
}

TEST(H2Server, ExtendedConnectNamesItsProtocol) {
  const auto heard = to_server(headers(
      1, {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/chat"}, {":authority", "web"}},
      kEndHeaders));
  EXPECT_EQ(heard.events, "head CONNECT /chat upgrade=websocket @web [Host: web]\n");
}

// RFC 9113 8.1.1: malformed requests are stream errors; the connection goes on.
struct Malformed {
  const char* what;
  Fields fields;
};
class H2Malformed : public testing::TestWithParam<Malformed> {};

TEST_P(H2Malformed, IsAStreamErrorAndTheConnectionGoesOn) {
  const auto heard = to_server(headers(1, GetParam().fields));
  EXPECT_EQ(heard.events.substr(0, 6), "reset ") << heard;
  EXPECT_EQ(heard.frames, "RST_STREAM 1 PROTOCOL_ERROR\n");
  Server server;
  server.rig.read(headers(1, GetParam().fields) + headers(3, request_fields()));
  EXPECT_EQ(server.frames(), "RST_STREAM 1 PROTOCOL_ERROR\nHEADERS 3 [:status: 200]\nDATA 3 end yes\n");
}

INSTANTIATE_TEST_SUITE_P(
    Rfc9113, H2Malformed,
    testing::Values(
        Malformed{"8.2.1 upper case in a name", request_fields({{"Accept", "*/*"}})},
        Malformed{"8.2.1 a space in a name", request_fields({{"a b", "c"}})},
        Malformed{"8.2.1 a colon in a name", request_fields({{"a:b", "c"}})},
        Malformed{"8.2.1 CR in a value", request_fields({{"a", "b\rc"}})},
        Malformed{"8.2.1 LF in a value", request_fields({{"a", "b\nevil: yes"}})},
        Malformed{"8.2.1 NUL in a value", request_fields({{"a", std::string("b\0c", 3)}})},
        Malformed{"8.2.1 white space before a value", request_fields({{"a", " b"}})},
        Malformed{"8.2.1 white space behind a value", request_fields({{"a", "b\t"}})},
        Malformed{"8.2.2 Connection", request_fields({{"connection", "close"}})},
        Malformed{"8.2.2 Keep-Alive", request_fields({{"keep-alive", "timeout=5"}})},
        Malformed{"8.2.2 Proxy-Connection", request_fields({{"proxy-connection", "close"}})},
        Malformed{"8.2.2 Transfer-Encoding", request_fields({{"transfer-encoding", "chunked"}})},
        Malformed{"8.2.2 Upgrade", request_fields({{"upgrade", "h2c"}})},
        Malformed{"8.2.2 TE other than trailers", request_fields({{"te", "gzip"}})},
        Malformed{"8.3 a pseudo-field behind a field", {{":method", "GET"}, {":scheme", "http"}, {"a", "b"}, {":path", "/"}}},
        Malformed{"8.3 an unknown pseudo-field", request_fields({{":version", "2"}})},
        Malformed{"8.3 a response's pseudo-field", request_fields({{":status", "200"}})},
        Malformed{"8.3 a pseudo-field twice", request_fields({{":path", "/b"}})},
        Malformed{"8.3.1 no method", {{":scheme", "http"}, {":path", "/"}, {":authority", "web"}}},
        Malformed{"8.3.1 no scheme", {{":method", "GET"}, {":path", "/"}, {":authority", "web"}}},
        Malformed{"8.3.1 no path", {{":method", "GET"}, {":scheme", "http"}, {":authority", "web"}}},
        Malformed{"8.3.1 an empty path", {{":method", "GET"}, {":scheme", "http"}, {":path", ""}, {":authority", "web"}}},
        Malformed{"8.3.1 a path without its slash",
                  {{":method", "GET"}, {":scheme", "http"}, {":path", "a"}, {":authority", "web"}}},
        Malformed{"8.3.1 a space in the path",
                  {{":method", "GET"}, {":scheme", "http"}, {":path", "/a b"}, {":authority", "web"}}},
        Malformed{"8.3.1 a fragment", {{":method", "GET"}, {":scheme", "http"}, {":path", "/a#b"}, {":authority", "web"}}},
        Malformed{"8.3.1 an asterisk for GET", {{":method", "GET"}, {":scheme", "http"}, {":path", "*"}, {":authority", "web"}}},
        Malformed{"8.3.1 user information", {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "me@web"}}},
        Malformed{"8.3.1 an empty authority", {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", ""}}},
        Malformed{"8.3.1 no authority at all", {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}},
        Malformed{"8.3.1 a method that is no token",
                  {{":method", "G ET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "web"}}},
        Malformed{"8.5 CONNECT with a path", {{":method", "CONNECT"}, {":path", "/"}, {":authority", "web:80"}}},
        Malformed{"8.5 CONNECT without a port", {{":method", "CONNECT"}, {":authority", "web"}}},
        Malformed{"8.1.1 a length and no body", request_fields({{"content-length", "5"}}, "POST")},
        Malformed{"8.1.1 a length that is none", request_fields({{"content-length", "5x"}}, "POST")},
        Malformed{"8.1.1 two lengths", request_fields({{"content-length", "0"}, {"content-length", "1"}}, "POST")}),
    [](const auto& of) {
      std::string name(of.param.what);
      for (char& c : name)
        if (!isalnum(c)) c = '_';
      return name;
    });

TEST(H2Server, ABodyThatIsNotAsLongAsItSaidIsAStreamError) {
  const std::string head = headers(1, request_fields({{"content-length", "3"}}, "POST"), kEndHeaders);
  EXPECT_EQ(to_server(head + data(1, "abc", true)).frames, kOk);
  for (const auto& body : {data(1, "ab", true), data(1, "abcd", true), data(1, "ab") + headers(1, {{"x", "y"}})}) {
    Server server;
    server.rig.read(head);
    server.rig.read(body);
    EXPECT_EQ(server.frames(), "RST_STREAM 1 PROTOCOL_ERROR\n");
    EXPECT_TRUE(server.rig.events.ends_with("reset malformed\n")) << server.rig.events;
  }
}

TEST(H2Server, TrailersMustNotFrameOrRoute) {
  for (const auto& [name, value] : Fields{{"content-length", "3"}, {"host", "b"}, {":path", "/"}}) {
    Server server;
    server.rig.read(headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "abc"));
    server.rig.read(headers(1, {{name, value}}));
    EXPECT_EQ(server.frames(), "RST_STREAM 1 PROTOCOL_ERROR\n") << name;
    EXPECT_FALSE(server.streams[0].whole);
  }
}

TEST(H2Server, AHeadAboveTheLimitsIsAnsweredWith431) {
  Server server({.max_header_bytes = 200, .max_headers = 8});
  server.rig.read(headers(1, request_fields({{"a", std::string(300, 'x')}})));
  EXPECT_EQ(server.frames(), "HEADERS 1 end [:status: 431]\n");
  server.rig.read(headers(3, request_fields({{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}, {"e", ""}})));
  EXPECT_EQ(server.frames(), "HEADERS 3 end [:status: 431]\n");
  server.rig.read(headers(5, request_fields()));
  EXPECT_EQ(server.frames(), "HEADERS 5 [:status: 200]\nDATA 5 end yes\n");
}

// --- the connection ------------------------------------------------------------------------------------------------

TEST(H2Server, SomethingElseThanThePrefaceEndsTheConnection) {
  Rig rig(Role::Server, {}, Wire::Http2);
  rig.read("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(rig.fatal);
  EXPECT_EQ(rig.events, "fatal bad_preface\n");
}

struct Broken {
  const char* what;
  std::string bytes;
  const char* code;
};
class H2Broken : public testing::TestWithParam<Broken> {};

TEST_P(H2Broken, EndsTheConnectionWithAGoaway) {
  Server server;
  server.answers = false;
  server.rig.read(headers(1, request_fields({}, "POST"), kEndHeaders));
  server.rig.read(GetParam().bytes);
  EXPECT_TRUE(server.rig.fatal);
  const auto frames = server.frames();
  EXPECT_NE(frames.find("GOAWAY "), std::string::npos) << frames;
  EXPECT_NE(frames.find(GetParam().code), std::string::npos) << frames;
  EXPECT_NE(server.rig.events.find("reset "), std::string::npos) << "streams hear of it: " << server.rig.events;
}

INSTANTIATE_TEST_SUITE_P(
    Rfc9113, H2Broken,
    testing::Values(Broken{"4.2 a frame above the limit", frame(NGHTTP2_DATA, 0, 1, std::string(16385, 'x')), "FRAME_SIZE_ERROR"},
                    Broken{"4.3 a header block that cannot be read", frame(NGHTTP2_HEADERS, 5, 3, "\xff\xff\xff\xff\xff\xff"),
                           "COMPRESSION_ERROR"},
                    Broken{"5.1 data on an idle stream", data(3, "x"), "PROTOCOL_ERROR"},
                    Broken{"5.1.1 an even stream", headers(2, request_fields()), "PROTOCOL_ERROR"},
                    Broken{"6.1 data on stream 0", data(0, "x"), "PROTOCOL_ERROR"},
                    Broken{"6.1 more padding than payload", frame(NGHTTP2_DATA, kPadded, 1, "\x7fx"), "PROTOCOL_ERROR"},
                    Broken{"6.2 headers on stream 0", headers(0, request_fields()), "PROTOCOL_ERROR"},
                    Broken{"6.4 a reset of an idle stream", frame(NGHTTP2_RST_STREAM, 0, 7, number(8)), "PROTOCOL_ERROR"},
                    Broken{"6.4 a reset of wrong size", frame(NGHTTP2_RST_STREAM, 0, 1, "abc"), "FRAME_SIZE_ERROR"},
                    Broken{"6.5 settings on a stream", frame(NGHTTP2_SETTINGS, 0, 1), "PROTOCOL_ERROR"},
                    Broken{"6.5 settings of wrong size", frame(NGHTTP2_SETTINGS, 0, 0, "abc"), "FRAME_SIZE_ERROR"},
                    Broken{"6.5.2 push that is neither on nor off", frame(NGHTTP2_SETTINGS, 0, 0, number(2, 2) + number(2)),
                           "PROTOCOL_ERROR"},
                    Broken{"6.5.2 a window above the limit", frame(NGHTTP2_SETTINGS, 0, 0, number(4, 2) + number(0x80000000u)),
                           "FLOW_CONTROL_ERROR"},
                    Broken{"6.6 a push from a client", frame(NGHTTP2_PUSH_PROMISE, kEndHeaders, 1, number(2)), "PROTOCOL_ERROR"},
                    Broken{"6.7 a ping of wrong size", frame(NGHTTP2_PING, 0, 0, "abc"), "FRAME_SIZE_ERROR"},
                    Broken{"6.7 a ping on a stream", frame(NGHTTP2_PING, 0, 1, "12345678"), "PROTOCOL_ERROR"},
                    Broken{"6.9 no credit for the connection", frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(0)), "PROTOCOL_ERROR"},
                    Broken{"6.9.1 credit above the limit", frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(0x7fffffff)),
                           "FLOW_CONTROL_ERROR"},
                    Broken{"6.10 a continuation of nothing", frame(NGHTTP2_CONTINUATION, kEndHeaders, 1, "x"), "PROTOCOL_ERROR"},
                    Broken{"6.10 another frame in a header block",
                           frame(NGHTTP2_HEADERS, 0, 3, block(request_fields())) + data(1, "x"), "PROTOCOL_ERROR"}),
    [](const auto& of) {
      std::string name(of.param.what);
      for (char& c : name)
        if (!isalnum(c)) c = '_';
      return name;
    });

struct Flood {
  const char* what;
  std::function<std::string(uint32_t)> piece;
};
class H2Flood : public testing::TestWithParam<Flood> {};

TEST_P(H2Flood, IsEndedWithAReason) {
  Server server;
  server.answers = false;
  server.rig.read(headers(1, request_fields({}, "POST"), kEndHeaders));
  std::string bytes;
  for (uint32_t i = 0; i < 5000; ++i) bytes += GetParam().piece(i);
  server.rig.read(bytes);
  EXPECT_TRUE(server.rig.fatal);
  const auto frames = server.frames();
  EXPECT_NE(frames.find(std::string("ENHANCE_YOUR_CALM ") + GetParam().what), std::string::npos) << frames.substr(0, 400);
}

// A frame of each kind in a turn of its own is no flood, however long it goes on.
TEST_P(H2Flood, IsNoneWhenItComesSlowly) {
  if (std::string_view(GetParam().what) == "continuation_flood" || std::string_view(GetParam().what) == "header_list_flood")
    return;
  Server server;
  server.answers = false;
  server.rig.read(headers(1, request_fields({}, "POST"), kEndHeaders));
  for (uint32_t i = 0; i < 5000 && !server.rig.fatal; ++i) server.rig.read(GetParam().piece(i));
  EXPECT_FALSE(server.rig.fatal) << server.rig.events.substr(server.rig.events.size() - 60);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, H2Flood,
    testing::Values(Flood{"ping_flood", [](uint32_t) { return frame(NGHTTP2_PING, 0, 0, "12345678"); }},
                    Flood{"settings_flood", [](uint32_t) { return frame(NGHTTP2_SETTINGS, 0, 0); }},
                    Flood{"rapid_reset",
                          [](uint32_t i) {
                            return headers(3 + 2 * i, request_fields()) + frame(NGHTTP2_RST_STREAM, 0, 3 + 2 * i, number(8));
                          }},
                    Flood{"empty_frame_flood", [](uint32_t) { return data(1, ""); }},
                    Flood{"empty_frame_flood", [](uint32_t) { return frame(NGHTTP2_PRIORITY, 0, 1, number(0) + "x"); }},
                    Flood{"window_update_flood", [](uint32_t) { return frame(NGHTTP2_WINDOW_UPDATE, 0, 1, number(1)); }},
                    Flood{"continuation_flood",
                          [](uint32_t i) { return i ? frame(NGHTTP2_CONTINUATION, 0, 3) : frame(NGHTTP2_HEADERS, 0, 3); }},
                    Flood{"header_list_flood",
                          [](uint32_t i) {
                            Fields many;
                            for (int k = 0; k < 600; ++k) many.emplace_back("a", "");
                            return headers(3 + 2 * i, many);
                          }}),
    [](const auto& of) { return std::to_string(of.index) + "_" + of.param.what; });

TEST(H2Server, PingsAreAnsweredAndProbesHeard) {
  Server server;
  server.rig.read(frame(NGHTTP2_PING, 0, 0, "12345678"));
  EXPECT_EQ(server.frames(), "PING ack\n");
  server.rig.codec->probe();
  EXPECT_EQ(server.frames(), "PING\n");
  server.rig.read(frame(NGHTTP2_PING, kAck, 0, std::string_view("probe\0\0\0", 8)));
  EXPECT_EQ(server.rig.events, "alive\n");
}

TEST(H2Server, DrainsInTwoSteps) {
  Server server;
  server.answers = false;
  server.rig.read(headers(1, request_fields()));
  server.rig.codec->drain();
  EXPECT_FALSE(server.rig.codec->reusable());
  EXPECT_EQ(server.frames(), "PING\nGOAWAY 2147483647 NO_ERROR\n");
  server.rig.read(headers(3, request_fields()));  // was on its way
  server.rig.read(frame(NGHTTP2_PING, kAck, 0, std::string_view("drain\0\0\0", 8)));
  EXPECT_EQ(server.frames(), "GOAWAY 3 NO_ERROR\n");
  server.rig.read(headers(5, request_fields()));
  EXPECT_EQ(server.streams.size(), 2u);
  for (auto& stream : server.streams) server.answer(stream, 204, "");
  EXPECT_EQ(server.frames(), "HEADERS 1 end [:status: 204]\nHEADERS 3 end [:status: 204]\n");
  EXPECT_EQ(server.rig.codec->open_streams(), 0u);
  EXPECT_EQ(server.rig.idles, 1);
}

TEST(H2Server, ADrainWithNothingUnderWaySaysAtOnceWhichWasTheLast) {
  Server server;
  server.rig.read(headers(1, request_fields()));
  server.frames();
  server.rig.codec->drain();
  EXPECT_EQ(server.frames(), "GOAWAY 1 NO_ERROR\n");
}

TEST(H2Server, AStreamNobodyServesIsRefused) {
  Server server;
  server.refuses = true;
  server.rig.read(headers(1, request_fields()));
  EXPECT_EQ(server.frames(), "RST_STREAM 1 REFUSED_STREAM\n");
}

// nghttp2 makes an error of the connection of it once the limit has been acknowledged (5.1.2 asks for one of the stream).
TEST(H2Server, MoreStreamsThanTheLimitAreRefused) {
  Server server({.max_streams = 2});
  server.answers = false;
  server.rig.read(headers(1, request_fields()) + headers(3, request_fields()) + headers(5, request_fields()));
  EXPECT_EQ(server.frames(), "RST_STREAM 5 REFUSED_STREAM\n");
  server.rig.read(frame(NGHTTP2_SETTINGS, kAck, 0));
  server.rig.read(headers(7, request_fields()));
  EXPECT_TRUE(server.rig.fatal);
}

TEST(H2Server, AnAnswerBeforeTheEndOfItsRequestTakesTheRestBackWithoutBlame) {
  Server server;
  server.rig.read(headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "abc"));
  server.answer(server.streams[0], 413, "");
  EXPECT_EQ(server.frames(), "HEADERS 1 end [:status: 413]\nRST_STREAM 1 NO_ERROR\n");
  EXPECT_EQ(server.rig.codec->open_streams(), 0u);
}

TEST(H2Server, ACancelledRequestIsToldOnce) {
  Server server;
  server.answers = false;
  server.rig.read(headers(1, request_fields()));
  server.rig.read(frame(NGHTTP2_RST_STREAM, 0, 1, number(8)));
  EXPECT_TRUE(server.rig.events.ends_with("end\nreset stream_reset\n")) << server.rig.events;
  EXPECT_EQ(server.rig.codec->open_streams(), 0u);
}

TEST(H2Server, HopByHopFieldsAndCapitalsAreNotWritten) {
  Server server;
  server.answers = false;
  server.rig.read(headers(1, request_fields()));
  Arena arena;
  ResponseHead head(arena);
  head.status = 200;
  for (const auto& [name, value] : Fields{{"Connection", "close"},
                                          {"Keep-Alive", "timeout=5"},
                                          {"Transfer-Encoding", "chunked"},
                                          {"Upgrade", "h2c"},
                                          {"X-Good", "1"},
                                          {"X-Bad", "a\r\nb: c"},
                                          {"Content-Length", "0"}})
    head.headers.add(name, value);
  server.rig.codec->send_response(1, head, true);
  EXPECT_EQ(server.frames(), "HEADERS 1 end [:status: 200] [x-good: 1] [content-length: 0]\n");
}

TEST(H2Server, AnswersToHeadHaveNoBody) {
  Server server;
  server.rig.read(headers(1, request_fields({}, "HEAD")));
  EXPECT_EQ(server.frames(), "HEADERS 1 end [:status: 200]\n");
}

}  // namespace
}  // namespace outrider::http
