// Step by step: who answers late, early, twice, or not at all.

#include "tests/unit/http/three_ways.h"

namespace outrider::http {
namespace {

// --- ends --------------------------------------------------------------------------------------------------------------

TEST(H1Server, AFinBetweenRequestsIsAnEndAndInsideOneAnError) {
  ServerScript script;
  script.fin = true;
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHost: a\r\n\r\n", script).events,
            lines({"head GET / @a [Host: a]", "end", "fatal client_closed"}));
  EXPECT_EQ(requests("GET / HTTP/1.1\r\nHo", script).events, lines({"fatal request_cut_short"}));
  EXPECT_EQ(
      requests("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", script).events,
      lines({"head POST / @a [Host: a] [Content-Length: 5]", "body hel", "reset request_cut_short", "fatal request_cut_short"}));
  EXPECT_EQ(requests("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", script).events,
            lines({"head POST / @a [Host: a] [Transfer-Encoding: chunked]", "body hel", "reset request_cut_short",
                   "fatal request_cut_short"}));
}

struct Server {
  explicit Server(const CodecLimits& limits = {}) : rig(Role::Server, limits) {
    rig.serve = [this](StreamId id) { return &streams.emplace_back(rig, id); };
  }
  RecordingStream& stream() { return streams.back(); }
  void respond(uint16_t status, bool end, std::initializer_list<std::pair<const char*, const char*>> fields = {}) {
    Arena arena;
    ResponseHead head(arena);
    head.status = status;
    for (const auto& [name, value] : fields) head.headers.add(name, value);
    rig.codec->send_response(stream().id, head, end);
    rig.take_output();
  }
  bool body(std::string_view bytes, bool end) {  // false: not all of it was taken
    Buffer data(rig.pool);
    data.append(bytes);
    rig.codec->send_body(stream().id, data, end);
    const bool all = data.empty();
    rig.take_output();
    return all;
  }
  std::deque<RecordingStream> streams;  // before the rig, whose codec may still tell them something
  Rig rig;
};

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kPost = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";

TEST(H1Server, WhatIsBehindARequestWaitsForItsAnswer) {
  Server s;
  s.rig.read(kGet + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(s.streams.size(), 1u);
  EXPECT_FALSE(s.rig.codec->wants_input());
  s.respond(204, true);
  EXPECT_TRUE(s.rig.hungry);
  s.rig.turn();
  EXPECT_EQ(s.streams.size(), 2u);
  EXPECT_EQ(s.stream().request.path, "/2");
}

TEST(H1Server, InterimAnswersComeBeforeTheRealOne) {
  Server s;
  s.rig.read("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  Arena arena;
  ResponseHead interim(arena);
  interim.status = 100;
  s.rig.codec->send_interim(1, interim);
  interim.status = 103;
  interim.headers.add("Link", "</x>");
  interim.headers.add("Content-Length", "7");
  s.rig.codec->send_interim(1, interim);
  s.rig.read("hi");
  s.respond(200, true);
  interim.status = 102;
  s.rig.codec->send_interim(1, interim);  // too late
  s.rig.take_output();
  EXPECT_EQ(s.rig.written,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST(H1Server, AnOldClientHearsNoInterimAnswer) {
  Server s;
  s.rig.read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  Arena arena;
  ResponseHead interim(arena);
  interim.status = 103;
  s.rig.codec->send_interim(1, interim);
  s.rig.take_output();
  EXPECT_EQ(s.rig.written, "");
}

TEST(H1Server, ASwitchOfProtocolsIsNotForUsToSend) {
  Server s;
  s.rig.read(kGet);
  Arena arena;
  ResponseHead interim(arena);
  interim.status = 101;
  s.rig.codec->send_interim(1, interim);
  s.rig.take_output();
  EXPECT_EQ(s.rig.written, "");
}

TEST(H1Server, AnAnswerBeforeTheBodyIsTheLastOne) {
  Server s;
  s.rig.read("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  s.respond(403, true);
  EXPECT_EQ(s.rig.written, closing(403, "Forbidden"));
  s.rig.codec->detach(1);
  EXPECT_FALSE(s.rig.codec->reusable());
  s.rig.read("defghij" + kGet);
  EXPECT_EQ(s.streams.size(), 1u);
}

TEST(H1Server, AnAnswerBeforeABodyThatIsAllHereKeepsTheConnection) {
  Server s;
  s.rig.serve = [&](StreamId id) {
    auto& stream = s.streams.emplace_back(s.rig, id);
    stream.takes = false;
    return &stream;
  };
  s.rig.codec = make_codec(Wire::Http1, Role::Server, s.rig, s.rig.pool, {.buffer = 4});
  s.rig.input.append(kPost + "0123456789" + kGet);
  ASSERT_TRUE(s.rig.codec->feed(s.rig.input));
  EXPECT_TRUE(s.rig.events.ends_with("body 0123456789\nend\n") || s.rig.events.ends_with("body 0123\n")) << s.rig.events;
  s.respond(403, true);
  s.rig.codec->detach(1);
  s.rig.turn();
  EXPECT_EQ(s.rig.written, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(s.streams.size(), 2u);
  EXPECT_TRUE(s.rig.codec->reusable());
}

TEST(H1Server, BodiesGoOutAsTheirHeadSays) {
  Server s;
  s.rig.read(kGet);
  s.respond(200, false, {{"Content-Length", "5"}});
  s.body("he", false);
  s.body("llo", true);
  EXPECT_EQ(s.rig.written, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_TRUE(s.rig.codec->reusable());
  s.rig.written.clear();
  s.rig.read(kGet);
  s.respond(200, false);
  s.body("hello world, this is it", false);
  s.body("", true);
  EXPECT_EQ(s.rig.written, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n17\r\nhello world, this is it\r\n0\r\n\r\n");
  EXPECT_TRUE(s.rig.codec->reusable());
  s.rig.written.clear();
  s.rig.read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  s.respond(200, false);
  s.body("hello", true);
  EXPECT_EQ(s.rig.written, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
  EXPECT_FALSE(s.rig.codec->reusable());
  EXPECT_FALSE(s.rig.codec->broken());
}

TEST(H1Server, TrailersGoOutBehindChunksAndOnlyThoseThatMay) {
  Server s;
  s.rig.read(kGet);
  s.respond(200, false);
  s.body("x", false);
  Arena arena;
  HeaderMap trailers(arena);
  trailers.add("X-Sum", "1");
  trailers.add("Content-Length", "9");
  trailers.add("Set-Cookie", "a=b");
  trailers.add("X-Bad", "a\r\nb");
  s.rig.codec->send_trailers(1, trailers);
  s.rig.take_output();
  EXPECT_TRUE(s.rig.written.ends_with("\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n")) << s.rig.written;
}

TEST(H1Server, AnswersWithoutBodiesSendNone) {
  for (const uint16_t status : {204, 304}) {
    Server s;
    s.rig.read(kGet);
    s.respond(status, false, {{"Content-Length", "5"}});
    s.body("hello", true);
    EXPECT_EQ(s.rig.written.find("hello"), std::string::npos);
    EXPECT_EQ(s.rig.written.find("Content-Length: 5") != std::string::npos, status == 304);
    EXPECT_TRUE(s.rig.codec->reusable());
    EXPECT_FALSE(s.rig.codec->broken());
  }
  Server s;
  s.rig.read("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  s.respond(200, false, {{"Content-Length", "5"}});
  s.body("hello", true);
  EXPECT_EQ(s.rig.written, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_TRUE(s.rig.codec->reusable());
}

TEST(H1Server, ABodyThatIsNotAsLongAsPromisedBreaksTheConnection) {
  Server shorter;
  shorter.rig.read(kGet);
  shorter.respond(200, false, {{"Content-Length", "5"}});
  shorter.body("he", true);
  EXPECT_TRUE(shorter.rig.codec->broken());
  EXPECT_FALSE(shorter.rig.codec->reusable());
  Server longer;
  longer.rig.read(kGet);
  longer.respond(200, false, {{"Content-Length", "2"}});
  longer.body("he", false);
  longer.body("llo", true);
  EXPECT_TRUE(longer.rig.codec->broken());
  EXPECT_EQ(longer.rig.written.find("llo"), std::string::npos);
}

TEST(H1Server, AnAnswerThatIsGivenUpBreaksTheConnection) {
  for (const bool by_reset : {true, false}) {
    Server s;
    s.rig.read(kGet);
    s.respond(200, false);
    s.body("half", false);
    if (by_reset) s.rig.codec->reset(1, Reset::Internal);
    else s.rig.codec->detach(1);
    EXPECT_TRUE(s.rig.codec->broken());
    EXPECT_FALSE(s.rig.codec->reusable());
    EXPECT_EQ(s.rig.codec->open_streams(), 0u);
  }
}

TEST(H1Server, FieldsThatWouldEndTheirOwnLineAreNotWritten) {
  Server s;
  s.rig.read(kGet);
  s.respond(200, true,
            {{"X-A", "b\r\nX-Injected: 1"},
             {"X-B\r\nX-Injected", "1"},
             {"X C", "1"},
             {"X-D", "fine"},
             {"Connection", "X-D"},
             {"Transfer-Encoding", "gzip"},
             {"Content-Length", "7"}});
  EXPECT_EQ(s.rig.written, "HTTP/1.1 200 OK\r\nX-D: fine\r\nContent-Length: 0\r\n\r\n");
}

TEST(H1Server, ADrainMakesTheNextAnswerTheLast) {
  Server s;
  s.rig.read(kGet);
  s.rig.codec->drain();
  s.respond(200, true);
  EXPECT_TRUE(s.rig.written.ends_with("Connection: close\r\n\r\n"));
  EXPECT_FALSE(s.rig.codec->reusable());
}

TEST(H1Server, WhatIsNotTakenStopsTheReading) {
  Server s({.buffer = 100});
  s.rig.read("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  s.stream().takes = false;
  s.rig.read(std::string(99, 'x'));
  EXPECT_TRUE(s.rig.codec->wants_input());
  s.rig.read("y");
  EXPECT_FALSE(s.rig.codec->wants_input());
  s.rig.read("zzz");
  EXPECT_EQ(s.rig.input.size(), 3u);
  s.rig.codec->consumed(1, 50);
  EXPECT_TRUE(s.rig.hungry);
  s.rig.turn();
  EXPECT_EQ(s.rig.input.size(), 0u);
}

TEST(H1Server, WhatIsNotWrittenStopsTheSending) {
  Server s({.buffer = 1000});
  s.rig.read(kGet);
  Arena arena;
  ResponseHead head(arena);
  head.status = 200;
  s.rig.codec->send_response(1, head, false);
  Buffer data(s.rig.pool);
  int pieces = 0;
  for (; data.empty() && pieces < 100; ++pieces) {
    data.append(std::string(300, 'x'));
    s.rig.codec->send_body(1, data, false);
  }
  EXPECT_LT(pieces, 10);
  EXPECT_EQ(s.stream().sendables, 0);
  s.rig.take_output();
  EXPECT_EQ(s.stream().sendables, 1);
  s.rig.codec->send_body(1, data, true);
  EXPECT_TRUE(data.empty());
}

// Many small requests whose answers nobody reads must not fill the memory.
TEST(H1Server, AnswersThatNobodyReadsStopTheNextRequests) {
  Server s({.buffer = 1000});
  s.rig.serve = [&](StreamId id) {
    auto& stream = s.streams.emplace_back(s.rig, id);
    stream.on_ended = [&] {
      Arena arena;
      ResponseHead head(arena);
      head.status = 200;
      s.rig.codec->send_response(stream.id, head, true);
    };
    return &stream;
  };
  for (int i = 0; i < 1000; ++i) s.rig.input.append(kGet);
  do {
    s.rig.hungry = false;
    ASSERT_TRUE(s.rig.codec->feed(s.rig.input));
  } while (s.rig.hungry);
  EXPECT_LT(s.streams.size(), 100u);
  EXPECT_FALSE(s.rig.codec->wants_input());
  s.rig.take_output();
  while (s.rig.hungry) s.rig.turn();
  EXPECT_EQ(s.streams.size(), 1000u);
}

// Most who close do not wait any more: clients whose time is over do nothing else.
TEST(H1Server, AClientThatClosesBeforeItsAnswerHasGivenUp) {
  Server s;
  s.rig.read(kGet);
  s.rig.finish();
  EXPECT_TRUE(s.rig.fatal);
  EXPECT_TRUE(s.rig.events.ends_with("end\nreset client_closed\nfatal client_closed\n")) << s.rig.events;
  EXPECT_EQ(s.rig.written, "");
}

TEST(H1Server, AHalfClosedClientStillGetsTheRestOfItsAnswer) {
  Server s;
  s.rig.read(kGet);
  s.respond(200, false);
  s.rig.finish();
  EXPECT_FALSE(s.rig.fatal);
  s.body("rest", true);
  EXPECT_TRUE(s.rig.written.find("rest") != std::string::npos) << s.rig.written;
  EXPECT_FALSE(s.rig.codec->reusable());
}

TEST(H1Server, ALostConnectionIsToldOnce) {
  Server s;
  s.rig.read(kPost);
  s.rig.codec->lost({Code::Protocol, Side::Local, Retry::Yes, 0, "gone", 400});
  s.rig.codec->lost({Code::Closed, Side::Local, Retry::No, 0, "again"});
  EXPECT_TRUE(s.rig.events.ends_with("\nreset gone\n")) << s.rig.events;
}

TEST(H1Server, ARequestThatIsHalfThereCanBeRefused) {
  const Error late{Code::Timeout, Side::Downstream, Retry::No, 0, "late", 408};
  Server nothing;
  nothing.rig.codec->refuse(late);
  EXPECT_EQ(nothing.rig.events, "");
  Server half;
  half.rig.read("GET / HT");
  half.rig.codec->refuse(late);
  EXPECT_EQ(half.rig.events, "reset late 408\n");
  half.respond(408, true);
  EXPECT_EQ(half.rig.written, closing(408, "Request Timeout"));
  Server body;
  body.rig.read(kPost + "abc");
  body.rig.codec->refuse(late);
  EXPECT_TRUE(body.rig.events.ends_with("body abc\nreset late 408\n")) << body.rig.events;
  Server whole;
  whole.rig.read(kGet);
  whole.rig.codec->refuse(late);
  EXPECT_TRUE(whole.rig.events.ends_with("end\n"));
}

TEST(H1Server, AStreamNobodyWillServeEndsTheConnection) {
  Rig rig(Role::Server, {});
  rig.read(kGet);
  EXPECT_TRUE(rig.fatal);
  EXPECT_EQ(rig.events, "fatal stream_refused\n");
}

}  // namespace
}  // namespace outrider::http
