// TLS to endpoints, through the whole proxy on loopback.

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/random.h"
#include "tests/support/grpc.h"
#include "tests/support/seed.h"
#include "tests/support/tunnel.h"
#include "tests/support/wires.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

void answer_all(Stream& connection) {
  while (const auto request = connection.read_message()) connection.send(ok(request->body.empty() ? "fine" : request->body));
}

struct TlsUpstream : testing::Test {
  Certificates certificates;
  TlsServer server{certificates};
  Origin origin{server.behind(answer_all)};
  // What a client hears of a cluster with these settings.
  Message answer_of(const std::string& cluster) {
    Proxy proxy(Proxy::edge({origin.text()}, cluster + ", retry: off"));
    const Message answer = request(proxy.address(), kGet);
    reason = answer.field("x-outrider-reason");
    failures = proxy.metric("outrider_cluster_connect_failures_total", "reason=\"tls\"");
    counted = proxy.metric("outrider_tls_handshakes_total", "result=\"" + reason + "\",side=\"endpoint\"");
    return answer;
  }
  void expect_refusal(const std::string& cluster, std::string_view why, std::string_view sentence) {
    const Message answer = answer_of(cluster);
    EXPECT_EQ(answer.status(), 502);
    EXPECT_EQ(reason, why);
    EXPECT_NE(answer.body.find(sentence), std::string::npos) << answer.body;
    EXPECT_NE(answer.body.find("endpoint " + origin.text()), std::string::npos) << answer.body;
    EXPECT_EQ(failures, 1);
    EXPECT_EQ(counted, 1);
  }
  std::string reason;
  double failures = 0, counted = 0;
};

TEST_F(TlsUpstream, RequestsPassOnOneConnection) {
  Proxy proxy(Proxy::edge({origin.text()}, certificates.cluster()));
  Stream client = proxy.connect();
  for (int i = 0; i < 3; ++i) {
    client.send(kGet);
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200) << answer->body;
    EXPECT_EQ(answer->body, "fine");
  }
  EXPECT_EQ(origin.connections(), 1);
  proxy.expect_metric(1, "outrider_tls_handshakes_total", "result=\"ok\",side=\"endpoint\",version=\"TLSv1.3\"");
  client.close();
  expect_quiet(proxy);
}

