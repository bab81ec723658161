// PROXY protocol: endpoints are told who calls, and so is the proxy behind them.

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

#include "config/load.h"
#include "filters/all.h"
#include "tests/support/h2_peer.h"
#include "tests/support/proxy_header.h"
#include "tests/support/quiet.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";
const std::string kClient = "203.0.113.9:4711";

// Answers each request with the header its connection began with, and which connection of all that is.
struct Told {
  std::mutex mutex;
  std::condition_variable ended;
  int connections = 0, over = 0;
  std::vector<wire::ProxyHeader> headers;
  Origin origin{[this](Stream& connection) { serve(connection); }};
  void serve(Stream& connection) {
    const wire::ProxyHeader header = heard(connection);
    int number;
    {
      const std::lock_guard lock(mutex);
      headers.push_back(header);
      number = ++connections;
    }
    const auto& source = header.told.source;
    while (connection.read_message())
      connection.send(ok(std::to_string(number) + " " + header.kind + " " + (source.valid() ? source.text() : "-")));
    const std::lock_guard lock(mutex);
    ++over;
    ended.notify_all();
  }
  bool await_over(int n) {
    std::unique_lock lock(mutex);
    return ended.wait_for(lock, std::chrono::seconds(30), [&] { return over >= n; });
  }
};

std::string local(const Stream& stream) { return net::Address::local_of(stream.fd()).text(); }

TEST(ProxyProtocolOut, EachClientHasConnectionsOfItsOwn) {
  for (const std::string version : {"v1", "v2"}) {
    Told told;
    Proxy proxy(Proxy::edge({told.origin.text()}, "health_check: off, proxy_protocol: " + version), {"overload.threads=1"});
    Stream one = proxy.connect(), two = proxy.connect();
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(body_of(one, kGet), "1 " + version + " " + local(one));
      EXPECT_EQ(body_of(two, kGet), "2 " + version + " " + local(two));
    }
    EXPECT_EQ(told.headers[0].told.destination.text(), proxy.address().text());
    proxy.expect_metric(2, "outrider_cluster_connections_active");
    one.close();
    EXPECT_TRUE(told.await_over(1)) << "it goes with its client";
    proxy.expect_metric(1, "outrider_cluster_connections_active");
    EXPECT_EQ(body_of(two, kGet), "2 " + version + " " + local(two));
    two.close();
    EXPECT_TRUE(told.await_over(2));
    proxy.expect_metric(0, "outrider_cluster_connections_active");
    EXPECT_EQ(told.connections, 2);
    expect_quiet(proxy);
  }
}

TEST(ProxyProtocolOut, StreamsOfOneClientShareHisConnections) {
  Origin origin([](Stream& connection) {
    const auto header = heard(connection);
    H2Peer peer(connection);
    for (uint32_t id = 1;; id += 2) {
      if (!peer.reads("HEADERS " + std::to_string(id) + " ")) return;
      peer.send(http::headers(id, {{":status", "200"}}, http::kEndHeaders) + http::data(id, header.told.source.text(), true));
    }
  });
  Proxy proxy(Proxy::edge({origin.text()}, "health_check: off, protocol: http2, proxy_protocol: v2"), {"overload.threads=1"});
  H2Peer one(proxy.address()), two(proxy.address());
  for (uint32_t id = 1; id < 7; id += 2)
    for (H2Peer* peer : {&one, &two}) {
      peer->send(http::headers(id, {{":method", "GET"}, {":scheme", "http"}, {":authority", "web"}, {":path", "/a"}}));
      EXPECT_TRUE(peer->reads("DATA " + std::to_string(id) + " end " + local(peer->stream())));
    }
  EXPECT_EQ(origin.connections(), 2);
}

