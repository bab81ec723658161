// A client's codec and a server's, joined in memory.

#include "tests/unit/http/frames.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

namespace outrider::http {
namespace {

class Pair : public testing::Test {
 protected:
  Pair() : Pair(CodecLimits{}) {}
  explicit Pair(CodecLimits limits) : client(Role::Client, limits, Wire::Http2), server(Role::Server, limits, Wire::Http2) {
    server.serve = [this](StreamId id) -> StreamEvents* {
      auto& stream = served.emplace_back(server, id);
      stream.takes = server_takes;
      stream.on_ended = [this, &stream] {
        if (on_request) on_request(stream);
      };
      return &stream;
    };
    settle();
  }
  // Until neither has anything to say.
  void settle() {
    for (int round = 0; round < 10000; ++round) {
      client.take_output();
      server.take_output();
      if (client.written.empty() && server.written.empty() && !client.hungry && !server.hungry) return;
      server.read(std::exchange(client.written, {}));
      client.read(std::exchange(server.written, {}));
    }
    ADD_FAILURE() << "they never stop talking";
  }
  RecordingStream& ask(std::string_view method = "GET", const Fields& fields = {}, bool end = true,
                       std::string_view protocol = {}) {
    auto& stream = asked.emplace_back(client, 0);
    stream.id = client.codec->open(stream);
    RequestHead& head = stream.request;
    head.method_text = method;
    head.method = method_of(method);
    head.form = method == "CONNECT" && protocol.empty() ? Form::Authority : Form::Origin;
    head.path = "/a";
    head.authority = "web:80";
    head.protocol = protocol;
    for (const auto& [name, value] : fields) head.headers.add(name, value);
    client.codec->send_request(stream.id, head, {}, end);
    return stream;
  }
  void answer(RecordingStream& to, uint16_t status, const Fields& fields, bool end) {
    ResponseHead& head = to.response;
    head.status = status;
    for (const auto& [name, value] : fields) head.headers.add(name, value);
    server.codec->send_response(to.id, head, end);
  }
  // As much as is taken; what is left stays in the buffer.
  Buffer send(Rig& rig, StreamId id, std::string_view bytes, bool end) {
    Buffer data(rig.pool);
    data.append(bytes);
    rig.codec->send_body(id, data, end);
    return data;
  }

