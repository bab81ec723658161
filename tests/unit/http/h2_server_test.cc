// What a server makes of frames (RFC 9113).

#include "tests/unit/http/h2_server.h"

namespace outrider::http {
namespace {

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
    [](const auto& of) { return case_name(of.param.what); });

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
                    Flood{"rapid_reset",  // by us, who are made to
                          [](uint32_t i) {
                            return headers(3 + 2 * i, request_fields({{"Upper", "case"}}));
                          }},
                    Flood{"empty_frame_flood", [](uint32_t) { return data(1, ""); }},
                    Flood{"empty_frame_flood", [](uint32_t) { return frame(NGHTTP2_PRIORITY, 0, 1, number(0) + "x"); }},
                    Flood{"empty_frame_flood", [](uint32_t) { return frame(0xee, 0, 0); }},
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

// --- what one connection may have done in a turn ---------------------------------------------------------------------

// Turns that pass before all of it has been read; `most` is done in one of them, as `done` counts.
struct Turns {
  int count = 0;
  size_t most = 0;
};

Turns turns_of(Server& server, const std::string& bytes, const std::function<size_t()>& done) {
  Turns turns;
  server.rig.input.append(bytes);
  do {
    const size_t before = done();
    server.rig.enough = false;
    EXPECT_TRUE(server.rig.codec->feed(server.rig.input));
    server.rig.take_output();
    turns.most = std::max(turns.most, done() - before);
    ++turns.count;
  } while (server.rig.enough && turns.count < 10000);
  EXPECT_TRUE(server.rig.input.empty()) << "whose turn comes only for what is left";
  return turns;
}

TEST(H2Server, OthersAreServedBetweenManyHeads) {
  Server server({.max_streams = 1000});
  std::string bytes;
  for (uint32_t i = 0; i < 500; ++i) bytes += headers(1 + 2 * i, request_fields());
  const Turns turns = turns_of(server, bytes, [&] { return server.streams.size(); });
  EXPECT_EQ(server.streams.size(), 500u);
  EXPECT_LE(turns.most, 65u);
  EXPECT_LE(turns.count, 10);
}

TEST(H2Server, OthersAreServedBetweenManySmallFrames) {
  Server server;
  server.answers = false;
  server.rig.read(headers(1, request_fields({}, "POST"), kEndHeaders));
  std::string bytes;
  for (int i = 0; i < 5000; ++i) bytes += data(1, "x");
  const Turns turns = turns_of(server, bytes, [&] { return server.streams[0].body.size(); });
  EXPECT_EQ(server.streams[0].body.size(), 5000u);
  EXPECT_LE(turns.most, 513u);
  EXPECT_LE(turns.count, 11);
}

TEST(H2Server, OthersAreServedBetweenHeadsThatAreLongOnlyWhenTheyHaveBeenRead) {
  Server server;
  const auto field = block({{"x", std::string(4000, 'y')}});
  const std::string kept = "\x40" + field.substr(1), again(14, '\xbe');  // into HPACK's table, and from there
  std::string bytes = frame(NGHTTP2_HEADERS, kEndHeaders | kEndStream, 1, block(request_fields()) + kept);
  for (uint32_t i = 1; i < 100; ++i)
    bytes += frame(NGHTTP2_HEADERS, kEndHeaders | kEndStream, 1 + 2 * i, block(request_fields()) + again);
  const Turns turns = turns_of(server, bytes, [&] { return server.streams.size(); });
  EXPECT_EQ(server.streams.size(), 100u);
  EXPECT_LE(turns.most, 4u) << "56,000 bytes of fields each, but for the first";
}

TEST(H2Server, OfWhoTakesItsStreamsBackFewAreReadInATurn) {
  Server server;
  server.answers = false;
  std::string bytes;
  for (uint32_t i = 0; i < 200; ++i)
    bytes += headers(1 + 2 * i, request_fields()) + frame(NGHTTP2_RST_STREAM, 0, 1 + 2 * i, number(8));
  const Turns turns = turns_of(server, bytes, [&] { return server.streams.size(); });
  EXPECT_EQ(server.streams.size(), 200u);
  EXPECT_GE(turns.count, 200 / 9);
}

// A few bytes that stand for many are no long head: nobody means it. A head that is as long as it looks has an answer.
TEST(H2Server, ABombOfFieldsEndsTheConnectionWhereItGoesBeyondTheLimit) {
  const CodecLimits limits{.max_header_bytes = 20000};
  const auto field = block({{"x", std::string(4000, 'y')}});
  const std::string kept = "\x40" + field.substr(1);
  Server bomb(limits);
  bomb.rig.read(frame(NGHTTP2_HEADERS, kEndHeaders | kEndStream, 1, block(request_fields()) + kept + std::string(6, '\xbe')));
  EXPECT_TRUE(bomb.rig.fatal);
  EXPECT_NE(bomb.frames().find("ENHANCE_YOUR_CALM header_list_flood"), std::string::npos);
  Server honest(limits);
  std::string fields = block(request_fields());
  for (int i = 0; i < 7; ++i) fields += i < 3 ? kept : field;
  honest.rig.read(frame(NGHTTP2_HEADERS, kEndStream, 1, fields.substr(0, 16000)) +
                  frame(NGHTTP2_CONTINUATION, kEndHeaders, 1, fields.substr(16000)));
  EXPECT_EQ(honest.frames(), "HEADERS 1 end [:status: 431]\n");
}

// However small the pieces its reader takes them in, for the stream and for the connection.
TEST(H2Server, CreditForWhatWasSentIsNoFlood) {
  Server server;
  server.answers = false;
  server.rig.read(headers(1, request_fields()));
  server.answer(server.streams[0], 200, std::string(60000, 'x'));
  server.frames();
  std::string bytes;
  for (int i = 0; i < 60000; i += 300)
    for (const uint32_t stream : {0u, 1u}) bytes += frame(NGHTTP2_WINDOW_UPDATE, 0, stream, number(300));
  turns_of(server, bytes + bytes, [] { return 0u; });  // 800 of them, and 512 are let pass in any case
}

// Each read is too little for a flood; what it makes us say is never taken.
TEST(H2Server, APeerThatReadsNoneOfOurAnswersIsLeft) {
  Server server;
  Result<Done> ok = Done{};
  for (uint32_t i = 0; ok && i < 5000; ++i) {
    for (uint32_t k = 0; k < 4; ++k) server.rig.input.append(headers(1 + 2 * (4 * i + k), request_fields({{"Upper", "case"}})));
    do ok = server.rig.codec->feed(server.rig.input);
    while (ok && !server.rig.input.empty());
  }
  ASSERT_FALSE(ok);
  EXPECT_STREQ(ok.error().what, "answers_not_read");
}

TEST(H2Server, TheFirstReasonToEndAConnectionIsTheOneThatIsSaid) {
  Server server;
  server.rig.read(headers(1, request_fields({}, "POST"), kEndHeaders));
  std::string bytes;
  for (uint32_t i = 0; i < 1000; ++i) bytes += headers(3 + 2 * i, request_fields({{"Upper", "case"}}));
  server.rig.read(bytes + frame(NGHTTP2_WINDOW_UPDATE, 0, 1, number(0x7fffffff)));  // for two reasons, now
  const auto frames = server.frames();
  EXPECT_TRUE(frames.ends_with(" FLOW_CONTROL_ERROR flow_control_error\n")) << frames.substr(frames.size() - 100);
}

// --- what does not come to its end -----------------------------------------------------------------------------------

constexpr Error kLate{Code::Timeout, Side::Downstream, Retry::No, 0, "late", 408};

TEST(H2Server, AHeadThatDoesNotEndIsNotedAndItsConnectionMayBeEnded) {
  Server server;
  EXPECT_FALSE(server.rig.codec->refuse(kLate)) << "nothing is there";
  server.rig.read(headers(1, request_fields()));
  EXPECT_FALSE(server.rig.codec->refuse(kLate)) << "all of it is there";
  EXPECT_EQ(server.rig.partials, 0);
  const std::string whole = block(request_fields());
  server.rig.read(frame(NGHTTP2_HEADERS, 0, 3, whole.substr(0, 5)));
  EXPECT_EQ(server.rig.partials, 1);
  server.rig.read(frame(NGHTTP2_CONTINUATION, 0, 3, whole.substr(5, 1)));
  EXPECT_EQ(server.rig.partials, 2);
  EXPECT_TRUE(server.rig.codec->refuse(kLate));
  server.rig.turn();
  EXPECT_TRUE(server.rig.fatal);
  EXPECT_EQ(server.frames(), kOk + "GOAWAY 3 ENHANCE_YOUR_CALM late\n");
}

TEST(H2Server, AHeadThatIsRefusedBeforeItsEndIsNotWaitedFor) {
  Server server;
  server.rig.read(frame(NGHTTP2_HEADERS, 0, 1, block(request_fields({{"Upper", "case"}}))));
  EXPECT_EQ(server.frames(), "RST_STREAM 1 PROTOCOL_ERROR\n");
  EXPECT_FALSE(server.rig.codec->refuse(kLate));
  EXPECT_EQ(server.rig.codec->open_streams(), 0u);
}

TEST(H2Server, APrefaceWithoutSettingsIsNotWhole) {
  Rig rig(Role::Server, {}, Wire::Http2);
  rig.read(kPreface);
  EXPECT_TRUE(rig.codec->refuse(kLate));
  rig.turn();
  EXPECT_TRUE(rig.fatal);
}

// Two answers, and credit for one of them.
struct HalfTaken {
  HalfTaken() {
    server.answers = false;
    server.rig.read(headers(1, request_fields()) + headers(3, request_fields()));
    for (auto& stream : server.streams) {
      server.answer(stream, 200, std::string(60000, 'x'));
      server.rig.codec->detach(stream.id);
    }
    server.frames();
  }
  Server server;
};

TEST(H2Server, AnAnswerThatIsNotTakenGoesWithTheSecondSweep) {
  HalfTaken half;
  auto& codec = *half.server.rig.codec;
  EXPECT_EQ(codec.open_streams(), 1u);
  EXPECT_TRUE(codec.sweep());
  EXPECT_EQ(half.server.frames(), "");
  EXPECT_TRUE(codec.sweep());
  EXPECT_EQ(half.server.frames(), "RST_STREAM 3 CANCEL\n");
  EXPECT_EQ(codec.open_streams(), 0u);
}

TEST(H2Server, AnAnswerThatIsTakenSlowlyIsNotSweptAway) {
  HalfTaken half;
  auto& codec = *half.server.rig.codec;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(codec.sweep());
    half.server.rig.read(frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(1)));
    EXPECT_EQ(half.server.frames(), "DATA 3 x\n");
  }
  half.server.rig.read(frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(60000)));
  EXPECT_EQ(codec.open_streams(), 0u);
}