TEST(ProxyProtocolOut, ItGoesBeforeTls) {
  Certificates certificates;
  TlsServer server(certificates);
  std::mutex mutex;
  std::vector<wire::ProxyHeader> headers;
  Origin origin([&](Stream& connection) {
    const auto header = heard(connection);
    {
      const std::lock_guard lock(mutex);
      headers.push_back(header);
    }
    server.behind([&](Stream& within) {
      while (within.read_message()) within.send(ok(header.told.source.text()));
    })(connection);
  });
  Proxy proxy(
      Proxy::edge({origin.text()}, "health_check: off, proxy_protocol: v2, " + certificates.cluster(), certificates.listener()));
  TlsClient client(certificates);
  client.server_name = "shop.test";
  for (int i = 0; i < 2; ++i) {
    auto stream = client.connect(proxy.address(), "http/1.1");
    ASSERT_TRUE(stream);
    EXPECT_EQ(body_of(*stream, kGet), local(*stream));
    EXPECT_EQ(body_of(*stream, kGet), local(*stream));
  }
  EXPECT_EQ(origin.connections(), 2);
  const std::lock_guard lock(mutex);
  for (const auto& header : headers) {
    EXPECT_EQ(header.told.server_name + " " + header.told.protocol + " " + header.told.version, "shop.test http/1.1 TLSv1.3");
    EXPECT_TRUE(header.told.encrypted);
    EXPECT_FALSE(header.told.certified);
  }
}

TEST(ProxyProtocolOut, BytesOfTcpFollowIt) {
  for (const std::string version : {"v1", "v2"}) {
    Origin origin([](Stream& connection) {
      const auto header = heard(connection);
      connection.send(std::string(header.kind) + " " + header.told.source.text() + "\n");
      for (std::string bytes = connection.read_some(65536); !bytes.empty(); bytes = connection.read_some(65536))
        connection.send(bytes);
      connection.finish_sending();
    });
    Proxy proxy(Proxy::edge({origin.text()}, "health_check: off, proxy_protocol: " + version, "protocol: tcp"));
    for (int i = 0; i < 3; ++i) {
      Stream client = proxy.connect();
      EXPECT_EQ(client.read_until("\n"), version + " " + local(client) + "\n") << "the server speaks first";
      const std::string bytes(300'000, char('a' + i));
      std::thread sender([&] { client.send(bytes); });
      EXPECT_TRUE(client.read_exactly(bytes.size()) == bytes);
      sender.join();
      client.finish_sending();
      EXPECT_TRUE(client.at_end());
    }
    EXPECT_EQ(origin.connections(), 3);
    expect_quiet(proxy);
  }
}

TEST(ProxyProtocolOut, HealthChecksAreOfNobody) {
  for (const std::string kind : {"http: /", "tcp: connect"}) {
    std::mutex mutex;
    std::vector<std::string> kinds;
    Origin origin([&](Stream& connection) {
      const auto header = heard(connection);
      {
        const std::lock_guard lock(mutex);
        if (*header.kind) kinds.emplace_back(header.kind);  // else the proxy has ended meanwhile
      }
      while (connection.read_message()) connection.send(ok("fine"));
    });
    Proxy proxy(Proxy::edge({origin.text()}, "proxy_protocol: v2, health_check: {" + kind + ", interval: 50ms, timeout: 50ms}"));
    Stream client = proxy.connect();
    EXPECT_EQ(body_of(client, kGet), "fine");
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (origin.connections() < 4 && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    client.close();
    EXPECT_EQ(proxy.end(), 0);
    const std::lock_guard lock(mutex);
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "v2"), 1) << kind;
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "local"), long(kinds.size()) - 1) << kind;
    EXPECT_GE(kinds.size(), 3u);
  }
}

