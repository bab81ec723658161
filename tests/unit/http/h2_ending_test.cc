// How streams and connections end at a server of HTTP/2, and what does not come to its end.

#include "tests/unit/http/h2_server.h"

namespace outrider::http {
namespace {

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
