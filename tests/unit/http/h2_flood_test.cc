// What one connection may do to a server of HTTP/2, all in all and in a turn.

#include "tests/unit/http/h2_server.h"

namespace outrider::http {
namespace {

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

size_t heads_in(const std::string& events) {
  size_t heads = 0;
  for (size_t at = events.find("head "); at != events.npos; at = events.find("head ", at + 1)) ++heads;
  return heads;
}

TEST(H2Server, OfWhoHasBroughtNoStreamToItsEndOneHeadIsReadInATurn) {
  Server server;
  server.answers = false;
  std::string bytes;
  for (uint32_t i = 0; i < 50; ++i) bytes += headers(1 + 2 * i, request_fields());
  const Turns turns = turns_of(server, bytes, [&] { return heads_in(server.rig.events); });
  EXPECT_EQ(heads_in(server.rig.events), 50u);
  EXPECT_EQ(turns.most, 1u);
  EXPECT_EQ(turns.count, 50) << "the first at once";
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

}  // namespace
}  // namespace outrider::http