// At the limit a client whose connection is idle gives it up: he gets another when he asks again.
TEST(ProxyProtocolOut, AtTheLimitWhoIsIdleMakesRoom) {
  Told told;
  Proxy proxy(Proxy::edge({told.origin.text()}, "health_check: off, proxy_protocol: v1, circuit_breaker: {max_connections: 1}"),
              {"overload.threads=1"});
  Stream one = proxy.connect(), two = proxy.connect();
  EXPECT_EQ(body_of(one, kGet), "1 v1 " + local(one));
  EXPECT_EQ(body_of(two, kGet), "2 v1 " + local(two));
  EXPECT_TRUE(told.await_over(1));
  EXPECT_EQ(body_of(one, kGet), "3 v1 " + local(one));
  EXPECT_EQ(body_of(one, kGet), "3 v1 " + local(one));
}

TEST(ProxyProtocolOut, AConnectionThatTheEndpointClosedIsMadeAnew) {
  std::atomic<int> served{0};
  Origin origin([&](Stream& connection) {
    const auto header = heard(connection);
    if (!connection.read_message()) return;
    ++served;
    connection.send(ok(header.told.source.text()));  // and ends, without having said so
  });
  Proxy proxy(Proxy::edge({origin.text()}, "health_check: off, proxy_protocol: v2"));
  Stream client = proxy.connect();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(body_of(client, kGet), local(client));
  EXPECT_EQ(served, 5);
}

TEST(ProxyProtocolOut, ACopyOfARequestIsTheProxysOwn) {
  Told told, copies;
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: "
      "web, mirror: {cluster: copy}}]}\ndefaults: {cluster: {proxy_protocol: v2, health_check: off}}\nclusters: {web: {endpoints: [\"" +
      told.origin.text() + "\"]}, copy: {endpoints: [\"" + copies.origin.text() + "\"]}}\n");
  Stream client = proxy.connect();
  EXPECT_EQ(body_of(client, kGet), "1 v2 " + local(client));
  proxy.expect_metric(1, "outrider_mirrored_total", "result=\"2xx\"");
  const std::lock_guard lock(copies.mutex);
  ASSERT_EQ(copies.headers.size(), 1u);
  EXPECT_STREQ(copies.headers[0].kind, "local");
}

// --- both ----------------------------------------------------------------------------------------------------------------

TEST(ProxyProtocolChain, TheAddressGoesThroughTwoProxies) {
  const auto origin = who_calls();
  Certificates certificates;
  for (const std::string version : {"v1", "v2"})
    for (const bool encrypted : {false, true}) {  // between the two
      Proxy behind(
          Proxy::edge({origin->text()}, "", "proxy_protocol: required" + (encrypted ? ", " + certificates.listener() : "")));
      const std::string cluster =
          "health_check: off, proxy_protocol: " + version + (encrypted ? ", " + certificates.cluster() : "");
      Proxy front(Proxy::edge({behind.address().text()}, cluster,
                              "proxy_protocol: optional, timeouts: {proxy_protocol: 1m}, http: {forwarded: off}"));
      const std::string proto = encrypted ? " https" : " http";
      Stream client = front.connect(), told = front.connect();
      for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(body_of(client, kGet), "127.0.0.1" + proto);
        EXPECT_EQ(body_of(told, (i ? "" : v1(kClient)) + kGet), "203.0.113.9" + proto);
      }
      EXPECT_GE(behind.metric("outrider_proxy_protocol_headers_total", "result=\"" + version + "\""), 2);
    }
}

TEST(ProxyProtocolChain, TlsThatEndsAtTheFirstIsHttpsAtTheSecond) {
  const auto origin = who_calls();
  Certificates certificates;
  Proxy behind(Proxy::edge({origin->text()}, "", "proxy_protocol: required"));
  Proxy front(Proxy::edge({behind.address().text()}, "health_check: off, proxy_protocol: v2",
                          "http: {forwarded: off}, " + certificates.listener()));
  TlsClient client(certificates);
  auto stream = client.connect(front.address(), "http/1.1");
  ASSERT_TRUE(stream);
  EXPECT_EQ(body_of(*stream, kGet), "127.0.0.1 https");
}

