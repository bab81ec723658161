// PROXY protocol: who is in front says whose a connection is.

#include <gtest/gtest.h>

#include "tests/support/h2_peer.h"
#include "tests/support/proxy_header.h"
#include "tests/support/quiet.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";
const std::string kClient = "203.0.113.9:4711";

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
    expect_headers(proxy, why, before + 1);
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
    expect_headers(proxy, "v1", 2);
    expect_headers(proxy, "v2", 2);
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
  expect_headers(proxy, "unknown", 4);
  expect_headers(proxy, "local", 1);
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
  expect_headers(proxy, "cut_short");
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
  expect_headers(proxy, "none", 1);
  // Silent at first, and one who stops where a header might have begun: both are served when the time is up.
  for (const std::string first : {"", "P", "PROXY"}) {
    const double before = proxy.metric("outrider_proxy_protocol_headers_total", "result=\"none\"");
    Stream client = proxy.connect();
    client.send(first);
    expect_headers(proxy, "none", before + 1);
    client.send((first.empty() ? "GET" : first == "P" ? "OST" : "ING") + kGet.substr(3));
    const auto answer = client.read_message();
    ASSERT_TRUE(answer) << first;
    EXPECT_EQ(answer->status(), first == "PROXY" ? 501 : 200) << "a method that nobody knows is HTTP's to refuse";
  }
  expect_refused(proxy, "PROXY ", "timeout");
  expect_refused(proxy, std::string(kSignature), "timeout");
  expect_refused(proxy, "PROXY / HTTP/1.1\r\n\r\n", "v1_protocol");
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
  expect_refused(proxy, "\x16\x03\x01", "missing");
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
  expect_headers(proxy, "cut_short");
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

}  // namespace
}  // namespace outrider::test
