// PROXY protocol: who is in front says whose a connection is, and endpoints are told in turn.

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
#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/proxy_header.h"
#include "tests/support/quiet.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";
const std::string kClient = "203.0.113.9:4711";

void expect_result(Proxy& proxy, const std::string& result, double count = 1) {
  proxy.expect_metric(count, "outrider_proxy_protocol_headers_total", "listener=\"edge\",result=\"" + result + "\"");
}

// Answers with whom it takes for the client.
std::unique_ptr<Origin> who_calls() {
  return Origin::answering(
      [](const Message& request) { return ok(request.field("x-forwarded-for") + " " + request.field("x-forwarded-proto")); });
}

std::string body_of(Stream& client, const std::string& bytes) {
  if (!client.send(bytes)) return "refused";
  const auto answer = client.read_message();
  return answer ? answer->body : "nothing";
}

struct ProxyProtocolIn : testing::Test {
  std::unique_ptr<Origin> origin = who_calls();
  std::string edge(const std::string& listener, const std::string& cluster = {}) {
    return Proxy::edge({origin->text()}, cluster, listener);
  }
  // What a client hears who begins with these bytes.
  static std::string said_to(Proxy& proxy, const std::string& bytes) {
    Stream client = proxy.connect();
    return body_of(client, bytes);
  }
  static void expect_refused(Proxy& proxy, const std::string& bytes, const std::string& why) {
    const double before = proxy.metric("outrider_proxy_protocol_headers_total", "result=\"" + why + "\"");
    Stream client = proxy.connect();
    client.send(bytes);
    EXPECT_TRUE(client.at_end()) << why;
    expect_result(proxy, why, before + 1);
  }
};

TEST_F(ProxyProtocolIn, TheClientIsWhoTheHeaderSays) {
  for (const char* mode : {"proxy_protocol: required", "proxy_protocol: optional", "proxy_protocol: {trust: [127.0.0.0/8]}"}) {
    Proxy proxy(edge(mode));
    for (const std::string& header :
         {v1(kClient), v2(kClient), v1("[2001:db8::9]:1", "[::1]:2"), v2("[2001:db8::9]:1", "[::1]:2")}) {
      const std::string expected =
          header.find("2001:db8") != header.npos || header.size() == 52 ? "2001:db8::9 http" : "203.0.113.9 http";
      Stream client = proxy.connect();
      EXPECT_EQ(body_of(client, header + kGet), expected) << mode;
      EXPECT_EQ(body_of(client, kGet), expected) << "of all requests on its connection";
    }
    expect_result(proxy, "v1", 2);
    expect_result(proxy, "v2", 2);
    proxy.expect_metric(4, "outrider_connections_total", "listener=\"edge\"");
    expect_quiet(proxy);
  }
}

TEST_F(ProxyProtocolIn, OfHealthChecksAndOfWhomNobodyKnowsItIsTheSockets) {
  Proxy proxy(edge("proxy_protocol: required"));
  EXPECT_EQ(said_to(proxy, "PROXY UNKNOWN\r\n" + kGet), "127.0.0.1 http");
  EXPECT_EQ(said_to(proxy, "PROXY UNKNOWN 1.2.3.4 1.2.3.4 1 2\r\n" + kGet), "127.0.0.1 http");
  EXPECT_EQ(said_to(proxy, raw_v2(0x20, 0x11, std::string("\x01\x02\x03\x04\x01\x02\x03\x04\0\1\0\2", 12)) + kGet),
            "127.0.0.1 http");
  EXPECT_EQ(said_to(proxy, raw_v2(0x21, 0x00, "") + kGet), "127.0.0.1 http");
  EXPECT_EQ(said_to(proxy, raw_v2(0x21, 0x31, "/run/a" + std::string(210, '\0')) + kGet), "127.0.0.1 http");
  expect_result(proxy, "unknown", 4);
  expect_result(proxy, "local", 1);
  expect_quiet(proxy);
}

