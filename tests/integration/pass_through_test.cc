// TLS that is passed through: led by the name its client asks for, and not touched.

#include <gtest/gtest.h>

#include "base/log.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/quiet.h"
#include "tests/support/tls.h"
#include "tests/unit/net/client_hello.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

void echo(Stream& connection) {
  for (std::string bytes = connection.read_some(4096); !bytes.empty(); bytes = connection.read_some(4096)) connection.send(bytes);
  connection.finish_sending();
}

// Two servers of TLS, which are proxies that end it, and one of anything.
struct PassThrough : testing::Test {
  Certificates certificates;
  TlsClient client{certificates};
  std::unique_ptr<Origin> behind_a = Origin::answering("a"), behind_b = Origin::answering("b"), web = Origin::answering("web");
  Origin echoing{echo};
  Proxy a{Proxy::edge({behind_a->text()}, "", certificates.listener())};
  Proxy b{Proxy::edge({behind_b->text()}, "", certificates.listener())};

  std::string config(const std::string& listener, const std::string& rules, const std::string& more = {}) {
    return "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\", " + listener +
           "}}\nroutes: {edge: [" + rules + "]}\nclusters: {a: {endpoints: [\"" + a.address().text() +
           "\"]}, b: {endpoints: [\"" + b.address().text() + "\"]}, web: {endpoints: [\"" + web->text() +
           "\"]}, echo: {endpoints: [\"" + echoing.text() + "\"]}}\n" + more;
  }
  // What answers a client who asks for this name; else why the handshake failed.
  std::string reached(Proxy& proxy, const std::string& name, const std::string& alpn = {}) {
    client.server_name = name;
    auto stream = client.connect(proxy.address(), alpn);
    if (!stream) return client.refusal;
    stream->send(kGet);
    const auto answer = stream->read_message();
    return answer ? answer->body : "nothing";
  }
  static void expect_echo(Stream& stream, const std::string& bytes) {
    ASSERT_TRUE(stream.send(bytes));
    EXPECT_EQ(stream.read_exactly(bytes.size()), bytes);
  }
  void expect_refused(Proxy& proxy, double n, const std::string& reason) {
    proxy.expect_metric(n, "outrider_tls_refused_total", "listener=\"edge\",reason=\"" + reason + "\"");
  }
};

const std::string kByName = "{match: {sni: a.test}, cluster: a}, {match: {sni: \"*.b.test\"}, cluster: b}";
const std::string kUnknownName = "tlsv1 unrecognized name";

TEST_F(PassThrough, TheNameThatIsAskedForLeads) {
  Proxy proxy(config("protocol: tls", kByName));
  EXPECT_EQ(reached(proxy, "a.test"), "a");
  EXPECT_EQ(reached(proxy, "A.Test"), "a");
  EXPECT_EQ(reached(proxy, "x.b.test"), "b");
  EXPECT_EQ(reached(proxy, "y.x.b.test", "http/1.1"), "b");
  proxy.expect_metric(4, "outrider_connections_total", "listener=\"edge\",tls=\"passed\"");
  proxy.expect_metric(2, "outrider_requests_total", R"(route="edge-1",cluster="b",code="other",flag="none")");
  expect_quiet(proxy);
}

TEST_F(PassThrough, WhoAsksForAnotherNameIsToldSo) {
  Proxy proxy(config("protocol: tls", kByName));
  EXPECT_EQ(reached(proxy, "c.test"), kUnknownName);
  EXPECT_EQ(reached(proxy, "b.test"), kUnknownName);
  EXPECT_EQ(reached(proxy, ""), kUnknownName);
  expect_refused(proxy, 2, "no_route");
  expect_refused(proxy, 1, "no_server_name");
  proxy.expect_metric(3, "outrider_requests_total", R"(route="none",cluster="",code="other",flag="no_route")");
  proxy.expect_metric(3, "outrider_connections_closed_total", "reason=\"no_route\"");
  EXPECT_EQ(behind_a->connections() + behind_b->connections(), 0);
  expect_quiet(proxy);
}

TEST_F(PassThrough, OfManyRefusalsTheFirstIsLogged) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  log::redirect(ends[1]);
  {
    Proxy proxy(config("protocol: tls", kByName), {"overload.threads=1", "telemetry.log.level=warn"});
    for (const char* name : {"c.test", "d.test", "e.test"}) EXPECT_EQ(reached(proxy, name), kUnknownName);
  }
  log::redirect(-1);
  ::close(ends[1]);
  Fd out(ends[0]);
  std::string text(4096, '\0');
  text.resize(size_t(std::max<ssize_t>(0, ::read(out.get(), text.data(), text.size()))));
  EXPECT_NE(text.find("match.sni has not its name listener=edge server_name=c.test reason=no_route client=127.0.0.1:"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("d.test"), std::string::npos);
}