// Bodies on either side longer than anything holds.
TEST_F(TlsUpstream, LongBodiesPassBothWays) {
  Proxy proxy(Proxy::edge({origin.text()}, "timeout: 0, " + certificates.cluster(), "http: {max_body: off}"));
  Stream client = proxy.connect();
  client.set_buffers(16384);
  Random random = seeded_random();
  const std::string body = random_bytes(random, 5'000'001);
  std::thread sender(
      [&] { client.send("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body); });
  sender.join();
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->body == body);
  client.close();
  expect_quiet(proxy);
}

// --- who is trusted --------------------------------------------------------------------------------------------------

TEST_F(TlsUpstream, WithoutAnAuthorityTheSystemsAreAsked) {
  expect_refusal("tls: {sni: localhost}", "tls_unknown_ca", "is of an authority that is not trusted here (CN=outrider dev CA");
}

TEST_F(TlsUpstream, TheNameMustBeRight) {
  expect_refusal(certificates.cluster("sni: cart.example"), "tls_wrong_name",
                 "its certificate is for localhost, 127.0.0.1, not for cart.example");
  EXPECT_EQ(answer_of(certificates.cluster("")).status(), 200) << "the endpoint's own address";
}

TEST_F(TlsUpstream, AnExpiredCertificateIsRefused) {
  const Certificates old({.at = std::chrono::system_clock::now() - std::chrono::hours(48)});
  SSL_CTX_use_certificate_chain_file(server.context(), old.cert().c_str());
  SSL_CTX_use_PrivateKey_file(server.context(), old.key().c_str(), SSL_FILETYPE_PEM);
  expect_refusal(old.cluster(), "tls_expired", "its certificate expired at 20");
}

TEST_F(TlsUpstream, AnIdentityMayBeAskedFor) {
  EXPECT_EQ(answer_of(certificates.cluster("identity: [spiffe://test/ns/default/sa/web]")).status(), 200);
  expect_refusal(certificates.cluster("identity: [shop/cart]"), "tls_wrong_identity",
                 "its certificate is of spiffe://test/ns/default/sa/web, which is none of those expected");
}

TEST_F(TlsUpstream, ACertificateIsShownWhereItIsAsked) {
  SSL_CTX_load_verify_locations(server.context(), certificates.ca().c_str(), nullptr);
  SSL_CTX_set_verify(server.context(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  const std::string own = "sni: localhost, cert: " + certificates.cert() + ", key: " + certificates.key();
  EXPECT_EQ(answer_of(certificates.cluster(own)).status(), 200);
  EXPECT_EQ(server.clients, 1);
  SSL_CTX_set_max_proto_version(server.context(), TLS1_2_VERSION);  // there it is heard in the handshake
  EXPECT_EQ(answer_of(certificates.cluster()).status(), 502);
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(answer_of(certificates.cluster(own)).status(), 200);
}

TEST_F(TlsUpstream, WhoDoesNotSpeakTlsIsTold) {
  Origin plain([](Stream& connection) {
    connection.read_some(5);
    connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  });
  Proxy proxy(Proxy::edge({plain.text()}, certificates.cluster() + ", retry: off"));
  const Message answer = request(proxy.address(), kGet);
  EXPECT_EQ(answer.status(), 502);
  EXPECT_EQ(answer.field("x-outrider-reason"), "tls_not_tls");
  EXPECT_NE(answer.body.find("it does not speak TLS"), std::string::npos) << answer.body;
}

TEST_F(TlsUpstream, AHandshakeThatDoesNotEndIsATimeout) {
  Origin silent([](Stream& connection) { connection.read_all(); });
  Proxy proxy(Proxy::edge({silent.text()}, certificates.cluster() + ", retry: off, connect_timeout: 100ms"));
  std::string why;
  for (int i = 0; i < 20 && why != "tls_timeout"; ++i) {  // on a busy machine the limit may come before the connection
    const Message answer = request(proxy.address(), kGet);
    EXPECT_EQ(answer.status(), 504);
    why = answer.field("x-outrider-reason");
  }
  EXPECT_EQ(why, "tls_timeout");
  proxy.expect_metric(1, "outrider_tls_handshakes_total", "result=\"tls_timeout\",side=\"endpoint\"");
}

// Nothing of a request has been sent: even one that may not be repeated goes elsewhere.
TEST_F(TlsUpstream, AnotherEndpointServesWhereAHandshakeFails) {
  const Certificates strangers;
  TlsServer impostor(strangers);
  Origin refused(impostor.behind(answer_all));
  Origin closing([](Stream& connection) { connection.read_some(1); });
  Proxy proxy(Proxy::edge({refused.text(), closing.text(), origin.text()}, certificates.cluster() + ", lb: round_robin"));
  for (int i = 0; i < 6; ++i) {
    const Message answer = request(proxy.address(), "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_EQ(answer.status(), 200) << answer.body;
    EXPECT_EQ(answer.body, "hello");
  }
  EXPECT_GE(proxy.metric("outrider_cluster_connect_failures_total", "reason=\"tls\""), 2);
}

// --- what is spoken --------------------------------------------------------------------------------------------------

struct TlsToProxy : testing::Test {
  Certificates certificates;
  std::unique_ptr<Origin> origin =
      Origin::answering([](const Message& request) { return ok(request.body.empty() ? "fine" : request.body); });
  std::unique_ptr<Proxy> behind(const std::string& listener = {}) {
    return std::make_unique<Proxy>(
        Proxy::edge({origin->text()}, "", certificates.listener() + (listener.empty() ? "" : ", " + listener)));
  }
};

void ask_at_once(Proxy& proxy) {
  std::vector<Stream> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(proxy.connect());
  for (auto& client : clients) client.send(kGet);
  for (auto& client : clients) {
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200) << answer->body;
  }
}

void expect_http2(Proxy& proxy, double connections) {
  proxy.expect_metric(connections, "outrider_protocol_detections_total", "protocol=\"http2\"");
}

TEST_F(TlsToProxy, TheEndpointChoosesHttp2WhereItCan) {
  const auto far = behind();
  Proxy proxy(Proxy::edge({far->address().text()}, certificates.cluster()), {"overload.threads=1"});
  ask_at_once(proxy);
  far->expect_metric(1, "outrider_connections_total", "direction=\"edge\"");
  expect_http2(*far, 1);
}

TEST_F(TlsToProxy, AnEndpointThatChoosesHttp1IsGivenMoreConnections) {
  const auto far = behind("protocol: http1");
  Proxy proxy(Proxy::edge({far->address().text()}, certificates.cluster()), {"overload.threads=1"});
  ask_at_once(proxy);
  expect_http2(*far, 0);
}

TEST_F(TlsToProxy, AProtocolThatIsGivenIsTheOnlyOneOffered) {
  const auto far = behind(), old = behind("protocol: http1");
  Proxy http1(Proxy::edge({far->address().text()}, certificates.cluster() + ", protocol: http1"));
  EXPECT_EQ(request(http1.address(), kGet).status(), 200);
  expect_http2(*far, 0);
  Proxy http2(Proxy::edge({far->address().text()}, certificates.cluster() + ", protocol: http2"));
  EXPECT_EQ(request(http2.address(), kGet).status(), 200);
  expect_http2(*far, 1);
  Proxy neither(Proxy::edge({old->address().text()}, certificates.cluster() + ", protocol: http2, retry: off"));
  const Message answer = request(neither.address(), kGet);
  EXPECT_EQ(answer.status(), 502);
  EXPECT_EQ(answer.field("x-outrider-reason"), "tls_no_shared_protocol");
}

TEST_F(TlsToProxy, WebSocketsPassByHttp1WhereRequestsGoByHttp2) {
  Origin chat([](Stream& connection) {
    const auto request = connection.read_message();
    if (!request || request->field("upgrade").empty()) return void(connection.send(ok("fine")));
    Arena arena;
    connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
                    std::string(http::websocket_accept_of(request->field("sec-websocket-key"), arena)) + "\r\n\r\n");
    for (;;) {
      const std::string bytes = connection.read_some(65536);
      if (bytes.empty()) return connection.finish_sending();
      if (!connection.send(bytes)) return;
    }
  });
  Proxy far(Proxy::edge({chat.text()}, "", certificates.listener()));
  Proxy proxy(Proxy::edge({far.address().text()}, certificates.cluster()));
  EXPECT_EQ(request(proxy.address(), kGet).status(), 200);
  expect_http2(far, 1);
  Http1Tunnel tunnel(proxy.connect());
  ASSERT_EQ(tunnel.ask({}, "websocket"), 101);
  Random random = seeded_random();
  const std::string bytes = random_bytes(random, 1'000'000);
  EXPECT_TRUE(tunnel.echo(bytes) == bytes);
  tunnel.finish_sending();
  EXPECT_EQ(tunnel.read_all(), "");
  EXPECT_FALSE(tunnel.cut());
  expect_http2(far, 1);
}

TEST_F(TlsToProxy, CallsOfGrpcGoByHttp2) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    const auto lines = peer.read_until("DATA 1 end");
    EXPECT_TRUE(has(lines, "[te: trailers]")) << lines;
    peer.send(grpc_answer(1));
    peer.read_until("nothing more");
  });
  Proxy far(Proxy::edge({endpoint.origin.text()}, "", certificates.listener()));
  Proxy proxy(Proxy::edge({far.address().text()}, certificates.cluster()));
  H2Peer client(proxy.address());
  client.send(grpc_call(1));
  const auto lines = client.read_until("[grpc-status: 0]");
  EXPECT_TRUE(has(lines, "DATA 1 " + kGrpcMessage)) << lines;
}