TEST_F(ProxyProtocolIn, ItMayComeByteByByte) {
  Proxy proxy(edge("proxy_protocol: required, timeouts: {proxy_protocol: 20s}"));
  for (const std::string& header : {v1(kClient), v2(kClient)}) {
    Stream client = proxy.connect();
    for (const char byte : header + kGet) ASSERT_TRUE(client.send({&byte, 1}));
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "203.0.113.9 http");
  }
}

TEST_F(ProxyProtocolIn, WhatIsLateMissingOrBrokenIsRefused) {
  Proxy proxy(edge("proxy_protocol: required, timeouts: {proxy_protocol: 200ms}"));
  expect_refused(proxy, "", "timeout");
  expect_refused(proxy, v1(kClient).substr(0, 20), "timeout");
  expect_refused(proxy, v2(kClient).substr(0, 27), "timeout");
  expect_refused(proxy, kGet, "missing");
  expect_refused(proxy, "\x16\x03\x01", "missing");
  expect_refused(proxy, "PROXY TCP4 203.0.113.9\r\n" + kGet, "v1_line");
  expect_refused(proxy, "PROXY TCP4 203.0.113.9 203.0.113.1 99999 1\r\n", "v1_port");
  expect_refused(proxy, "PROXY " + std::string(200, 'x'), "v1_too_long");
  expect_refused(proxy, raw_v2(0x21, 0x11, "short"), "v2_address");
  expect_refused(proxy, raw_v2(0x20, 0, std::string(20000, 'x')).substr(0, 16), "v2_too_long");
  Stream client = proxy.connect();
  client.send("PROXY TCP4");
  client.finish_sending();
  EXPECT_TRUE(client.at_end());
  expect_result(proxy, "cut_short");
  proxy.connect().close();  // nobody's mistake: a look whether somebody is there
  proxy.expect_metric(1, "outrider_connections_closed_total", "listener=\"edge\",reason=\"client\"");
  proxy.expect_metric(11, "outrider_connections_closed_total", "listener=\"edge\",reason=\"proxy_protocol\"");
  EXPECT_EQ(origin->connections(), 0);
  EXPECT_EQ(said_to(proxy, v2(kClient) + kGet), "203.0.113.9 http");
  expect_quiet(proxy);
}

TEST_F(ProxyProtocolIn, WhoIsNotTrustedSaysNothingOfAnybody) {
  Proxy required(edge("proxy_protocol: {mode: required, trust: [10.0.0.0/8]}"));
  expect_refused(required, v2(kClient) + kGet, "untrusted");
  expect_refused(required, kGet, "untrusted");
  Proxy optional(edge("proxy_protocol: {mode: optional, trust: [10.0.0.0/8, \"::1\"]}"));
  EXPECT_EQ(said_to(optional, kGet), "127.0.0.1 http");
  for (const std::string& header : {v1(kClient), v2(kClient)}) {
    Stream client = optional.connect();
    client.send(header + kGet);
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 400) << "its first bytes, which are no HTTP";
  }
  EXPECT_EQ(optional.metric("outrider_proxy_protocol_headers_total"), 0);
  EXPECT_EQ(origin->requests(), 1);
}

TEST_F(ProxyProtocolIn, WhereItIsOptionalWhoeverSendsNoneIsServed) {
  Proxy proxy(edge("proxy_protocol: optional, timeouts: {proxy_protocol: 100ms}"));
  EXPECT_EQ(said_to(proxy, kGet), "127.0.0.1 http");
  expect_result(proxy, "none", 1);
  // Silent at first, and one who stops where a header might have begun: both are served when the time is up.
  for (const std::string& first : {"", "P", "PROXY"}) {
    Stream client = proxy.connect();
    client.send(first);
    const double before = proxy.metric("outrider_proxy_protocol_headers_total", "result=\"none\"");
    expect_result(proxy, "none", before + 1);
    client.send((first.empty() ? "GET" : first == "P" ? "OST" : "ING") + kGet.substr(3));
    const auto answer = client.read_message();
    ASSERT_TRUE(answer) << first;
    EXPECT_EQ(answer->status(), 200);
  }
  expect_refused(proxy, "PROXY ", "timeout");
  expect_refused(proxy, std::string(kSignature), "timeout");
  expect_refused(proxy, "PROXY / HTTP/1.1\r\n\r\n", "v1_protocol");
  Stream gone = proxy.connect();  // asks and ends, in one
  gone.send("G");
  gone.finish_sending();
  EXPECT_FALSE(gone.read_all().empty());
  expect_quiet(proxy);
}

