#include "tests/unit/http/three_ways.h"

namespace outrider::http {
namespace {

struct Raw {
  explicit Raw(Role role, const CodecLimits& limits = {}) : stream(rig_of(role, limits), 1) {
    rig->serve = [this](StreamId) { return &stream; };
  }
  Rig& rig_of(Role role, const CodecLimits& limits) {
    rig = std::make_unique<Rig>(role, limits, Wire::Raw);
    return *rig;
  }
  void open() {
    stream.id = rig->codec->open(stream);
    Arena arena;
    RequestHead head(arena);
    rig->codec->send_request(stream.id, head, {}, false);
    rig->turn();
  }
  bool body(std::string_view bytes, bool end) {
    Buffer data(rig->pool);
    data.append(bytes);
    rig->codec->send_body(1, data, end);
    return data.empty();
  }
  std::unique_ptr<Rig> rig;
  RecordingStream stream;
};

const char kHead[] = "head CONNECT  authority @\n";

TEST(RawCodec, TheServersStreamIsThereBeforeTheFirstByte) {
  Raw raw(Role::Server);
  raw.rig->read("");
  EXPECT_EQ(raw.rig->events, kHead);
  raw.rig->read("hello ");
  raw.rig->read("world");
  EXPECT_EQ(raw.rig->events, std::string(kHead) + "body hello world\n");
}

TEST(RawCodec, TheClientsAnswerIsThereOnceItHasAsked) {
  Raw raw(Role::Client);
  EXPECT_TRUE(raw.rig->codec->can_open());
  EXPECT_FALSE(raw.rig->codec->wants_input());
  raw.open();
  EXPECT_EQ(raw.rig->events, "head 200 \n");
  EXPECT_FALSE(raw.rig->codec->can_open());
  raw.rig->read("220 ready");
  EXPECT_EQ(raw.rig->events, "head 200 \nbody 220 ready\n");
}

TEST(RawCodec, BytesAreWrittenAsTheyAre) {
  Raw raw(Role::Server);
  raw.rig->read("");
  Arena arena;
  ResponseHead head(arena);
  head.status = 200;
  raw.rig->codec->send_response(1, head, false);
  raw.body("\r\n\0x", false);
  raw.rig->take_output();
  EXPECT_EQ(raw.rig->written, "\r\n");
  EXPECT_FALSE(raw.rig->codec->wants_shut_write());
  raw.body("", true);
  EXPECT_TRUE(raw.rig->codec->wants_shut_write());
}

TEST(RawCodec, EachEndIsAHalfClose) {
  Raw raw(Role::Server);
  raw.rig->read("question");
  raw.rig->finish();
  EXPECT_EQ(raw.rig->events, std::string(kHead) + "body question\nend\n");
  EXPECT_EQ(raw.rig->idles, 0);
  EXPECT_TRUE(raw.body("answer", true));
  raw.rig->take_output();
  EXPECT_EQ(raw.rig->written, "answer");
  EXPECT_EQ(raw.rig->idles, 0);  // what was asked may still be on its way
  raw.rig->codec->detach(1);
  EXPECT_EQ(raw.rig->idles, 1);
  EXPECT_EQ(raw.rig->codec->open_streams(), 0u);
  EXPECT_FALSE(raw.rig->codec->broken());
  EXPECT_FALSE(raw.rig->codec->reusable());
}

TEST(RawCodec, ARefusalIsAReset) {
  Raw raw(Role::Server);
  raw.rig->read("");
  Arena arena;
  ResponseHead head(arena);
  head.status = 503;
  raw.rig->codec->send_response(1, head, true);
  EXPECT_TRUE(raw.rig->codec->broken());
  EXPECT_EQ(raw.rig->codec->open_streams(), 0u);
}

TEST(RawCodec, NobodyToServeItEndsTheConnection) {
  Rig rig(Role::Server, {}, Wire::Raw);
  rig.read("");
  EXPECT_TRUE(rig.fatal);
}

TEST(RawCodec, BackPressureBothWays) {
  Raw raw(Role::Server, {.buffer = 10});
  raw.stream.takes = false;
  raw.rig->read("0123456789");
  EXPECT_FALSE(raw.rig->codec->wants_input());
  raw.rig->read("more");
  EXPECT_EQ(raw.rig->input.size(), 4u);
  raw.rig->codec->consumed(1, 10);
  EXPECT_TRUE(raw.rig->hungry);
  raw.rig->turn();
  EXPECT_EQ(raw.rig->input.size(), 0u);
  EXPECT_TRUE(raw.body("01234567890", false));
  EXPECT_FALSE(raw.body("x", false));
  EXPECT_EQ(raw.stream.sendables, 0);
  raw.rig->take_output();
  EXPECT_EQ(raw.stream.sendables, 1);
}

TEST(RawCodec, SocketsMayBeJoinedOnlyWhileNothingOfOursLiesBetween) {
  const uint64_t all = std::numeric_limits<uint64_t>::max();
  Raw raw(Role::Server);
  raw.rig->read("");
  EXPECT_EQ(raw.rig->codec->bypass(1, Way::Request), all);
  raw.stream.takes = false;
  raw.rig->read("abc");
  EXPECT_EQ(raw.rig->codec->bypass(1, Way::Request), 0u);
  raw.rig->codec->consumed(1, 3);
  EXPECT_EQ(raw.rig->codec->bypass(1, Way::Request), all);
  raw.body("x", false);
  EXPECT_EQ(raw.rig->codec->bypass(1, Way::Request), 0u);
  raw.rig->take_output();
  EXPECT_EQ(raw.rig->codec->bypass(1, Way::Request), all);
  raw.rig->finish();
  EXPECT_EQ(raw.rig->codec->bypass(1, Way::Request), 0u);
}

TEST(RawCodec, AnOutputThatEmptiesIsToldForTheSakeOfThat) {
  Raw raw(Role::Server);
  raw.rig->read("abc");
  raw.body("x", false);
  EXPECT_EQ(raw.stream.sendables, 0);
  raw.rig->take_output();
  EXPECT_EQ(raw.stream.sendables, 1);
}

TEST(RawCodec, LossIsToldOnceAndCannotBeAnswered) {
  Raw raw(Role::Server);
  raw.rig->read("abc");
  raw.rig->codec->lost({Code::Closed, Side::Local, Retry::Yes, 0, "gone", 502});
  raw.rig->codec->lost({Code::Closed, Side::Local, Retry::Yes, 0, "again"});
  EXPECT_EQ(raw.rig->events, std::string(kHead) + "body abc\nreset gone\n");
  Raw early(Role::Client);
  early.rig->finish();
  EXPECT_TRUE(early.rig->fatal);
}

}  // namespace
}  // namespace outrider::http