TEST(H2Server, OutputOfWhichNothingGoesBetweenTwoSweepsIsSaid) {
  Server server;
  server.answers = false;
  server.rig.read(headers(1, request_fields()));
  server.answer(server.streams[0], 200, "yes");
  auto& codec = *server.rig.codec;
  EXPECT_TRUE(codec.sweep());
  codec.output().drop(1);
  codec.written();
  EXPECT_TRUE(codec.sweep());
  EXPECT_FALSE(codec.sweep());
}

// Whatever a peer does: heads are the exchanges', and what the codec holds is bounded by the limits.
TEST(H2Server, HoldsNoMoreThanItsLimitsSay) {
  const CodecLimits limits{.max_header_bytes = 4096, .buffer = 16384, .max_streams = 50};
  Server server(limits);
  server.answers = false;
  size_t most = 0;
  const size_t before = server.rig.pool.in_use_bytes();
  const auto look = [&] { most = std::max(most, server.rig.pool.in_use_bytes() - before); };
  for (uint32_t i = 0; i < limits.max_streams; ++i) {
    server.rig.read(headers(1 + 2 * i, request_fields({{"x", std::string(3000, 'x')}}, "POST"), kEndHeaders));
    look();
  }
  server.rig.read(frame(NGHTTP2_SETTINGS, 0, 0, number(4, 2) + number(1 << 30)) +
                  frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(1 << 30)));
  for (auto& stream : server.streams) {  // more than it will take
    Arena arena;
    ResponseHead head(arena);
    head.status = 200;
    server.rig.codec->send_response(stream.id, head, false);
    Buffer bytes(server.rig.pool);
    bytes.append(std::string(4 * limits.buffer, 'y'));
    server.rig.codec->send_body(stream.id, bytes, true);
    EXPECT_EQ(bytes.size(), 3 * limits.buffer) << "the rest is left";
    bytes.clear();
    look();
  }
  EXPECT_LE(most, limits.max_streams * (BlockPool::fitting(limits.buffer) + 4096) + 4 * limits.buffer) << most;
  server.rig.codec.reset();
  EXPECT_EQ(server.rig.pool.in_use_bytes(), 0u) << "nothing stays behind";
}

// Its owner writes only when it is told to.
TEST(H2Server, SaysThatThereIsOutputWhateverMadeIt) {
  Server server;
  for (const auto& bytes :
       {frame(NGHTTP2_PING, 0, 0, "12345678"), frame(NGHTTP2_SETTINGS, 0, 0), headers(1, request_fields({{"Upper", "case"}}))}) {
    server.frames();
    const int before = server.rig.outputs;
    server.rig.input.append(bytes);
    ASSERT_TRUE(server.rig.codec->feed(server.rig.input));
    EXPECT_GT(server.rig.outputs, before);
  }
}

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