TEST_F(ProxyProtocolIn, ItComesBeforeTls) {
  Certificates certificates;
  TlsClient client(certificates);
  Proxy proxy(edge("proxy_protocol: required, " + certificates.listener()));
  for (const std::string& header : {v1(kClient), v2(kClient)}) {
    auto stream = client.connect(proxy.address(), "http/1.1", header);
    ASSERT_TRUE(stream);
    EXPECT_EQ(body_of(*stream, kGet), "203.0.113.9 https");
    EXPECT_EQ(body_of(*stream, kGet), "203.0.113.9 https");
  }
  EXPECT_FALSE(client.connect(proxy.address())) << "without a header";
  expect_result(proxy, "missing");
}

TEST_F(ProxyProtocolIn, WhoTerminatedTlsSaysThatItWasHttps) {
  Proxy proxy(edge("proxy_protocol: required"));
  wire::Relayed told;
  told.encrypted = true;
  told.version = "TLSv1.3";
  EXPECT_EQ(said_to(proxy, v2(kClient, "198.51.100.7:443", told) + kGet), "203.0.113.9 https");
  EXPECT_EQ(said_to(proxy, v2(kClient) + kGet), "203.0.113.9 http");
}

TEST_F(ProxyProtocolIn, ItComesBeforeHttp2) {
  for (const char* protocol : {"auto", "http2"}) {
    Proxy proxy(edge(std::string("proxy_protocol: required, protocol: ") + protocol));
    Stream stream = proxy.connect();
    stream.send(v2(kClient) + http::kPreface + http::frame(NGHTTP2_SETTINGS, 0, 0) +
                http::headers(1, {{":method", "GET"}, {":scheme", "http"}, {":authority", "web"}, {":path", "/a"}}));
    H2Peer peer(stream, H2Peer::Greeted{});
    EXPECT_TRUE(peer.reads("DATA 1 end 203.0.113.9 http")) << protocol;
  }
}

TEST_F(ProxyProtocolIn, ItComesBeforeBytesOfTcpAndTlsThatPasses) {
  Certificates certificates;
  TlsClient client(certificates);
  Proxy behind(edge(certificates.listener()));
  const std::string more =
      "registry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\", proxy_protocol: required, protocol: ";
  Proxy passing("version: 1\nmode: edge\n" + more +
                "tls}}\nroutes: {edge: [{match: {sni: a.test}, cluster: b}]}\nclusters: {b: {endpoints: [\"" +
                behind.address().text() + "\"]}}\n");
  client.server_name = "a.test";
  auto stream = client.connect(passing.address(), "http/1.1", v2(kClient));
  ASSERT_TRUE(stream);
  EXPECT_EQ(body_of(*stream, kGet), "127.0.0.1 https") << "of the endpoint nothing was told";

  Origin first([](Stream& connection) {
    connection.send("hello\n");
    if (const auto line = connection.read_until("\n")) connection.send("heard " + *line);
  });
  Proxy tcp("version: 1\nmode: edge\n" + more + "tcp}}\nroutes: {edge: [{cluster: b}]}\nclusters: {b: {endpoints: [\"" +
            first.text() + "\"]}}\n");
  for (const std::string& header : {v1(kClient), v2(kClient)}) {
    Stream plain = tcp.connect();
    plain.send(header);  // and waits: the server speaks first
    EXPECT_EQ(plain.read_until("\n"), "hello\n");
    plain.send("you\n");
    EXPECT_EQ(plain.read_until("\n"), "heard you\n");
  }
}

// --- what goes by the address --------------------------------------------------------------------------------------------

