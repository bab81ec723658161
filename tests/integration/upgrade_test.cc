// WebSockets and other tunnels through the whole proxy, on loopback: every pair of wires.

#include <atomic>
#include <chrono>
#include <cstring>
#include <future>

#include "base/random.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/tunnel.h"
#include "tests/unit/http/frames.h"

namespace outrider::test {
namespace {

std::string accept_of(const std::string& key) {
  Arena arena;
  return std::string(http::websocket_accept_of(key, arena));
}

std::string switching(const Message& request, const std::string& behind = {}) {
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: " + request.field("upgrade") +
         "\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept_of(request.field("sec-websocket-key")) +
         "\r\nSec-WebSocket-Protocol: chat\r\n\r\n" + behind;
}

void echo(Stream& connection) {
  for (;;) {
    const std::string bytes = connection.read_some(65536);
    if (bytes.empty()) return connection.finish_sending();
    if (!connection.send(bytes)) return;
  }
}

// Takes every upgrade, and goes on with `serve`.
Origin::Serve upgrading(Origin::Serve serve = echo) {
  return [serve](Stream& connection) {
    const auto request = connection.read_message();
    if (request && connection.send(switching(*request))) serve(connection);
  };
}

Origin::Serve refusing(std::string answer) {
  return [answer](Stream& connection) {
    if (connection.read_message()) connection.send(answer);
    EXPECT_EQ(connection.read_all(), "");  // nothing that came behind the request
  };
}

struct Wires {
  bool http2_in, http2_out;
};

// A proxy of which the client speaks one wire and the endpoint another: HTTP/2 endpoints are proxies of their own.
class Upgrades : public testing::TestWithParam<Wires> {
 protected:
  void start(Origin::Serve serve, const std::string& cluster = {}, const std::string& listener = {},
             std::vector<std::string> set = {}) {
    origin = std::make_unique<Origin>(std::move(serve));
    std::string protocol, endpoint = origin->text();
    if (GetParam().http2_out) {
      last = std::make_unique<Proxy>(Proxy::edge({endpoint}));
      endpoint = last->address().text();
      protocol = "protocol: http2, health_check: off";
    }
    const char* comma = protocol.empty() || cluster.empty() ? "" : ", ";
    proxy = std::make_unique<Proxy>(Proxy::edge({endpoint}, protocol + comma + cluster, listener), std::move(set));
  }
  std::unique_ptr<Tunnel> connect() {
    if (GetParam().http2_in) return std::make_unique<Http2Tunnel>(proxy->connect());
    return std::make_unique<Http1Tunnel>(proxy->connect());
  }
  const char* code() const { return GetParam().http2_in ? "code=\"200\"" : "code=\"101\""; }
  std::unique_ptr<Origin> origin;
  std::unique_ptr<Proxy> last, proxy;
};

INSTANTIATE_TEST_SUITE_P(Wires, Upgrades,
                         testing::Values(Wires{false, false}, Wires{false, true}, Wires{true, false}, Wires{true, true}),
                         [](const auto& info) {
                           return std::string(info.param.http2_in ? "Http2" : "Http1") +
                                  (info.param.http2_out ? "Http2" : "Http1");
                         });

TEST_P(Upgrades, AWebSocketNeedsNoConfiguration) {
  start([](Stream& connection) {
    const auto request = connection.read_message();
    ASSERT_TRUE(request);
    EXPECT_EQ(request->start, "GET /chat HTTP/1.1");
    EXPECT_EQ(request->field("host"), "web");
    EXPECT_EQ(request->field("upgrade"), "websocket");
    EXPECT_EQ(request->field("connection"), "Upgrade");
    EXPECT_EQ(request->count("sec-websocket-key"), 1u);
    EXPECT_EQ(request->field("sec-websocket-key").size(), 24u);
    EXPECT_EQ(request->field("sec-websocket-version"), "13");
    EXPECT_EQ(request->field("sec-websocket-protocol"), "chat");
    EXPECT_EQ(request->field("transfer-encoding") + request->field("content-length"), "");
    connection.send(switching(*request, "first"));
    echo(connection);
  });
  const auto client = connect();
  ASSERT_EQ(client->ask(), 101);
  EXPECT_EQ(client->field("sec-websocket-protocol"), "chat");
  EXPECT_EQ(client->field("sec-websocket-accept"), GetParam().http2_in ? "" : accept_of(kWebSocketKey));
  EXPECT_EQ(client->field("upgrade"), GetParam().http2_in ? "" : "websocket");
  EXPECT_EQ(client->field("connection"), GetParam().http2_in ? "" : "Upgrade");
  EXPECT_EQ(client->read_exactly(5), "first");
  for (int i = 0; i < 20; ++i) {
    const std::string word = "message " + std::to_string(i);
    client->send(word);
    EXPECT_EQ(client->read_exactly(word.size()), word);
  }
  client->finish_sending();
  EXPECT_EQ(client->read_all(), "");
  EXPECT_FALSE(client->cut());
  proxy->expect_metric(1, "outrider_requests_total", code());
  proxy->expect_metric(0, "outrider_requests_in_flight");
  EXPECT_GT(proxy->metric("outrider_tcp_bytes_total"), 0);
}

// Who cannot wait for the answer loses nothing.
TEST_P(Upgrades, BytesAheadOfTheAnswerAreKept) {
  start(upgrading());
  const auto client = connect();
  const std::string early = "GET /admin HTTP/1.1\r\nHost: web\r\n\r\n";
  ASSERT_EQ(client->ask(early), 101);
  client->send("more");
  EXPECT_EQ(client->read_exactly(early.size() + 4), early + "more");
  EXPECT_EQ(origin->connections(), 1);
}

TEST_P(Upgrades, BulkBothWaysArrivesWhole) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  std::string data(8 << 20, '\0');
  for (size_t i = 0; i + 8 <= data.size(); i += 8) {
    const uint64_t word = random.next();
    std::memcpy(data.data() + i, &word, 8);
  }
  start(upgrading());
  const auto client = connect();
  ASSERT_EQ(client->ask(), 101);
  const std::string back = client->echo(data);
  EXPECT_EQ(back.size(), data.size());
  EXPECT_TRUE(back == data);
}

TEST_P(Upgrades, AHalfCloseIsOneForTheOtherSideAndNothingMore) {
  start(upgrading([](Stream& connection) {
    const std::string all = connection.read_all();
    EXPECT_FALSE(connection.ended_by_reset());
    connection.send("got " + std::to_string(all.size()));
    connection.finish_sending();
  }));
  const auto client = connect();
  ASSERT_EQ(client->ask("early"), 101);
  client->send(std::string(30000, 'x'));
  client->finish_sending();
  EXPECT_EQ(client->read_all(), "got 30005");
  EXPECT_FALSE(client->cut());
  proxy->expect_metric(1, "outrider_requests_total", code());
}

TEST_P(Upgrades, AnEndpointMayFinishFirst) {
  std::promise<std::string> rest;
  start(upgrading([&](Stream& connection) {
    connection.send("bye");
    connection.finish_sending();
    rest.set_value(connection.read_all());
  }));
  const auto client = connect();
  ASSERT_EQ(client->ask(), 101);
  EXPECT_EQ(client->read_all(), "bye");
  EXPECT_FALSE(client->cut());
  client->send("still here");
  client->finish_sending();
  EXPECT_EQ(rest.get_future().get(), "still here");
}

TEST_P(Upgrades, AClientThatGoesAwayIsNoticed) {
  std::promise<bool> was_reset;
  start(upgrading([&](Stream& connection) {
    EXPECT_EQ(connection.read_exactly(5), "hello");
    connection.send("hello");
    connection.read_all();
    was_reset.set_value(connection.ended_by_reset());
  }));
  const auto client = connect();
  ASSERT_EQ(client->ask(), 101);
  client->send("hello");
  EXPECT_EQ(client->read_exactly(5), "hello");
  client->abort();
  EXPECT_TRUE(was_reset.get_future().get());
  proxy->expect_metric(0, "outrider_requests_in_flight");
  proxy->expect_metric(1, "outrider_requests_total", "flag=\"downstream_gone\"");
}

TEST_P(Upgrades, AnEndpointThatBreaksOffIsSeenToHaveDoneSo) {
  start(upgrading([](Stream& connection) {
    EXPECT_EQ(connection.read_exactly(5), "hello");
    connection.abort();
  }));
  const auto client = connect();
  ASSERT_EQ(client->ask("hello"), 101);
  EXPECT_EQ(client->read_all(), "");
  EXPECT_TRUE(client->cut());
  proxy->expect_metric(1, "outrider_requests_total", "flag=\"upstream_reset\"");
}

TEST_P(Upgrades, ARefusalIsAnAnswerLikeAnyOther) {
  start(refusing(
      "HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nConnection: Upgrade\r\nContent-Length: 5\r\nX-Why: no\r\n\r\nnever"));
  const auto client = connect();
  ASSERT_EQ(client->ask("GET /admin HTTP/1.1\r\nHost: web\r\n\r\n"), 426);
  EXPECT_EQ(client->field("x-why"), "no");
  EXPECT_EQ(client->field("x-outrider-reason"), "");
  if (!GetParam().http2_in) {
    EXPECT_EQ(static_cast<Http1Tunnel&>(*client).answer().body, "never");
  }
  EXPECT_EQ(client->read_all(), GetParam().http2_in ? "never" : "");  // no answer to what came behind it
  proxy->expect_metric(1, "outrider_requests_total");
  EXPECT_EQ(origin->connections(), 1);
}

// Who takes "200" for a tunnel could be made to take bytes of the one for requests of another.
TEST_P(Upgrades, AnOrdinaryAnswerIsNoTunnel) {
  start(refusing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
  const auto client = connect();
  const int status = client->ask("GET /admin HTTP/1.1\r\nHost: web\r\n\r\n");
  if (GetParam().http2_in || GetParam().http2_out) {
    EXPECT_EQ(status, 502);
    EXPECT_EQ(client->field("x-outrider-reason"), "upgrade_ignored");
  } else {
    EXPECT_EQ(status, 200);
    EXPECT_EQ(static_cast<Http1Tunnel&>(*client).answer().body, "hello");
    EXPECT_EQ(client->read_all(), "");
  }
  EXPECT_EQ(origin->connections(), 1);
  proxy->expect_metric(1, "outrider_requests_total");
}

TEST_P(Upgrades, ASwitchToSomethingElseIsNone) {
  start([](Stream& connection) {
    if (connection.read_message())
      connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\nabc");
    connection.read_all();
  });
  const auto client = connect();
  EXPECT_EQ(client->ask(), 502);
  EXPECT_EQ(client->field("x-outrider-reason"), "unexpected_upgrade");
}

TEST_P(Upgrades, OtherProtocolsAreRelayedTheSameWay) {
  start([](Stream& connection) {
    const auto request = connection.read_message();
    ASSERT_TRUE(request);
    connection.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: " + request->field("upgrade") + "\r\n\r\n");
    echo(connection);
  });
  const auto client = connect();
  ASSERT_EQ(client->ask("", "my-protocol/2.0"), 101);
  client->send("anything");
  EXPECT_EQ(client->read_exactly(8), "anything");
}

// The limits are known to have passed when they have hit a request that was sent after the tunnel had fallen silent.
TEST_P(Upgrades, ATunnelOutlivesTheLimitsOfRequests) {
  for (const char* limit : {"timeouts: {request: 100ms}", "timeouts: {stream_idle: 100ms}"}) {
    SCOPED_TRACE(limit);
    start(
        [](Stream& connection) {
          const auto request = connection.read_message();
          if (!request) return;
          if (request->field("upgrade").empty()) connection.read_all();
          else if (connection.send(switching(*request))) echo(connection);
        },
        "", limit);
    auto client = connect();
    for (int tries = 0; client->ask() != 101 && tries < 100; ++tries) client = connect();  // they hold for what opens it
    client->send("before");
    EXPECT_EQ(client->read_exactly(6), "before");
    for (int i = 0; i < 2; ++i) EXPECT_EQ(request(proxy->address(), "GET /slow HTTP/1.1\r\nHost: web\r\n\r\n").status(), 504);
    client->send("after");
    EXPECT_EQ(client->read_exactly(5), "after");
    client->abort();
    proxy.reset();
  }
}

TEST_P(Upgrades, ATunnelInWhichNothingMovesIsEnded) {
  std::promise<bool> was_reset;
  start(upgrading([&](Stream& connection) {
          connection.send("hello");
          connection.read_all();
          was_reset.set_value(connection.ended_by_reset());
        }),
        "", "timeouts: {tunnel_idle: 100ms}");
  const auto client = connect();
  ASSERT_EQ(client->ask(), 101);
  EXPECT_EQ(client->read_all(), "hello");
  EXPECT_TRUE(client->cut());
  EXPECT_TRUE(was_reset.get_future().get());
  proxy->expect_metric(1, "outrider_requests_total", "flag=\"idle_timeout\"");
  proxy->expect_metric(0, "outrider_requests_in_flight");
}

// A round trip that takes longer than half of the limit says nothing of the proxy: it is begun again.
TEST_P(Upgrades, ATunnelInWhichSomethingMovesIsNotIdle) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kLimit{200};
  start(upgrading(), "", "timeouts: {tunnel_idle: " + std::to_string(kLimit.count()) + "ms}");
  for (bool told = false; !told;) {
    const auto client = connect();
    ASSERT_EQ(client->ask(), 101);
    const auto begin = Clock::now();
    for (auto last = begin; !told; told = last > begin + 3 * kLimit) {
      const bool echoed = client->echo("x") == "x";
      const auto now = Clock::now();
      if (now - last > kLimit / 2) break;
      ASSERT_TRUE(echoed);
      last = now;
    }
    client->abort();
  }
}

TEST_P(Upgrades, PassesFiltersOfBodies) {
  start(upgrading(), "", "filters: [{grpc_web: {}}]");
  const auto client = connect();
  ASSERT_EQ(client->ask("early"), 101);
  EXPECT_EQ(client->read_exactly(5), "early");
  const std::string data(300'000, 'x');
  EXPECT_TRUE(client->echo(data) == data);
  client->finish_sending();
  EXPECT_EQ(client->read_all(), "");
  EXPECT_FALSE(client->cut());
}

TEST_P(Upgrades, WebSocketMayBeSwitchedOff) {
  start(upgrading(), "", "http: {websocket: off}");
  EXPECT_EQ(connect()->ask("early", "another"), 101);
  EXPECT_EQ(origin->connections(), 1);
  for (const char* name : {"websocket", "WebSocket"}) {
    const auto client = connect();
    EXPECT_EQ(client->ask({}, name), 403);
    EXPECT_EQ(client->field("x-outrider-reason"), "websocket_off");
  }
  EXPECT_EQ(origin->connections(), 1);
  proxy->expect_metric(2, "outrider_requests_total", "code=\"403\",flag=\"denied\"");
}

TEST_P(Upgrades, ATunnelEndsWithTheDeadlineOfTheDrain) {
  start(upgrading(), "", "", {"lifecycle.drain.time=100ms"});
  const auto client = connect();
  ASSERT_EQ(client->ask(), 101);
  client->send("hello");
  EXPECT_EQ(client->read_exactly(5), "hello");
  proxy->begin_end();
  EXPECT_EQ(client->read_all(), "");
  EXPECT_TRUE(client->cut());
  EXPECT_EQ(proxy->end(), 1);  // something was cut
}

// --- between the wires ---------------------------------------------------------------------------------------------

TEST(Upgrade, AnAcceptThatFitsNoKeyOpensNothing) {
  Origin origin([](Stream& connection) {
    if (connection.read_message())
      connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
                      accept_of(kWebSocketKey) + "\r\n\r\n");
    connection.read_all();
  });
  Proxy proxy(Proxy::edge({origin.text()}));
  Http2Tunnel client(proxy.connect());
  EXPECT_EQ(client.ask({}, "websocket"), 502);
  EXPECT_EQ(client.field("x-outrider-reason"), "wrong_websocket_accept");
}

// An endpoint of HTTP/2 that has not said that it takes extended CONNECT is never asked for one.
TEST(Upgrade, AnEndpointThatCannotIsToldOfWithAReason) {
  Origin origin([](Stream& connection) {
    if (!connection.read_exactly(http::kPreface.size())) return;
    connection.send(http::frame(NGHTTP2_SETTINGS, 0, 0));
    EXPECT_EQ(connection.read_all().find("websocket"), std::string::npos);
  });
  Proxy proxy(Proxy::edge({origin.text()}, "protocol: http2, health_check: off"));
  Http1Tunnel client(proxy.connect());
  EXPECT_EQ(client.ask({}, "websocket"), 502);
  EXPECT_EQ(client.field("x-outrider-reason"), "extended_connect_unsupported");
}

TEST(Upgrade, KeepsItsMethodWhereTheWireHasPlaceForIt) {
  Origin origin([](Stream& connection) {
    const auto request = connection.read_message();
    ASSERT_TRUE(request);
    connection.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + request->start + " " +
                    request->field("content-length"));
    connection.finish_sending();
  });
  const std::string ask =
      "POST /attach HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n";
  Proxy last(Proxy::edge({origin.text()}));
  Stream client = last.connect();
  client.send(ask);
  ASSERT_EQ(client.read_message()->status(), 101);
  EXPECT_EQ(client.read_all(), "POST /attach HTTP/1.1 0");
  Proxy first(Proxy::edge({last.address().text()}, "protocol: http2, health_check: off"));
  const Message refused = request(first.address(), ask);
  EXPECT_EQ(refused.status(), 501);
  EXPECT_EQ(refused.field("x-outrider-reason"), "upgrade_method_not_get");
}