// docker/edge/behind-a-balancer.yaml, with a balancer and endpoints of this machine's.
TEST(BehindABalancer, LimitsAndRulesGoByTheClient) {
  const auto origin = who_calls();
  std::ifstream file(std::string(OUTRIDER_SOURCE_DIR) + "/docker/edge/behind-a-balancer.yaml");
  const std::string yaml{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(yaml.empty());
  Proxy proxy(yaml, {"listeners.web.address=127.0.0.1:0", "listeners.web.tls=off", "listeners.web.limits.per_ip=1",
                     "listeners.web.proxy_protocol.trust=127.0.0.0/8", "listeners.cdn.address=127.0.0.1:0",
                     "listeners.cdn.proxy_protocol.trust=127.0.0.0/8", "clusters.web.health_check=off",
                     "clusters.web.endpoints=[\"" + origin->text() + "\"]"});
  const auto get = [](const std::string& forwarded) {
    return "GET /a HTTP/1.1\r\nHost: web\r\nX-Forwarded-For: " + forwarded + "\r\n\r\n";
  };
  Stream one = proxy.connect("web"), two = proxy.connect("web"), again = proxy.connect("web");
  EXPECT_EQ(body_of(one, v2("203.0.113.1:1") + get("198.51.100.1")), "203.0.113.1 http")
      << "who writes that himself is not believed";
  EXPECT_EQ(body_of(two, v2("203.0.113.2:1") + get("198.51.100.1")), "203.0.113.2 http");
  again.send(v2("203.0.113.1:2") + get("198.51.100.1"));
  EXPECT_TRUE(again.at_end()) << "the balancer may come often, its clients may not";
  proxy.expect_metric(1, "outrider_connections_closed_total", "listener=\"web\",reason=\"too_many_per_ip\"");

  Stream cdn = proxy.connect("cdn"), stranger = proxy.connect("cdn");
  EXPECT_EQ(body_of(cdn, v2("192.0.2.1:1") + get("10.6.6.6, 198.51.100.1")), "198.51.100.1, 192.0.2.1 http")
      << "one hop is believed";
  stranger.send(v2("203.0.113.1:1") + get("198.51.100.1"));
  EXPECT_TRUE(stranger.at_end());
  proxy.expect_metric(1, "outrider_connections_closed_total", "listener=\"cdn\",reason=\"denied\"");
}

TEST(BehindABalancer, TheExampleIsGoodAsItIs) {
  config::Sources sources;
  sources.file = std::string(OUTRIDER_SOURCE_DIR) + "/docker/edge/behind-a-balancer.yaml";
  std::ifstream file(*sources.file);
  sources.text = {std::istreambuf_iterator<char>(file), {}};
  sources.filters = filters::names();
  sources.check_filter = filters::check;
  const auto outcome = config::load(sources);
  EXPECT_TRUE(outcome.document && outcome.complaints.empty()) << config::print(outcome.complaints);
}

TEST(ProxyProtocolChain, TlsThatPassesIsTold) {
  Certificates certificates;
  TlsServer server(certificates);
  std::mutex mutex;
  std::string name;
  Origin origin([&](Stream& connection) {
    const auto header = heard(connection);
    {
      const std::lock_guard lock(mutex);
      name = header.told.server_name;
    }
    server.behind([&](Stream& within) {
      while (within.read_message()) within.send(ok(header.told.source.text()));
    })(connection);
  });
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\", protocol: tls}}\nroutes: {edge: "
      "[{match: {sni: \"*\"}, cluster: b}]}\nclusters: {b: {endpoints: [\"" +
      origin.text() + "\"], proxy_protocol: v2, health_check: off}}\n");
  TlsClient client(certificates);
  client.server_name = "a.test";
  auto stream = client.connect(proxy.address());
  ASSERT_TRUE(stream);
  EXPECT_EQ(body_of(*stream, kGet), local(*stream));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(name, "a.test");
}

}  // namespace
}  // namespace outrider::test
