#include "http/grammar.h"
#include "tests/unit/http/three_ways.h"

namespace outrider::http {
namespace {

TEST(H1Client, ReadsAnswersFramedInEveryWay) {
  auto t = responses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-MiXed: y\r\n\r\nhello");
  EXPECT_EQ(t.events, lines({"head 200 OK [Content-Length: 5] [X-MiXed: y]", "body hello", "end"}));
  EXPECT_TRUE(t.reusable);
  t = responses("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n");
  EXPECT_EQ(t.events, lines({"head 200  [Transfer-Encoding: chunked]", "body hello", "trailers [X-Sum: 5]", "end"}));
  EXPECT_TRUE(t.reusable);
  t = responses("HTTP/1.1 404 Nicht da\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(t.events, lines({"head 404 Nicht da [Content-Length: 0]", "end"}));
  EXPECT_TRUE(t.reusable);
  t = responses("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(t.events, lines({"head 200  [Content-Length: 0]", "end"}));
}

TEST(H1Client, AnAnswerWithoutALengthEndsWithItsConnection) {
  auto t = responses("HTTP/1.1 200 OK\r\n\r\nhello", {.fin = true});
  EXPECT_EQ(t.events, lines({"head 200 OK", "body hello", "end"}));
  EXPECT_FALSE(t.reusable);
  t = responses("HTTP/1.0 200 OK\r\n\r\n", {.fin = true});
  EXPECT_EQ(t.events, lines({"head 200 OK", "end"}));
}

TEST(H1Client, AnAnswerThatIsCutIsNoAnswer) {
  EXPECT_EQ(responses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", {.fin = true}).events,
            lines({"head 200 OK [Content-Length: 5]", "body hell", "reset response_cut_short", "fatal response_cut_short"}));
  EXPECT_EQ(
      responses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", {.fin = true}).events,
      lines({"head 200 OK [Transfer-Encoding: chunked]", "body hello", "reset response_cut_short", "fatal response_cut_short"}));
  EXPECT_EQ(
      responses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", {.fin = true}).events,
      lines({"head 200 OK [Transfer-Encoding: chunked]", "body hello", "reset response_cut_short", "fatal response_cut_short"}));
  EXPECT_EQ(responses("HTTP/1.1 200 OK\r\nConte", {.fin = true}).events,
            lines({"reset response_cut_short", "fatal response_cut_short"}));
}

TEST(H1Client, AnEndBeforeTheFirstByteMayBeHadElsewhere) {
  Rig rig(Role::Client, {});
  RecordingStream stream(rig, 1);
  rig.codec->open(stream);
  rig.finish();
  EXPECT_EQ(rig.events, "reset upstream_closed if-reused\nfatal upstream_closed\n");
}

TEST(H1Client, OldServersKeepTheirConnectionWhereTheySayIt) {
  EXPECT_FALSE(responses("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi").reusable);
  EXPECT_TRUE(responses("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi").reusable);
  EXPECT_FALSE(responses("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").reusable);
  EXPECT_FALSE(responses("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x, Close\r\n\r\nhi").reusable);
}

TEST(H1Client, AnswersWithoutBodiesEndAtTheirHead) {
  EXPECT_EQ(responses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {.methods = {"HEAD"}}).events,
            lines({"head 200 OK [Content-Length: 5]", "end"}));
  EXPECT_EQ(responses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", {.methods = {"HEAD"}}).events,
            lines({"head 200 OK [Transfer-Encoding: chunked]", "end"}));
  EXPECT_TRUE(responses("HTTP/1.1 200 OK\r\n\r\n", {.methods = {"HEAD"}}).reusable);
  EXPECT_EQ(responses("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").events,
            lines({"head 304 Not Modified [Content-Length: 5]", "end"}));
  EXPECT_TRUE(responses("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").reusable);
  EXPECT_TRUE(responses("HTTP/1.1 204 No Content\r\n\r\n").reusable);
}

// Some servers do send the body they announce: whatever comes behind such an answer is not to be taken for the next one.
TEST(H1Client, AnAnswerThatAnnouncesABodyItMayNotHaveEndsItsConnection) {
  EXPECT_FALSE(responses("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n").reusable);
  EXPECT_FALSE(responses("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n").reusable);
}

TEST(H1Client, InterimAnswersComeFirst) {
  const auto t = responses(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\nContent-Length: 3\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(t.events, lines({"interim 100", "interim 103 [Link: </x>] [Content-Length: 3]", "head 200 OK [Content-Length: 2]",
                             "body hi", "end"}));
  EXPECT_TRUE(t.reusable);
}

TEST(H1Client, AFloodOfInterimAnswersEnds) {
  Rig rig(Role::Client, {.max_header_bytes = 256});
  RecordingStream stream(rig, 1);
  const StreamId id = rig.codec->open(stream);
  Arena arena;
  RequestHead head(arena);
  head.method = Method::Get;
  head.method_text = "GET";
  rig.codec->send_request(id, head, {}, true);
  rig.take_output();
  for (int i = 0; i < 10000 && !rig.fatal; ++i) rig.read("HTTP/1.1 102 Processing\r\n\r\n");
  EXPECT_TRUE(rig.fatal);
  EXPECT_TRUE(rig.events.ends_with("reset too_many_interim\nfatal too_many_interim\n"));
}

struct Bad {
  const char* bytes;
  const char* reason;
};

class H1ClientRefuses : public ::testing::TestWithParam<Bad> {};

TEST_P(H1ClientRefuses, AndTrustsTheConnectionNoMore) {
  const auto t = responses(GetParam().bytes);
  const std::string reason = GetParam().reason;
  EXPECT_EQ(t.events, "reset " + reason + "\nfatal " + reason + "\n") << GetParam().bytes;
  EXPECT_FALSE(t.reusable);
}

const Bad kBadHeads[] = {
    {"HTTP/1.1 20 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 2000 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 099 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 +20 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1  200 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/2.0 200 OK\r\n\r\n", "bad_status_line"},
    {"HTTP/1.2 200 OK\r\n\r\n", "bad_status_line"},
    {"http/1.1 200 OK\r\n\r\n", "bad_status_line"},
    {"ICY 200 OK\r\n\r\n", "bad_status_line"},
    {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "bad_status_line"},
    {"\r\nHTTP/1.1 200 OK\r\n\r\n", "blank_line"},
    {"HTTP/1.1 200 O\x01K\r\n\r\n", "bad_status_line"},
    {"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "bare_lf"},
    {"HTTP/1.1 200 OK\r\nX: y\n\r\n", "bare_lf"},
    {"HTTP/1.1 200 OK\r\nX: y\rSet-Cookie: a\r\n\r\n", "bare_cr"},
    {"HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n", "folded_line"},
    {"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", "space_before_colon"},
    {"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "bad_field_name"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "content_length_and_transfer_encoding"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "duplicate_content_length"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", "bad_content_length"},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad_content_length"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "transfer_coding_not_implemented"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "bad_transfer_encoding"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "transfer_encoding_in_http10"},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "unexpected_upgrade"},
};

INSTANTIATE_TEST_SUITE_P(Heads, H1ClientRefuses, ::testing::ValuesIn(kBadHeads));

// A field that was read is written without another look: what is let in must be what may be written.
TEST(H1Client, AByteThatMayNotBeWrittenIsNotLetIn) {
  for (int c = 0; c < 256; ++c) {
    const std::string byte(1, char(c));
    for (const auto& [field, writable] :
         {std::pair("x: a" + byte + "b", is_field_value(byte)), std::pair("a" + byte + "b: x", is_token(byte))}) {
      if (c == ':' || c == '\n') continue;  // another field then, or an end
      const auto t = responses("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + field + "\r\n\r\n");
      EXPECT_EQ(t.events.starts_with("head"), writable) << c << " in " << field << ": " << t.events;
    }
  }
}

TEST(H1Client, HeadsHaveALimit) {
  EXPECT_EQ(responses("HTTP/1.1 200 OK\r\nX: " + std::string(100, 'x') + "\r\n\r\n", {.limits = {.max_header_bytes = 64}}).events,
            lines({"reset head_too_large", "fatal head_too_large"}));
  EXPECT_EQ(responses("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n", {.limits = {.max_headers = 1}}).events,
            lines({"reset too_many_fields", "fatal too_many_fields"}));
}

TEST(H1Client, ABrokenChunkEndsWhatHadBegun) {
  EXPECT_EQ(responses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhix").events,
            lines({"head 200 OK [Transfer-Encoding: chunked]", "body hi"}));
  EXPECT_EQ(responses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhixx").events,
            lines({"head 200 OK [Transfer-Encoding: chunked]", "body hi", "reset bad_chunk_end", "fatal bad_chunk_end"}));
}

// --- tunnels -----------------------------------------------------------------------------------------------------------

struct Upgrading {
  Upgrading() {
    stream.id = rig.codec->open(stream);
    stream.request.method_text = "GET";
    stream.request.method = Method::Get;
    stream.request.protocol = "x/1";
    rig.codec->send_request(stream.id, stream.request, {}, false);
    rig.take_output();
  }
  std::string send(std::string_view bytes, bool end) {
    Buffer data(rig.pool);
    data.append(bytes);
    rig.written.clear();
    rig.codec->send_body(stream.id, data, end);
    rig.take_output();
    return rig.written;
  }
  Rig rig{Role::Client, {}};
  RecordingStream stream{rig, 0};
};

TEST(H1Client, ATunnelIsBytesBothWaysOnceItIsOpen) {
  Upgrading client;
  EXPECT_EQ(client.rig.written, "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x/1\r\n\r\n");
  EXPECT_EQ(client.send("too early", false), "");
  client.rig.read("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Go\r\nUpgrade: x/1\r\nContent-Length: 1\r\n\r\nHTTP/1.1 ");
  EXPECT_EQ(client.send("GET /", false), "GET /");
  EXPECT_FALSE(client.rig.codec->wants_shut_write());
  EXPECT_EQ(client.send(" ...", true), " ...");
  EXPECT_TRUE(client.rig.codec->wants_shut_write());
  client.rig.read("204");
  client.rig.finish();
  EXPECT_EQ(client.rig.transcript().events,
            lines({"interim 103", "head 101 Go [Upgrade: x/1] [Content-Length: 1]", "body HTTP/1.1 204", "end"}));
  EXPECT_FALSE(client.rig.codec->reusable());
}

TEST(H1Client, ATunnelThatWasRefusedLeavesNothingBehindIt) {
  Upgrading client;
  client.rig.read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(client.send("GET /", true), "");
  EXPECT_EQ(client.rig.transcript().events, lines({"head 200 OK [Content-Length: 2]", "body hi", "end"}));
  EXPECT_FALSE(client.rig.codec->reusable());
}

// --- what must never reach the next request ----------------------------------------------------------------------------

struct Client {
  explicit Client(const CodecLimits& limits = {}) : rig(Role::Client, limits) {}
  RecordingStream& ask(std::string_view method = "GET", bool end = true) {
    auto& stream = streams.emplace_back(rig, 0);
    stream.id = rig.codec->open(stream);
    Arena arena;
    RequestHead head(arena);
    head.method_text = method;
    head.method = method_of(method);
    head.path = "/";
    rig.codec->send_request(stream.id, head, {}, end);
    return stream;
  }
  std::deque<RecordingStream> streams;
  Rig rig;
};

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

TEST(H1Client, ServesOneRequestAfterAnother) {
  Client c;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(c.rig.codec->can_open());
    c.ask();
    EXPECT_FALSE(c.rig.codec->can_open());
    c.rig.take_output();
    c.rig.read(kOk);
  }
  EXPECT_EQ(c.rig.idles, 5);
}

TEST(H1Client, BytesBehindAnAnswerAreNotTheNextOne) {
  Client c;
  c.ask();
  c.rig.take_output();
  c.rig.read(kOk + kOk);
  EXPECT_FALSE(c.rig.codec->can_open());
  EXPECT_EQ(c.streams.size(), 1u);
  Client late;
  late.ask();
  late.rig.take_output();
  late.rig.read(kOk);
  late.rig.read("H");
  EXPECT_TRUE(late.rig.fatal);
  EXPECT_FALSE(late.rig.codec->can_open());
}

// The next request has been given to the codec, but not a byte of it to the network: this cannot be its answer.
TEST(H1Client, AnAnswerThatCameBeforeItsRequestWasWrittenIsNone) {
  Client c;
  c.ask();
  c.rig.take_output();
  c.rig.read(kOk);
  c.ask();
  c.rig.read("H");
  EXPECT_TRUE(c.rig.fatal);
  EXPECT_TRUE(c.rig.events.ends_with("reset response_without_request if-reused\nfatal response_without_request\n"))
      << c.rig.events;
}

TEST(H1Client, AnAnswerBeforeTheEndOfItsRequestIsTheLastOne) {
  Client c;
  auto& stream = c.ask("POST", false);
  c.rig.take_output();
  c.rig.read(kOk);
  EXPECT_EQ(c.rig.codec->open_streams(), 1u);
  Buffer data(c.rig.pool);
  data.append("rest");
  c.rig.codec->send_body(stream.id, data, true);
  EXPECT_EQ(c.rig.codec->open_streams(), 0u);
  EXPECT_FALSE(c.rig.codec->can_open());
  EXPECT_FALSE(c.rig.codec->broken());
}

TEST(H1Client, ARequestThatIsGivenUpBreaksTheConnection) {
  Client half;
  half.rig.codec->reset(half.ask("POST", false).id, Reset::Cancelled);
  EXPECT_TRUE(half.rig.codec->broken());
  EXPECT_FALSE(half.rig.codec->can_open());
  Client whole;
  whole.rig.codec->detach(whole.ask().id);
  EXPECT_FALSE(whole.rig.codec->broken());
  EXPECT_FALSE(whole.rig.codec->can_open());
}

TEST(H1Client, AConnectionLostBeforeTheFirstByteMayBeTriedElsewhere) {
  const Error closed{Code::Closed, Side::Local, Retry::No, 0, "connection_reset"};
  Client silent;
  silent.ask();
  silent.rig.codec->lost(closed);
  EXPECT_EQ(silent.rig.events, "reset connection_reset if-reused\n");
  Client begun;
  begun.ask();
  begun.rig.take_output();
  begun.rig.read("H");
  begun.rig.codec->lost(closed);
  EXPECT_EQ(begun.rig.events, "reset connection_reset\n");
}

TEST(H1Client, WhatIsNotTakenStopsTheReading) {
  Client c({.buffer = 10});
  auto& stream = c.ask();
  stream.takes = false;
  c.rig.take_output();
  c.rig.read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n5\r\nagain\r\n0\r\n\r\n");
  EXPECT_FALSE(c.rig.codec->wants_input());
  EXPECT_TRUE(c.rig.events.ends_with("body helloworld\n")) << c.rig.events;
  stream.takes = true;
  c.rig.codec->consumed(stream.id, 10);
  EXPECT_TRUE(c.rig.hungry);
  c.rig.turn();
  EXPECT_TRUE(c.rig.events.ends_with("body helloworldagain\nend\n")) << c.rig.events;
  EXPECT_TRUE(c.rig.codec->reusable());
}

// What goes from socket to socket is taken from the body's length as if it had been fed.
TEST(H1Client, ABodyOfKnownLengthMayGoByOutside) {
  Client c;
  auto& stream = c.ask();
  c.rig.take_output();
  c.rig.read("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
  EXPECT_EQ(c.rig.codec->bypass(stream.id, Way::Response), 90u);
  EXPECT_EQ(c.rig.codec->bypass(stream.id, Way::Request), 0u);
  EXPECT_EQ(c.rig.codec->bypass(stream.id + 1, Way::Response), 0u);
  c.rig.codec->bypassed(stream.id, Way::Response, 50);
  c.rig.read(std::string(10, 'x'));
  EXPECT_EQ(c.rig.codec->bypass(stream.id, Way::Response), 30u);
  EXPECT_FALSE(c.rig.events.ends_with("end\n"));
  c.rig.codec->bypassed(stream.id, Way::Response, 30);
  EXPECT_TRUE(c.rig.events.ends_with("body 0123456789xxxxxxxxxx\nend\n")) << c.rig.events;
  EXPECT_TRUE(c.rig.codec->reusable());
  c.ask();
  c.rig.take_output();
  c.rig.read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  EXPECT_EQ(c.rig.codec->bypass(stream.id, Way::Response), 0u) << "chunks are looked at";
}

}  // namespace
}  // namespace outrider::http