TEST_F(ProxyProtocolIn, RulesFiltersAndLimitsGoByIt) {
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\", proxy_protocol: required, "
      "limits: {per_ip: 2}}}\nfilters: {edge: [{ip: {deny: [203.0.113.66, 127.0.0.1]}}, {rate_limit: {rate: 1/h, burst: 1, key: source}}]}\n"
      "routes: {edge: [{match: {source: {cidr: 198.51.100.0/24}}, respond: {status: 200, body: office}}, {match: {port: 8443}, "
      "respond: {status: 200, body: by port}}, {cluster: web}]}\nclusters: {web: {endpoints: [\"" +
      origin->text() + "\"]}}\n");
  EXPECT_EQ(said_to(proxy, v2("198.51.100.20:1") + kGet), "office");
  EXPECT_EQ(said_to(proxy, v1("203.0.113.10:1", "192.0.2.1:8443") + kGet), "by port");
  EXPECT_EQ(said_to(proxy, v1("203.0.113.11:1", "192.0.2.1:443") + kGet), "203.0.113.11 http");
  Stream again = proxy.connect();
  again.send(v2("203.0.113.11:2") + kGet);
  const auto limited = again.read_message();
  ASSERT_TRUE(limited);
  EXPECT_EQ(limited->status(), 429);
  for (const std::string& header : {v2("203.0.113.66:1"), raw_v2(0x20, 0, "")}) {  // the check is of 127.0.0.1
    Stream denied = proxy.connect();
    denied.send(header + kGet);
    EXPECT_TRUE(denied.at_end());
  }
  proxy.expect_metric(2, "outrider_connections_closed_total", "listener=\"edge\",reason=\"denied\"");
  again.close();
  proxy.expect_metric(0, "outrider_connections_active");
  std::vector<Stream> open;
  for (const char* client : {"203.0.113.20:1", "203.0.113.20:2", "203.0.113.21:1"}) {
    open.push_back(proxy.connect());
    open.back().send(v2(client));
  }
  proxy.expect_metric(3, "outrider_connections_active");
  Stream third = proxy.connect();
  third.send(v2("203.0.113.20:3"));
  EXPECT_TRUE(third.at_end());
  proxy.expect_metric(1, "outrider_connections_closed_total", "listener=\"edge\",reason=\"too_many_per_ip\"");
  open.clear();
  expect_quiet(proxy);
}

TEST_F(ProxyProtocolIn, WhoIsWaitedForCounts) {
  Proxy proxy(edge("proxy_protocol: required, timeouts: {proxy_protocol: 20s}, limits: {connections: 2}"),
              {"overload.threads=1"});
  Stream one = proxy.connect(), two = proxy.connect();
  one.send("PROXY TCP4 ");
  Stream three = proxy.connect();
  EXPECT_TRUE(three.at_end());
  proxy.expect_metric(1, "outrider_connections_closed_total", "listener=\"edge\",reason=\"too_many\"");
  one.close();
  expect_result(proxy, "cut_short");
  EXPECT_EQ(said_to(proxy, v2(kClient) + kGet), "203.0.113.9 http");
}

TEST_F(ProxyProtocolIn, WhatIsWaitedForEndsWithTheProxy) {
  Proxy proxy(edge("proxy_protocol: required, timeouts: {proxy_protocol: 1h}"),
              {"lifecycle.drain.delay=0", "lifecycle.drain.time=100ms"});
  Stream client = proxy.connect();
  client.send("PROXY ");
  Stream other = proxy.connect();
  EXPECT_EQ(body_of(other, v2(kClient) + kGet), "203.0.113.9 http");
  (void)proxy.end();
  EXPECT_TRUE(client.at_end());
}

// --- out -----------------------------------------------------------------------------------------------------------------

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
    Proxy proxy(Proxy::edge({origin.text()}, "proxy_protocol: v2, health_check: {" + kind + ", interval: 20ms}"));
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
      Proxy front(Proxy::edge({behind.address().text()}, cluster, "proxy_protocol: optional, http: {forwarded: off}"));
      const std::string proto = encrypted ? " https" : " http";
      Stream client = front.connect(), told = front.connect();
      for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(body_of(client, kGet), "127.0.0.1" + proto);
        EXPECT_EQ(body_of(told, (i ? "" : v1(kClient)) + kGet), "203.0.113.9" + proto);
      }
      expect_result(behind, version, 2);
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
  std::ifstream file(sources.file);
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
