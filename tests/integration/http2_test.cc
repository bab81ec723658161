// HTTP/2 through the whole proxy, on loopback: every pair of wires, and what both sides must be told.

#include <gtest/gtest.h>

#include <atomic>

#include "http/h2_callbacks.h"
#include "tests/support/h2_peer.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

using namespace http;

using Client = H2Peer;

TEST(Http2, IsSpokenToWhoBeginsWithItsPreface) {
  const auto origin = Origin::answering([](const Message& request) { return ok(request.start + " " + request.field("host")); });
  Proxy proxy(Proxy::edge({origin->text()}));
  Client client(proxy.address());
  client.send(headers(1, request_fields()) + headers(3, request_fields({{"x", "y"}})));
  client.read_until("DATA 3 end");
  const auto lines = client.read_until("DATA 1 end");
  EXPECT_TRUE(has(lines, "DATA 1 end GET /a HTTP/1.1 web")) << lines;
  Stream other = proxy.connect();
  other.send("GET /b HTTP/1.1\r\nHost: web\r\n\r\n");
  const auto answer = other.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "GET /b HTTP/1.1 web");
}

TEST(Http2, APrefaceAloneIsAnsweredWithSettingsAndAPingWithItsLike) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}));
  Stream client = proxy.connect();
  client.send(kPreface + frame(NGHTTP2_SETTINGS, 0, 0));
  EXPECT_TRUE(client.read_until(frame(NGHTTP2_SETTINGS, kAck, 0)));
  client.send(frame(NGHTTP2_PING, 0, 0, "12345678"));
  EXPECT_TRUE(client.read_until(frame(NGHTTP2_PING, kAck, 0, "12345678")));
}

TEST(Http2, APrefaceMayComeInPiecesAndAlmostOneIsHttp1) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}));
  Stream client = proxy.connect();
  const std::string bytes = kPreface + frame(NGHTTP2_SETTINGS, 0, 0) + headers(1, request_fields());
  for (const char c : bytes) ASSERT_TRUE(client.send({&c, 1}));
  EXPECT_TRUE(client.read_until("fine"));
  Stream almost = proxy.connect();
  almost.send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
  const auto answer = almost.read_message();
  ASSERT_TRUE(answer);
  EXPECT_GE(answer->status(), 400);
}

TEST(Http2, IsNotSpokenWhereOnlyHttp1IsWanted) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, {}, "protocol: http1"));
  Stream client = proxy.connect();
  client.send(kPreface + frame(NGHTTP2_SETTINGS, 0, 0));
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_GE(answer->status(), 400);
}

// From the wire a client speaks, over the wire between two proxies, to an origin of HTTP/1.
TEST(Http2, BodiesAndTrailersGoThroughEveryPairOfWires) {
  const auto origin = Origin::answering([](const Message& request) {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
           [&] {
             char size[20];
             snprintf(size, sizeof size, "%zx\r\n", request.body.size());
             return size + request.body;
           }() +
           "\r\n0\r\nX-Sum: " + std::to_string(request.body.size()) + "\r\n\r\n";
  });
  Proxy last(Proxy::edge({origin->text()}));
  Proxy first(Proxy::edge({last.address().text()}, "protocol: http2"));
  const std::string body(40000, 'b');

  Client client(first.address());
  client.send(headers(1, request_fields({{"content-length", "40000"}}, "POST"), kEndHeaders));
  for (size_t at = 0; at < body.size(); at += 10000) client.send(data(1, body.substr(at, 10000), at + 10000 == body.size()));
  const auto lines = client.read_until("[x-sum: 40000]");
  EXPECT_TRUE(has(lines, "HEADERS 1 [:status: 200]")) << lines.substr(0, 300);
  EXPECT_TRUE(has(lines, "HEADERS 1 end [x-sum: 40000]")) << lines.substr(lines.size() - 100);

  Stream old = first.connect();
  old.send("POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 40000\r\n\r\n" + body);
  const auto answer = old.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, body);
  ASSERT_EQ(answer->trailers.size(), 1u);
  EXPECT_EQ(answer->trailers[0].second, "40000");
}

