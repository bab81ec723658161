// Protocols told apart on one port, and servers that are the first to speak.

#include <gtest/gtest.h>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/seed.h"
#include "tests/support/sockets.h"

namespace outrider::test {
namespace {

// Of a listener inside the mesh, whose one rule leads to one cluster: whatever comes goes there.
std::string open_to_all(const Origin& origin, const std::string& more = {}) {
  return Proxy::edge({origin.text()}, "", "direction: inbound" + (more.empty() ? "" : ", " + more));
}

constexpr char kGreeting[] = "220 ready\r\n";
constexpr char kGet[] = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

void greet_and_echo(Stream& connection) {
  connection.send(kGreeting);
  for (std::string bytes = connection.read_some(1024); !bytes.empty(); bytes = connection.read_some(1024)) connection.send(bytes);
  connection.finish_sending();
}

// Says nothing before it is spoken to; HTTP where that is what it hears.
void answer_in_kind(Stream& connection) {
  for (std::string bytes = connection.read_some(1024); !bytes.empty(); bytes = connection.read_some(1024))
    connection.send(bytes.starts_with("GET ") ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine" : bytes);
  connection.finish_sending();
}

void expect_echo(Stream& client, const std::string& word) {
  client.send(word);
  EXPECT_EQ(client.read_exactly(word.size()), word);
}

void expect_answer(Stream& client) {
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 200);
  EXPECT_EQ(answer->body, "fine");
}

TEST(Detection, HttpAndWhatIsNotShareAPort) {
  Origin origin(answer_in_kind);
  Proxy proxy(open_to_all(origin));
  Stream other = proxy.connect(), web = proxy.connect(), record = proxy.connect();
  expect_echo(other, "*1\r\n$4\r\nPING\r\n");
  web.send(kGet);
  expect_answer(web);
  expect_echo(record, std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10));
  expect_echo(other, "more of it");
  proxy.expect_metric(1, "outrider_protocol_detections_total", R"(protocol="tcp",how="first_bytes")");
  proxy.expect_metric(1, "outrider_protocol_detections_total", R"(protocol="http1",how="first_bytes")");
  proxy.expect_metric(1, "outrider_protocol_detections_total", R"(protocol="tls",how="first_bytes")");
}

TEST(Detection, AServerThatSpeaksFirstIsHeardAndRemembered) {
  Origin origin(greet_and_echo);
  Proxy proxy(open_to_all(origin, "detect: {timeout: 10ms}"));
  for (int i = 1; i <= 3; ++i) {
    Stream client = proxy.connect();
    EXPECT_EQ(client.read_exactly(sizeof kGreeting - 1), kGreeting);
    expect_echo(client, "EHLO\r\n");
    expect_echo(client, kGet);  // the tunnel stands
    proxy.expect_metric(i, "outrider_protocol_detections_total", R"(protocol="tcp",how="server_first")");
  }
}

TEST(Detection, ASilentClientMayStillSpeakHttp) {
  Origin origin(answer_in_kind);
  Proxy proxy(open_to_all(origin, "detect: {timeout: 1ms}"));
  Stream client = proxy.connect();
  proxy.expect_metric(1, "outrider_cluster_connections_active");  // a tunnel was presumed
  client.send(kGet);
  expect_answer(client);
  client.send(kGet);
  expect_answer(client);
  proxy.expect_metric(2, "outrider_requests_total");  // the presumed tunnel is not counted
  proxy.expect_metric(2, "outrider_requests_total", R"(code="200",flag="none")");
  proxy.expect_metric(0, "outrider_requests_in_flight");
}

TEST(Detection, ATunnelThatIsRefusedMayStillBeARequestThatIsAnswered) {
  Origin origin(answer_in_kind);
  const std::string gone = origin.text();
  origin.stop();
  Proxy proxy(Proxy::edge({gone}, "retry: off", "direction: inbound, detect: {timeout: 1ms}"));
  Stream client = proxy.connect(), other = proxy.connect();
  proxy.expect_metric(2, "outrider_cluster_connect_failures_total");  // two tunnels were presumed, to nobody
  client.send(kGet);
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 502);
  proxy.expect_metric(1, "outrider_requests_total", R"(code="502")");
  other.send("EHLO\r\n");  // no HTTP: there is nothing it could be told
  EXPECT_EQ(other.read_some(1), "");
}