TEST_F(PassThrough, TheFirstRuleThatMatchesWins) {
  Proxy proxy(config("protocol: tls", "{match: {sni: \"*.a.test\"}, cluster: a}, {match: {sni: \"*\"}, cluster: b}"));
  EXPECT_EQ(reached(proxy, "x.a.test"), "a");
  EXPECT_EQ(reached(proxy, "elsewhere.test"), "b");
  EXPECT_EQ(reached(proxy, ""), "b");
  Proxy other(config("protocol: tls", "{match: {sni: a.test}, cluster: a}, {cluster: b}"));
  EXPECT_EQ(reached(other, "a.test"), "a");
  EXPECT_EQ(reached(other, ""), "b");
}

TEST_F(PassThrough, HttpAndTlsShareAPort) {
  Proxy proxy(config("protocol: auto", "{cluster: web}, " + kByName));
  EXPECT_EQ(request(proxy.address(), kGet).body, "web");
  EXPECT_EQ(reached(proxy, "a.test"), "a");
  EXPECT_EQ(reached(proxy, "c.test"), kUnknownName) << "at the edge a rule for everything is one for HTTP";
  expect_refused(proxy, 1, "no_route");
  Stream other = proxy.connect();
  other.send("*1\r\n$4\r\nPING\r\n\r\n");
  const auto answer = other.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 400);
  proxy.expect_metric(2, "outrider_protocol_detections_total", R"(protocol="tls",how="first_bytes")");
}

TEST_F(PassThrough, InsideTheMeshARuleForEverythingTakesWhatIsLeft) {
  Proxy proxy(config("protocol: auto, direction: inbound, detect: {timeout: 1ms}", kByName + ", {cluster: echo}"));
  EXPECT_EQ(reached(proxy, "a.test"), "a");
  Stream named = proxy.connect(), broken = proxy.connect(), plain = proxy.connect();
  expect_echo(named, net::hello_to("c.test"));
  expect_echo(broken, std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10));
  expect_echo(plain, "*1\r\n$4\r\nPING\r\n");
  EXPECT_EQ(proxy.metric("outrider_tls_refused_total"), 0);
}

// Nothing of it is lost, whatever it comes in, and nothing goes on before it is whole.
TEST_F(PassThrough, AHelloMayComeInManyRecordsByteByByte) {
  Proxy proxy(config("protocol: tls", "{match: {sni: a.test}, cluster: echo}"));
  net::Hello hello{.extensions =
                       net::extension(0x0a0a, "") + net::extension(51, std::string(1300, 'k')) + net::server_name("a.test")};
  const std::string bytes = net::records(hello.message(), 97) + "and what is sent with it";
  Stream stream = proxy.connect();
  for (const char c : bytes) ASSERT_TRUE(stream.send({&c, 1}));
  EXPECT_EQ(stream.read_exactly(bytes.size()), bytes);
  expect_echo(stream, "more");
}