TEST(Http2, ManyRequestsShareOneConnectionUpstream) {
  const auto origin = Origin::answering("fine");
  Proxy last(Proxy::edge({origin->text()}));
  Proxy first(Proxy::edge({last.address().text()}, "protocol: http2, health_check: off"), {"overload.threads=1"});
  Client client(first.address());
  std::string bytes;
  for (uint32_t i = 0; i < 50; ++i) bytes += headers(1 + 2 * i, request_fields());
  client.send(bytes);
  for (uint32_t i = 0; i < 50; ++i) {
    const std::string mark = "DATA " + std::to_string(1 + 2 * i) + " end fine";
    EXPECT_TRUE(has(client.read_until(mark), mark));
  }
  first.expect_metric(1, "outrider_cluster_connections_active");
  first.expect_metric(50, "outrider_requests_total", "code=\"200\"");
}

TEST(Http2, AMalformedRequestIsOneStreamsAffair) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}));
  Client client(proxy.address());
  client.send(headers(1, request_fields({{"connection", "close"}})) + headers(3, request_fields({{"a", "b\r\nc: d"}})));
  client.read_until("RST_STREAM 3");
  const auto lines = client.read_until("RST_STREAM 1");
  EXPECT_TRUE(has(lines, "RST_STREAM 1 PROTOCOL_ERROR")) << lines;
  client.send(headers(5, request_fields()));
  EXPECT_TRUE(has(client.read_until("DATA 5 end"), "DATA 5 end fine"));
  EXPECT_EQ(origin->requests(), 1);
}

TEST(Http2, AFloodIsEndedWithItsReasonAndOthersGoOn) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}));
  Client good(proxy.address());
  Stream bad = proxy.connect();
  std::string bytes = kPreface + frame(NGHTTP2_SETTINGS, 0, 0);
  for (int i = 0; i < 1000; ++i) bytes += frame(NGHTTP2_PING, 0, 0, "12345678");
  bad.send(bytes);
  EXPECT_TRUE(has(bad.read_all(), "ping_flood"));
  good.send(headers(1, request_fields()));
  EXPECT_TRUE(has(good.read_until("DATA 1 end"), "DATA 1 end fine"));
}

TEST(Http2, AnEndpointThatIsGoneIsAnAnswer) {
  Proxy proxy(Proxy::edge({refusing_address().text()}, "protocol: http2"));
  Client client(proxy.address());
  client.send(headers(1, request_fields()));
  EXPECT_TRUE(has(client.read_until("HEADERS 1"), "[:status: 502]"));
}

// A process that hangs has a kernel that still acknowledges.
TEST(Http2, AnEndpointThatAnswersNoPingIsGivenUp) {
  std::atomic<bool> asked{false};
  Origin origin([&](Stream& connection) {
    H2Peer peer(connection);
    asked = peer.reads("PING\n");
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({origin.text()}, "protocol: http2, pool: {tcp_keepalive: 10ms}"));
  Stream client = proxy.connect();
  client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 504) << answer->start;
  EXPECT_TRUE(asked);
}

TEST(Http2, AnEndpointThatAnswersPingsMayTakeItsTime) {
  Origin origin([](Stream& connection) {
    H2Peer peer(connection);
    peer.read_until("PING\n");
    peer.send(frame(NGHTTP2_PING, kAck, 0, std::string_view(reinterpret_cast<const char*>(H2Callbacks::kProbe), 8)));
    peer.send(headers(1, {{":status", "200"}}));
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({origin.text()}, "protocol: http2, pool: {tcp_keepalive: 500ms}"));
  Stream client = proxy.connect();
  client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 200);
}

}  // namespace
}  // namespace outrider::test