  Rig client, server;
  std::deque<RecordingStream> asked, served;
  std::function<void(RecordingStream&)> on_request;
  bool server_takes = true;
};

class H2Pair : public Pair {};

TEST_F(H2Pair, CarriesAMessageEachWay) {
  on_request = [&](RecordingStream& stream) {
    answer(stream, 201, {{"X-Answer", "1"}}, false);
    send(server, stream.id, "made", true);
  };
  auto& stream = ask("POST", {{"Host", "web:80"}, {"X-Ask", "2"}, {"Connection", "x"}}, false);
  send(client, stream.id, "make it", true);
  settle();
  EXPECT_EQ(server.events, "head POST /a @web:80 [Host: web:80] [x-ask: 2]\nbody make it\nend\n");
  EXPECT_EQ(client.events, "head 201  [x-answer: 1]\nbody made\nend\n");
  EXPECT_EQ(client.codec->open_streams(), 0u);
  EXPECT_EQ(server.codec->open_streams(), 0u);
  EXPECT_EQ(client.idles, 1);
}

TEST_F(H2Pair, CarriesTrailersAndInterimResponses) {
  on_request = [&](RecordingStream& stream) {
    Arena arena;
    ResponseHead early(arena);
    early.status = 103;
    early.headers.add("Link", "</s>");
    server.codec->send_interim(stream.id, early);
    answer(stream, 200, {}, false);
    send(server, stream.id, "x", false);
    HeaderMap trailers(arena);
    trailers.add("Grpc-Status", "0");
    trailers.add("Content-Length", "7");
    server.codec->send_trailers(stream.id, trailers);
  };
  ask();
  settle();
  EXPECT_EQ(client.events, "interim 103 [link: </s>]\nhead 200 \nbody x\ntrailers [grpc-status: 0]\nend\n");
}

TEST_F(H2Pair, TrailersWithoutABody) {
  on_request = [&](RecordingStream& stream) {
    answer(stream, 200, {}, false);
    Arena arena;
    HeaderMap trailers(arena);
    trailers.add("grpc-status", "5");
    server.codec->send_trailers(stream.id, trailers);
  };
  ask();
  settle();
  EXPECT_EQ(client.events, "head 200 \ntrailers [grpc-status: 5]\nend\n");
}

TEST_F(H2Pair, OwnFieldsReplaceThoseOfTheHead) {
  auto& stream = asked.emplace_back(client, 0);
  stream.id = client.codec->open(stream);
  RequestHead& head = stream.request;
  head.method_text = "GET";
  head.method = Method::Get;
  head.path = "/";
  head.authority = "a";
  head.headers.add("Host", "a");
  head.headers.add("X-Try", "0");
  const Field own[] = {{HeaderId::Other, false, false, false, "x-try", "1"}, {HeaderId::Host, false, false, false, "Host", "b"}};
  client.codec->send_request(stream.id, head, own, true);
  settle();
  EXPECT_EQ(server.events, "head GET / @b [Host: b] [x-try: 1]\nend\n");
}

TEST_F(H2Pair, ManyStreamsAreAnsweredInAnyOrder) {
  for (int i = 0; i < 50; ++i) ask("GET", {{"n", std::to_string(i)}});
  settle();
  ASSERT_EQ(served.size(), 50u);
  for (size_t i = served.size(); i-- > 0;) {
    answer(served[i], 200, {}, false);
    send(server, served[i].id, std::string(served[i].request.headers.find("n")->value), true);
  }
  settle();
  for (size_t i = 0; i < asked.size(); ++i) EXPECT_EQ(asked[i].body, std::to_string(i));
  EXPECT_EQ(client.codec->open_streams(), 0u);
}

TEST_F(H2Pair, ABodyWaitsForTheReader) {
  on_request = [&](RecordingStream& stream) { answer(stream, 200, {}, false); };
  auto& stream = ask();
  stream.takes = false;
  settle();
  const std::string bytes(200 * 1024, 'x');
  Buffer left = send(server, served[0].id, bytes, true);
  settle();
  EXPECT_GT(left.size(), 0u);
  EXPECT_EQ(stream.body.size(), CodecLimits{}.buffer) << "what a stream may make us hold";
  EXPECT_EQ(served[0].sendables, 0);
  // Another stream is not held up by it.
  auto& other = ask();
  settle();
  send(server, served[1].id, "quick", true);
  settle();
  EXPECT_EQ(other.body, "quick");

  size_t consumed = 0;
  for (int round = 0; round < 1000 && !stream.whole; ++round) {
    client.codec->consumed(stream.id, stream.body.size() - std::exchange(consumed, stream.body.size()));
    settle();
    server.codec->send_body(served[0].id, left, true);
    settle();
  }
  EXPECT_TRUE(stream.whole);
  EXPECT_EQ(stream.body, bytes);
  EXPECT_GT(served[0].sendables, 0);
}

TEST_F(H2Pair, ALargeBodyGoesThroughInPieces) {
  auto& stream = ask("PUT", {{"Content-Length", "1000000"}}, false);
  Buffer left = send(client, stream.id, std::string(1000000, 'y'), true);
  for (int round = 0; round < 100 && !left.empty(); ++round) {
    settle();
    client.codec->send_body(stream.id, left, true);
  }
  settle();
  EXPECT_TRUE(served[0].whole);
  EXPECT_EQ(served[0].body.size(), 1000000u);
}

TEST_F(H2Pair, ABodyThatIsNotAsLongAsPromisedIsCut) {
  auto& more = ask("PUT", {{"Content-Length", "2"}}, false);
  auto& less = ask("PUT", {{"Content-Length", "9"}}, false);
  send(client, more.id, "abc", true);
  send(client, less.id, "abc", true);
  settle();
  for (const auto& stream : served) {
    EXPECT_FALSE(stream.whole);
    EXPECT_EQ(stream.body, "");
  }
}

TEST_F(H2Pair, ATunnelEndsOneSideAtATime) {
  on_request = nullptr;
  auto& stream = ask("CONNECT", {}, false);
  settle();
  answer(served[0], 200, {{"Content-Length", "5"}}, false);
  send(client, stream.id, "ping", true);
  settle();
  send(server, served[0].id, "pong", true);
  settle();
  EXPECT_EQ(server.events, "head CONNECT  authority @web:80 [Host: web:80]\nbody ping\nend\n");
  EXPECT_EQ(client.events, "head 200 \nbody pong\nend\n");
}

TEST_F(H2Pair, AWebSocketIsAnExtendedConnect) {
  auto& stream = ask("GET", {}, false, "websocket");
  settle();
  EXPECT_EQ(server.events, "head CONNECT /a upgrade=websocket @web:80 [Host: web:80]\n");
  answer(served[0], 101, {}, false);
  settle();
  EXPECT_EQ(client.events, "head 101 \n");
  client.codec->reset(stream.id, Reset::Cancelled);
  settle();
  EXPECT_TRUE(server.events.ends_with("reset stream_reset\n"));
}

TEST_F(H2Pair, AnUpgradeStandsForAGetAlone) {
  ask("POST", {}, false, "websocket");
  settle();
  EXPECT_EQ(client.events, "reset upgrade_method_not_get 501\n");
  EXPECT_EQ(server.events, "");
  EXPECT_EQ(client.codec->open_streams(), 0u);
}

TEST_F(H2Pair, AWebSocketsKeyStaysBehind) {
  ask("GET", {{"Sec-WebSocket-Key", "x"}, {"Sec-WebSocket-Version", "13"}}, false, "websocket");
  settle();
  EXPECT_EQ(server.events, "head CONNECT /a upgrade=websocket @web:80 [Host: web:80] [sec-websocket-version: 13]\n");
}

TEST_F(H2Pair, ARefusedStreamMayBeTriedElsewhere) {
  ask();
  settle();
  server.codec->reset(served[0].id, Reset::Refused);
  settle();
  EXPECT_EQ(client.events, "reset stream_refused again\n");
  EXPECT_TRUE(client.codec->can_open());
}

TEST_F(H2Pair, AResponseCutShortIsToldAsSuch) {
  ask();
  settle();
  answer(served[0], 200, {{"Content-Length", "10"}}, false);
  send(server, served[0].id, "part", false);
  settle();
  server.codec->reset(served[0].id, Reset::Internal);
  settle();
  EXPECT_EQ(client.events, "head 200  [content-length: 10]\nbody part\nreset stream_reset\n");
  EXPECT_EQ(client.codec->open_streams(), 0u);
}

TEST_F(H2Pair, NoMoreStreamsThanThePeerTakes) {
  int open = 0;
  for (; client.codec->can_open() && open < 1000; ++open) ask();
  EXPECT_EQ(open, int(CodecLimits{}.max_streams));
  settle();
  EXPECT_EQ(served.size(), size_t(open));
  answer(served[0], 204, {}, true);
  settle();
  EXPECT_TRUE(client.codec->can_open());
}

TEST_F(H2Pair, AServerThatLeavesServesWhatItHasSeen) {
  ask();
  settle();
  server.codec->drain();
  ask();  // crosses the GOAWAY
  settle();
  EXPECT_EQ(client.events, "goaway\n");
  EXPECT_FALSE(client.codec->can_open());
  ASSERT_EQ(served.size(), 2u) << "in time before the second GOAWAY";
  for (auto& stream : served) answer(stream, 204, {}, true);
  settle();
  EXPECT_EQ(client.events, "goaway\nhead 204 \nend\nhead 204 \nend\n");
}

TEST_F(H2Pair, AClientThatLeavesSaysSoBehindItsLastStream) {
  auto& asked = ask();
  settle();
  client.codec->drain();
  EXPECT_FALSE(client.codec->can_open());
  settle();
  EXPECT_EQ(server.events.find("goaway"), std::string::npos);
  answer(served[0], 204, {}, true);
  server.codec->detach(served[0].id);
  settle();
  EXPECT_TRUE(asked.whole);
  EXPECT_TRUE(server.events.ends_with("goaway\n")) << server.events;
  EXPECT_EQ(client.codec->open_streams(), 0u);
}

TEST_F(H2Pair, RequestsBehindTheLastOneServedMayBeSentElsewhere) {
  ask();
  settle();
  client.take_output();
  client.written.clear();
  client.read(frame(NGHTTP2_GOAWAY, 0, 0, number(0) + number(0)));
  EXPECT_EQ(client.events, "goaway\nreset stream_refused again\n");
}

TEST_F(H2Pair, ALostConnectionIsToldToEveryStream) {
  ask();
  auto& headed = ask();
  settle();
  answer(served[1], 200, {}, false);
  settle();
  client.codec->lost({Code::Closed, Side::Upstream, Retry::No, 0, "closed"});
  EXPECT_TRUE(headed.response.status == 200);
  EXPECT_EQ(client.events, "head 200 \nreset closed if-reused\nreset closed\n");
  EXPECT_EQ(client.codec->open_streams(), 0u);
}

TEST_F(H2Pair, AStreamThatIsGivenUpIsHeardOfNoMore) {
  auto& stream = ask("POST", {}, false);
  settle();
  client.codec->detach(stream.id);
  settle();
  EXPECT_TRUE(server.events.ends_with("reset stream_reset\n")) << server.events;
  EXPECT_EQ(client.events, "");
  EXPECT_EQ(client.codec->open_streams(), 0u);
  EXPECT_EQ(server.codec->open_streams(), 0u);
}

TEST_F(H2Pair, OneGivenUpBehindItsLastByteIsStillWritten) {
  on_request = [&](RecordingStream& stream) {
    answer(stream, 200, {}, false);
    send(server, stream.id, "all of it", true);
    server.codec->detach(stream.id);
  };
  ask();
  settle();
  EXPECT_EQ(client.events, "head 200 \nbody all of it\nend\n");
}

TEST_F(H2Pair, SecretsAreNotIndexed) {
  std::array<size_t, 2> sizes{};
  for (size_t& size : sizes) {
    ask("GET", {{"authorization", "Bearer abcdefghijklmnopqrstuvwxyz"}});
    client.take_output();
    size = client.written.size();
    settle();
  }
  EXPECT_GT(sizes[1], 26u) << "the second time it is as long as the first";
  EXPECT_EQ(served[1].request.headers.value(HeaderId::Authorization), "Bearer abcdefghijklmnopqrstuvwxyz");
}

// Whatever a response says, its bytes are fields: nothing of it becomes a line of HTTP/1.
TEST_F(H2Pair, FieldsThatAreReadAreCleanForEveryWire) {
  ask("GET", {{"a", "b"}, {"bad", "x\r\ny: z"}});
  settle();
  ASSERT_EQ(served.size(), 1u);
  for (const Field& field : served[0].request.headers.fields()) {
    EXPECT_TRUE(field.clean);
    EXPECT_EQ(field.value.find_first_of("\r\n"), std::string_view::npos);
    EXPECT_FALSE(field.verbatim);
  }
  EXPECT_EQ(served[0].request.headers.find("bad"), nullptr) << "not written at all";
}

}  // namespace
}  // namespace outrider::http