// RFC 9110 7.8: nobody needs to take an upgrade up.
TEST(Upgrade, ARequestWithABodyIsServedWithoutOne) {
  const auto origin =
      Origin::answering([](const Message& request) { return ok(request.field("upgrade") + request.field("connection")); });
  Proxy proxy(Proxy::edge({origin->text()}));
  Stream client = proxy.connect();
  for (int i = 0; i < 2; ++i) {
    client.send("POST / HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi");
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200);
    EXPECT_EQ(answer->body, "");
  }
}

TEST(Upgrade, AClientThatHasEndedItsSideMayStillListen) {
  Origin origin(upgrading([](Stream& connection) {
    EXPECT_EQ(connection.read_all(), "");
    connection.send("news");
  }));
  Proxy proxy(Proxy::edge({origin.text()}));
  Stream client = proxy.connect();
  client.send("GET / HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: news\r\n\r\n");
  client.finish_sending();
  ASSERT_EQ(client.read_message()->status(), 101);
  EXPECT_EQ(client.read_all(), "news");
}

TEST(Upgrade, NoRouteAnswersAConnectAsIfItHadOpenedATunnel) {
  std::string text = Proxy::edge({refusing_address().text()});
  const std::string cluster = "{cluster: web}";
  text.replace(text.find(cluster), cluster.size(), "{respond: {status: 200, body: hello}}");
  Proxy proxy(text);
  Http2Tunnel client(proxy.connect());
  EXPECT_EQ(client.ask({}, "websocket"), 502);
  EXPECT_EQ(client.field("x-outrider-reason"), "upgrade_ignored");
}

// An open proxy is nobody's wish.
TEST(Upgrade, ConnectAloneIsRefusedOnBothWires) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}));
  const Message answer = request(proxy.address(), "CONNECT web:443 HTTP/1.1\r\nHost: web:443\r\n\r\n");
  EXPECT_EQ(answer.status(), 501);
  EXPECT_EQ(answer.field("x-outrider-reason"), "connect_not_supported");
  Stream client = proxy.connect();
  client.send(http::kPreface + http::frame(NGHTTP2_SETTINGS, 0, 0) +
              http::headers(1, {{":method", "CONNECT"}, {":authority", "web:443"}}, http::kEndHeaders));
  EXPECT_TRUE(client.read_until("connect_not_supported"));
  EXPECT_EQ(origin->requests(), 0);
}

}  // namespace
}  // namespace outrider::test