// By prior knowledge it would be http, which some servers refuse over TLS.
TEST_F(TlsUpstream, OverTlsHttp2AsksForHttps) {
  std::promise<std::string> seen;
  SSL_CTX_set_alpn_select_cb(
      server.context(),
      +[](SSL*, const unsigned char** out, unsigned char* length, const unsigned char*, unsigned, void*) {
        *out = reinterpret_cast<const unsigned char*>("h2");
        *length = 2;
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  Origin h2(server.behind([&](Stream& connection) {
    H2Peer peer(connection);
    seen.set_value(peer.read_until("HEADERS 1"));
    peer.send(http::frame(NGHTTP2_HEADERS, http::kEndHeaders | http::kEndStream, 1, "\x88"));
    peer.read_until("nothing more");
  }));
  Proxy proxy(Proxy::edge({h2.text()}, certificates.cluster()));
  Stream client = proxy.connect();
  client.send(kGet);
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 200);
  const std::string asked = seen.get_future().get();
  EXPECT_TRUE(has(asked, "[:scheme: https]")) << asked;
}

// --- beyond requests -------------------------------------------------------------------------------------------------

TEST_F(TlsUpstream, SessionsAreResumed) {
  Proxy proxy(Proxy::edge({origin.text()}, certificates.cluster() + ", pool: {max_requests: 1}"), {"overload.threads=1"});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(request(proxy.address(), kGet).status(), 200);
  EXPECT_EQ(origin.connections(), 4);
  EXPECT_EQ(server.resumed, 3);
}

TEST_F(TlsUpstream, AnAnswerThatEndsWithItsConnectionIsWholeOnlyWhereTlsSaysSo) {
  for (const bool notified : {true, false}) {
    Origin closing(server.behind([notified](Stream& connection) {
      if (!connection.read_message()) return;
      connection.send("HTTP/1.0 200 OK\r\n\r\nhello");
      if (notified) connection.finish_sending();
    }));
    Proxy proxy(Proxy::edge({closing.text()}, certificates.cluster() + ", retry: off"));
    const Message answer = request(proxy.address(), kGet);
    EXPECT_EQ(answer.whole, notified);
  }
}

TEST_F(TlsUpstream, EndpointsAreAskedForTheirHealthByTls) {
  const Certificates strangers;
  TlsServer impostor(strangers);
  Origin refused(impostor.behind(answer_all));
  Proxy proxy(Proxy::edge({refused.text(), origin.text()},
                          certificates.cluster() + ", health_check: {http: /healthz, interval: 5s, timeout: 5s}"));
  proxy.expect_metric(1, "outrider_cluster_endpoints", "state=\"ready\"");
  proxy.expect_metric(1, "outrider_cluster_endpoints", "state=\"unhealthy\"");
  EXPECT_GT(proxy.metric("outrider_cluster_health_check_failures_total", "reason=\"tls\""), 0);
  EXPECT_EQ(request(proxy.address(), kGet).status(), 200);
}

// TCP on one side, TLS on the other: a server that speaks first, bulk both ways, and half-closes.
TEST_F(TlsUpstream, TcpPassesWithItsHalfCloses) {
  Random random = seeded_random();
  const std::string bytes = random_bytes(random, 3'000'000);
  std::atomic<bool> right{false};
  Origin speaking(server.behind([&](Stream& connection) {
    connection.send("hello\n");
    right = connection.read_all() == bytes && !connection.ended_by_reset();
    connection.send(bytes);
    connection.finish_sending();
  }));
  Proxy proxy(Proxy::edge({speaking.text()}, "protocol: tcp, " + certificates.cluster(), "protocol: tcp"));
  Stream client = proxy.connect();
  EXPECT_EQ(client.read_until("\n"), "hello\n");
  client.send(bytes);
  client.finish_sending();
  EXPECT_TRUE(client.read_all() == bytes);
  EXPECT_FALSE(client.ended_by_reset());
  EXPECT_TRUE(right);
  client.close();
  expect_quiet(proxy);
}

}  // namespace
}  // namespace outrider::test