TEST(Detection, ATunnelThatIsRefusedEndsWhereItsClientStaysSilent) {
  Origin origin(answer_in_kind);
  const std::string gone = origin.text();
  origin.stop();
  Proxy proxy(Proxy::edge({gone}, "retry: off", "direction: inbound, detect: {timeout: 1ms}, timeouts: {request_headers: 50ms}"));
  Stream client = proxy.connect();
  EXPECT_EQ(client.read_some(1), "");
  proxy.expect_metric(1, "outrider_requests_total", R"(flag="connect_failure")");
}

TEST(Detection, ARequestThatTricklesIsWaitedFor) {
  Origin origin(answer_in_kind);
  Proxy proxy(open_to_all(origin, "detect: {timeout: 1ms}"), {"overload.threads=1"});
  Stream silent = proxy.connect();
  Stream client = proxy.connect();
  client.send("GE");
  proxy.expect_metric(1, "outrider_cluster_connections_active");  // the other's time is over, and so is this one's soon
  client.send(std::string_view(kGet).substr(2));
  expect_answer(client);
}

TEST(Detection, ARequestThatNeverEndsIs408) {
  Origin origin(answer_in_kind);
  Proxy proxy(open_to_all(origin, "detect: {timeout: 1ms}, timeouts: {request_headers: 50ms}"));
  Stream client = proxy.connect();
  client.send("GE");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 408);
}

TEST(Detection, BytesThatMayOrMayNotBeHttpGoOnWhenTheTimeIsOver) {
  Origin origin(answer_in_kind);
  Proxy proxy(open_to_all(origin, "detect: {timeout: 1ms}"));
  Stream client = proxy.connect();
  expect_echo(client, "NICK");  // no line end, and no method anybody knows
  expect_echo(client, "more");
}

TEST(Detection, AClientThatOnlyConnectsAndLeavesOpensNothing) {
  Origin origin(answer_in_kind);
  Proxy proxy(open_to_all(origin, "detect: {timeout: 1h}"));
  {
    Stream client = proxy.connect();
    client.finish_sending();
    EXPECT_TRUE(client.at_end());
  }
  proxy.expect_metric(1, "outrider_connections_closed_total");
  proxy.expect_metric(0, "outrider_requests_total");
}

// Below those that are given out for port 0, so that it stays free for a moment.
uint16_t free_port() {
  Random random = seeded_random();
  for (;;) {
    const auto at = net::Address::loopback(uint16_t(10000 + random.next() % 20000));
    if (Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); ::bind(fd.get(), at.raw(), at.length()) == 0) return at.port();
  }
}

TEST(Detection, AtAnOpaquePortNobodyListensToWhatIsSaid) {
  Origin origin(greet_and_echo);
  const std::string port = std::to_string(free_port());
  Proxy proxy(open_to_all(origin, "detect: {timeout: 1h, opaque_ports: [25, " + port + "]}"),
              {"listeners.edge.address=127.0.0.1:" + port});
  for (int i = 0; i < 2; ++i) {
    Stream client = proxy.connect();
    EXPECT_EQ(client.read_exactly(sizeof kGreeting - 1), kGreeting) << "though the client is silent for an hour";
    expect_echo(client, kGet);
  }
  proxy.expect_metric(2, "outrider_requests_total", R"(code="other",flag="none")");
  EXPECT_EQ(proxy.metric("outrider_protocol_detections_total"), 0);
}

TEST(Detection, OtherPortsAreNotOpaque) {
  Origin origin(answer_in_kind);
  Proxy proxy(open_to_all(origin, "detect: {opaque_ports: [1]}"));
  Stream client = proxy.connect();
  client.send(kGet);
  expect_answer(client);
  proxy.expect_metric(1, "outrider_protocol_detections_total", R"(protocol="http1",how="first_bytes")");
}

TEST(Detection, AtTheEdgeWhatIsNotHttpIsRefused) {
  Origin origin(answer_in_kind);
  Proxy proxy(Proxy::edge({origin.text()}, "", "detect: {timeout: 1ms}"));
  Stream client = proxy.connect();
  client.send("*1\r\n$4\r\nPING\r\n\r\n");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 400);
}

}  // namespace
}  // namespace outrider::test