TEST_F(PassThrough, AHelloMayBeAsLongAsARecord) {
  Proxy proxy(config("protocol: tls, limits: {buffer: 4KiB}", "{match: {sni: a.test}, cluster: echo}"));
  net::Hello hello{.extensions = net::extension(21, std::string(16000, '\0')) + net::server_name("a.test")};
  Stream stream = proxy.connect();
  expect_echo(stream, net::record(hello.message()) + std::string(100'000, 'x'));
  hello.extensions += net::extension(21, std::string(400, '\0'));
  Stream longer = proxy.connect();
  longer.send(net::records(hello.message(), 16384));
  EXPECT_EQ(longer.read_all(), std::string("\x15\x03\x03\x00\x02\x02\x32", 7));
  expect_refused(proxy, 1, "client_hello_too_long");
}

TEST_F(PassThrough, WhatIsNoHelloIsRefused) {
  Proxy proxy(config("protocol: tls", "{cluster: echo}"));
  Stream plain = proxy.connect();
  plain.send(kGet);
  EXPECT_EQ(plain.read_all(), "");
  expect_refused(proxy, 1, "not_tls");
  Stream twice = proxy.connect();
  twice.send(net::record(net::Hello{.extensions = net::server_name("a.test") + net::server_name("b.test")}.message()));
  EXPECT_EQ(twice.read_all(), std::string("\x15\x03\x03\x00\x02\x02\x32", 7)) << "decode_error";
  expect_refused(proxy, 1, "client_hello_twice");
  proxy.expect_metric(2, "outrider_connections_closed_total", "reason=\"malformed\"");
  EXPECT_EQ(echoing.connections(), 0);
}

TEST_F(PassThrough, AHelloThatIsNotFinishedIsNotWaitedForForEver) {
  Proxy proxy(config("protocol: tls, timeouts: {tls: 50ms}", "{cluster: echo}"));
  Stream silent = proxy.connect(), half = proxy.connect();
  half.send(net::hello_to("a.test").substr(0, 40));
  EXPECT_EQ(half.read_all(), std::string("\x15\x03\x03\x00\x02\x02\x32", 7));
  EXPECT_EQ(silent.read_all(), "");
  expect_refused(proxy, 1, "client_hello_cut_short");
  proxy.expect_metric(1, "outrider_connections_closed_total", "reason=\"header_timeout\"");
}

TEST_F(PassThrough, WhoOnlyConnectsAndLeavesIsNotRefused) {
  Proxy proxy(config("protocol: tls", "{cluster: echo}"));
  {
    Stream stream = proxy.connect();
    stream.finish_sending();
    EXPECT_TRUE(stream.at_end());
  }
  proxy.expect_metric(1, "outrider_connections_closed_total", "listener=\"edge\",reason=\"client\"");
  EXPECT_EQ(proxy.metric("outrider_tls_refused_total"), 0);
  EXPECT_EQ(proxy.metric("outrider_requests_total"), 0);
}

// A client that was silent for so long that a tunnel was presumed is still led by the name it asks for.
TEST_F(PassThrough, ATunnelThatWasPresumedGivesWayToAName) {
  Proxy proxy(config("protocol: auto, direction: inbound, detect: {timeout: 1ms}", kByName + ", {cluster: echo}"));
  Stream stream = proxy.connect();
  proxy.expect_metric(1, "outrider_cluster_connections_active", "cluster=\"echo\"");
  SSL* ssl = SSL_new(client.context());
  SSL_set_fd(ssl, stream.fd());
  SSL_set_tlsext_host_name(ssl, "a.test");
  ASSERT_EQ(SSL_connect(ssl), 1);
  stream.encrypt(ssl);
  stream.send(kGet);
  const auto answer = stream.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "a");
  proxy.expect_metric(0, "outrider_cluster_connections_active", "cluster=\"echo\"");
  proxy.expect_metric(0, "outrider_requests_total", "cluster=\"echo\"");
}

// At a port where servers were the first to speak a tunnel is presumed at once; that gives way, too.
TEST_F(PassThrough, WhatWasLearnedDoesNotLeadTlsAstray) {
  Origin speaking([](Stream& connection) {
    connection.send("220 ready\r\n");
    connection.read_all();
  });
  Proxy proxy(
      config("protocol: auto, direction: inbound, detect: {timeout: 2s}", "{match: {sni: a.test}, cluster: a}, {cluster: mail}"),
      {"clusters.mail.endpoints=[\"" + speaking.text() + "\"]"});
  Stream mail = proxy.connect();
  EXPECT_EQ(mail.read_until("\n"), "220 ready\r\n");
  proxy.expect_metric(1, "outrider_protocol_detections_total", R"(protocol="tcp",how="server_first")");
  EXPECT_EQ(reached(proxy, "a.test"), "a");
}

// Long bodies both ways, and their ends, while nobody has the keys.
TEST_F(PassThrough, WhatFollowsIsJoinedSocketToSocket) {
  auto origin = Origin::answering([](const Message& request) { return ok(request.body); });
  Proxy server(Proxy::edge({origin->text()}, "timeout: 0", "http: {max_body: off}, " + certificates.listener()));
  Proxy proxy(config("protocol: tls", "{match: {sni: long.test}, cluster: long}"),
              {"clusters.long.endpoints=[\"" + server.address().text() + "\"]"});
  client.server_name = "long.test";
  auto stream = client.connect(proxy.address());
  ASSERT_TRUE(stream);
  const std::string body(3'000'000, 'x');
  stream->send("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  const auto answer = stream->read_message();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->body == body);
  stream->close();
  expect_quiet(proxy);
}

}  // namespace
}  // namespace outrider::test
