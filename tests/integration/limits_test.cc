// Every timeout and limit of listeners and clusters: it fires, says so to the client, and is counted by its reason.

#include <gtest/gtest.h>
#include <atomic>
#include <future>

#include "tests/support/blackhole.h"
#include "tests/support/origin.h"
#include "tests/support/quiet.h"
#include "tests/support/wires.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

void expect_closed(Proxy& proxy, const char* reason, double count = 1) {
  proxy.expect_metric(count, "outrider_connections_closed_total", std::string("reason=\"") + reason + "\"");
}

void expect_flag(Proxy& proxy, const char* code, const char* flag) {
  proxy.expect_metric(1, "outrider_requests_total", std::string("code=\"") + code + "\",flag=\"" + flag + "\"");
}

// Holds every request until it is told to go on.
struct Holding {
  std::promise<void> go_on;
  std::shared_future<void> may_go_on = go_on.get_future().share();
  std::atomic<int> held{0};
  Origin origin{[this](Stream& connection) {
    while (connection.read_message()) {
      ++held;
      may_go_on.wait();
      if (!connection.send(ok("late"))) return;
    }
  }};
  void expect_held(int n) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (held < n && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    EXPECT_EQ(held, n);
  }
};

// --- timeouts --------------------------------------------------------------------------------------------------------

TEST(Timeouts, AConnectionThatSaysNothingIsEnded) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "", "timeouts: {request_headers: 50ms}"));
  Stream client = proxy.connect();
  EXPECT_TRUE(client.at_end());
  expect_closed(proxy, "header_timeout");
  expect_quiet(proxy);
}

class TimeoutsOfPairs : public EveryPair {};
OUTRIDER_EVERY_PAIR(TimeoutsOfPairs);

TEST_P(TimeoutsOfPairs, ABodyThatStopsComingIs408) {
  Origin origin([](Stream& connection) { connection.read_all(); });
  Proxy& proxy = chain.start({chain.to(origin)}, "", "timeouts: {stream_idle: 50ms}");
  Stream client = chain.connect();
  client.send("POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 10\r\n\r\nhalf");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 408);
  EXPECT_EQ(answer->field("x-outrider-reason"), "stream_idle");
  EXPECT_TRUE(client.at_end());
  expect_flag(proxy, "408", "idle_timeout");
  chain.expect_quiet();
}

TEST_P(TimeoutsOfPairs, AnAnswerThatDoesNotBeginIs504) {
  Origin origin([](Stream& connection) { connection.read_all(); });
  Proxy& proxy = chain.start({chain.to(origin)}, "", "timeouts: {stream_idle: 50ms}");
  const Message answer = request(chain.address(), kGet);
  EXPECT_EQ(answer.status(), 504);
  EXPECT_EQ(answer.field("x-outrider-reason"), "stream_idle");
  EXPECT_EQ(answer.field("x-outrider-cluster"), "web");
  expect_flag(proxy, "504", "idle_timeout");
  chain.expect_quiet();
}

TEST_P(TimeoutsOfPairs, AnAnswerThatStopsIsCutVisibly) {
  Origin origin([](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    connection.read_all();
  });
  Proxy& proxy = chain.start({chain.to(origin)}, "", "timeouts: {stream_idle: 50ms}");
  const Message answer = request(chain.address(), kGet);
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "half");
  EXPECT_FALSE(answer.whole);
  expect_flag(proxy, "200", "idle_timeout");
  if (!chain.wires().http2_in) expect_closed(proxy, "idle");
  chain.expect_quiet();
}

TEST_P(TimeoutsOfPairs, AnExchangeThatTakesTooLongIs504OrCut) {
  Origin origin([](Stream& connection) {
    const auto message = connection.read_message();
    if (!message) return;
    if (message->start.find("/drip") != std::string::npos) {
      connection.send("HTTP/1.0 200 OK\r\n\r\n");  // its end is the connection's
      while (connection.send("x")) std::this_thread::yield();
    }
    connection.read_all();
  });
  Proxy& proxy = chain.start({chain.to(origin)}, "timeout: 0", "timeouts: {request: 100ms}");
  const Message none = request(chain.address(), kGet);
  EXPECT_EQ(none.status(), 504);
  EXPECT_EQ(none.field("x-outrider-reason"), "request_timeout");
  expect_flag(proxy, "504", "request_timeout");
  const Message old_client = request(chain.address(), "GET /drip HTTP/1.0\r\nHost: web\r\n\r\n");
  EXPECT_EQ(old_client.status(), 200);
  EXPECT_FALSE(old_client.whole);  // a FIN would have made it look whole
  expect_flag(proxy, "200", "request_timeout");
  if (!chain.wires().http2_in) expect_closed(proxy, "request_timeout");
  chain.expect_quiet();
}

TEST_P(TimeoutsOfPairs, AConnectionThatDoesNotComeAboutIs504AndThenAvoided) {
  Blackhole nobody;
  const auto origin = Origin::answering("fine");
  {
    Proxy& proxy = chain.start({nobody.text()}, "connect_timeout: 50ms, retry: off");
    const Message answer = request(chain.address(), kGet);
    EXPECT_EQ(answer.status(), 504);
    EXPECT_EQ(answer.field("x-outrider-reason"), "connect_timeout");
    expect_flag(proxy, "504", "connect_timeout");
    proxy.expect_metric(1, "outrider_cluster_connect_failures_total", "reason=\"timeout\"");
    chain.expect_quiet();
  }
  Proxy& proxy = chain.start({nobody.text(), chain.to(*origin)},
                             "connect_timeout: 50ms, lb: round_robin, panic: 0%, outlier_detection: {consecutive_local: 1}", "",
                             {"overload.threads=1"});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(request(chain.address(), kGet).status(), 200);
  proxy.expect_metric(1, "outrider_cluster_retries_total", "reason=\"connect_failure\",result=\"success\"");
}

TEST(Timeouts, AConnectionMayBeOnlySoOld) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "", "timeouts: {max_connection: 100ms}"));
  Stream client = proxy.connect();
  client.send(kGet);
  EXPECT_TRUE(client.read_message());
  EXPECT_TRUE(client.at_end());
  EXPECT_FALSE(client.ended_by_reset());
  expect_closed(proxy, "duration");
}

// Who takes nothing holds a connection, a buffer and an endpoint: for as long as a stream may be idle, and no longer.
TEST_P(TimeoutsOfPairs, AReaderWhoTakesNothingIsCutOff) {
  Origin origin([](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (connection.send("10000\r\n" + std::string(65536, 'x') + "\r\n")) {}
  });
  Proxy& proxy = chain.start({chain.to(origin)}, "timeout: 0", "timeouts: {stream_idle: 100ms}");
  Stream client = chain.connect();
  client.set_buffers(4096);
  client.send(kGet);
  expect_flag(proxy, "200", "idle_timeout");
  if (chain.wires().http2_in) client.close();  // of the stream; the proxy before it waits for its reader still
  chain.expect_quiet();
  if (!chain.wires().http2_in) expect_closed(proxy, "idle");
  if (!chain.wires().http2_out) proxy.expect_metric(0, "outrider_cluster_connections_active");
}

// Every exchange is over, and what they said is still ours.
TEST(Timeouts, AReaderWhoNeverTakesTheLastAnswersIsCutOff) {
  const auto origin = Origin::answering(std::string(60000, 'x'));
  Proxy proxy(Proxy::edge({origin->text()}, "", "timeouts: {idle: 100ms, request_headers: 0}"));
  Stream client = proxy.connect();
  client.set_buffers(4096);
  std::string many;
  for (int i = 0; i < 500; ++i) many += kGet;
  client.send(many);
  expect_closed(proxy, "idle");
  expect_quiet(proxy);
}

TEST(Timeouts, PooledConnectionsGoWithTime) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "pool: {idle_timeout: 50ms}"));
  EXPECT_EQ(request(proxy.address(), kGet).status(), 200);
  proxy.expect_metric(0, "outrider_cluster_connections_active");
  EXPECT_EQ(request(proxy.address(), kGet).status(), 200);
  EXPECT_EQ(origin->connections(), 2);
}

// --- limits ----------------------------------------------------------------------------------------------------------

// Refused connections are reset, and room is made by those that leave.
void expect_two_at_a_time(const std::string& limits, const char* reason) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "", "limits: {" + limits + "}"));
  Stream first = proxy.connect(), second = proxy.connect();
  proxy.expect_metric(2, "outrider_connections_active");
  Stream third = proxy.connect();
  EXPECT_TRUE(third.at_end());
  EXPECT_TRUE(third.ended_by_reset());
  expect_closed(proxy, reason);
  first.close();
  proxy.expect_metric(1, "outrider_connections_active");
  Stream fourth = proxy.connect();
  fourth.send(kGet);
  EXPECT_TRUE(fourth.read_message());
  second.close();
  fourth.close();
  expect_quiet(proxy);
}

TEST(Limits, ConnectionsOfAListener) { expect_two_at_a_time("connections: 2", "too_many"); }

// Over listeners and workers; who is refused for another reason takes no room.
TEST(Limits, ConnectionsOfTheProcess) {
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\noverload: {threads: 2, connections: 2}\n"
      "listeners: {edge: {address: \"127.0.0.1:0\", limits: {connections: 1}}, other: {address: \"127.0.0.1:0\"}}\n"
      "routes: {edge: [{respond: {status: 200}}], other: [{respond: {status: 200}}]}\n");
  Stream first = proxy.connect("edge");
  proxy.expect_metric(1, "outrider_connections_active");
  EXPECT_TRUE(proxy.connect("edge").at_end());
  expect_closed(proxy, "too_many");
  Stream second = proxy.connect("other");
  proxy.expect_metric(2, "outrider_connections_active");
  Stream third = proxy.connect("other");
  EXPECT_TRUE(third.at_end());
  EXPECT_TRUE(third.ended_by_reset());
  expect_closed(proxy, "overload");
  first.close();
  proxy.expect_metric(1, "outrider_connections_active");
  Stream fourth = proxy.connect("other");
  fourth.send(kGet);
  EXPECT_TRUE(fourth.read_message());
  second.close();
  fourth.close();
  expect_quiet(proxy);
}

TEST(Limits, ConnectionsOfAnAddress) { expect_two_at_a_time("per_ip: 2", "too_many_per_ip"); }

TEST(Limits, ConnectionsOfASecond) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "", "limits: {rate: 1/s}"), {"overload.threads=2"});
  int served = 0, refused = 0;
  for (int i = 0; i < 1000 && refused == 0; ++i) {
    Stream stream = proxy.connect();
    stream.send(kGet);
    ++(stream.read_message() ? served : refused);
  }
  EXPECT_GE(served, 1);
  EXPECT_EQ(refused, 1);
  expect_closed(proxy, "too_fast");
}

TEST(Limits, RequestsOfAConnection) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "", "http: {max_requests: 2}"));
  Stream client = proxy.connect();
  client.send(kGet);
  EXPECT_NE(client.read_message()->field("connection"), "close");
  client.send(kGet);
  EXPECT_EQ(client.read_message()->field("connection"), "close");
  EXPECT_TRUE(client.at_end());
  expect_closed(proxy, "max_requests");
  expect_quiet(proxy);
}

TEST(Limits, RequestsOfAPooledConnection) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "pool: {max_requests: 2}"));
  Stream client = proxy.connect();
  for (int i = 0; i < 6; ++i) {
    client.send(kGet);
    EXPECT_EQ(client.read_message()->status(), 200);
  }
  EXPECT_EQ(origin->connections(), 3);
}

class LimitsOfPairs : public EveryPair {};
OUTRIDER_EVERY_PAIR(LimitsOfPairs);

TEST_P(LimitsOfPairs, ABodyThatGrowsTooLargeIs413) {
  std::atomic<bool> whole{false};
  Origin origin([&](Stream& connection) {
    const auto message = connection.read_message();
    whole = message && message->whole;
  });
  Proxy& proxy = chain.start({chain.to(origin)}, "", "http: {max_body: 10B}");
  Stream client = chain.connect();
  client.send("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 413);
  EXPECT_EQ(answer->field("x-outrider-reason"), "body_too_large");
  EXPECT_TRUE(client.at_end());
  expect_flag(proxy, "413", "too_large");
  chain.expect_quiet();
  EXPECT_FALSE(whole);
}

// An answer that has begun does not lift the limit.
TEST_P(LimitsOfPairs, ABodyThatGrowsTooLargeBehindItsAnswerIsCut) {
  std::atomic<size_t> taken{0};
  Origin origin([&](Stream& connection) {
    if (!connection.read_until("\r\n\r\n")) return;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nso");
    taken = connection.read_all().size();
  });
  Proxy& proxy = chain.start({chain.to(origin)}, "", "http: {max_body: 1KiB}");
  Stream client = chain.connect();
  client.send("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n");
  ASSERT_TRUE(client.read_until("\r\n\r\nso"));
  for (int i = 0; i < 100 && client.send("400\r\n" + std::string(1024, 'x') + "\r\n"); ++i) {}
  EXPECT_TRUE(client.at_end());
  expect_flag(proxy, "200", "too_large");
  chain.expect_quiet();
  EXPECT_LT(taken, 5000u);
}

TEST(Limits, RequestsThatWaitForAConnection) {
  Holding endpoint;
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "circuit_breaker: {max_connections: 1, max_pending: 1}"),
              {"overload.threads=1"});
  Stream first = proxy.connect(), second = proxy.connect();
  first.send(kGet);
  endpoint.expect_held(1);
  second.send(kGet);
  proxy.expect_metric(1, "outrider_cluster_pending_requests");
  const Message third = request(proxy.address(), kGet);
  EXPECT_EQ(third.status(), 503);
  EXPECT_EQ(third.field("x-outrider-reason"), "circuit_breaker_pending");
  EXPECT_NE(third.body.find("web"), std::string::npos);
  expect_flag(proxy, "503", "overload");
  EXPECT_EQ(proxy.metric("outrider_cluster_breaker_open", "limit=\"pending\""), 1);
  endpoint.go_on.set_value();
  EXPECT_EQ(first.read_message()->body, "late");
  EXPECT_EQ(second.read_message()->body, "late");
  EXPECT_EQ(endpoint.origin.connections(), 1);
  first.close();
  second.close();
  expect_quiet(proxy);
}

TEST_P(LimitsOfPairs, RequestsAtOnce) {
  Holding endpoint;
  Proxy& proxy = chain.start({chain.to(endpoint.origin)}, "circuit_breaker: {max_requests: 1}");
  Stream first = chain.connect();
  first.send(kGet);
  endpoint.expect_held(1);
  const Message second = request(chain.address(), kGet);
  EXPECT_EQ(second.status(), 503);
  EXPECT_EQ(second.field("x-outrider-reason"), "circuit_breaker_requests");
  EXPECT_EQ(proxy.metric("outrider_cluster_breaker_open", "limit=\"requests\""), 1);
  endpoint.go_on.set_value();
  EXPECT_EQ(first.read_message()->body, "late");
  first.close();
  chain.expect_quiet();
}

// A client that gives up while it waits leaves its place in the queue.
TEST(Limits, AWaiterWhoLeavesMakesRoom) {
  Holding endpoint;
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "circuit_breaker: {max_connections: 1, max_pending: 1}"),
              {"overload.threads=1"});
  Stream first = proxy.connect();
  first.send(kGet);
  endpoint.expect_held(1);
  Stream second = proxy.connect();
  second.send(kGet);
  proxy.expect_metric(1, "outrider_cluster_pending_requests");
  second.abort();
  proxy.expect_metric(0, "outrider_cluster_pending_requests");
  expect_flag(proxy, "499", "downstream_gone");
  endpoint.go_on.set_value();
  EXPECT_EQ(first.read_message()->body, "late");
  first.close();
  expect_quiet(proxy);
}

// --- nobody to serve it ------------------------------------------------------------------------------------------------

TEST(Nobody, SaysWhichClusterWhyAndSinceWhen) {
  const std::string gone = refusing_address().text();
  Proxy proxy(Proxy::edge({gone}, "panic: 0%, retry: off, outlier_detection: {consecutive_local: 1}"), {"overload.threads=1"});
  const Message refused = request(proxy.address(), kGet);
  EXPECT_EQ(refused.status(), 502);
  EXPECT_EQ(refused.field("x-outrider-reason"), "connection_refused");
  EXPECT_EQ(refused.field("x-outrider-cluster"), "web");
  EXPECT_NE(refused.body.find("refused"), std::string::npos) << refused.body;
  EXPECT_NE(refused.body.find("cluster \"web\""), std::string::npos) << refused.body;
  const Message ejected = request(proxy.address(), kGet);
  EXPECT_EQ(ejected.status(), 503);
  EXPECT_EQ(ejected.field("x-outrider-reason"), "no_endpoint");
  EXPECT_NE(ejected.body.find(gone + " ejected since 20"), std::string::npos) << ejected.body;
  expect_flag(proxy, "502", "connect_failure");
  expect_flag(proxy, "503", "no_endpoint");
  expect_quiet(proxy);
}

TEST(Nobody, WhoHasWeightZeroDrains) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "routes: {edge: [{cluster: web}]}\nclusters: {web: {endpoints: [{address: \"" +
      origin->text() + "\", weight: 0}]}}\n");
  const Message answer = request(proxy.address(), kGet);
  EXPECT_EQ(answer.status(), 503);
  EXPECT_NE(answer.body.find("draining"), std::string::npos) << answer.body;
  EXPECT_EQ(origin->connections(), 0);
  expect_quiet(proxy);
}

// What does not answer its check is not asked, and the answer says since when.
TEST(Nobody, UnhealthyEndpointsAreNamed) {
  Origin sick([](Stream& connection) {
    while (connection.read_message())
      if (!connection.send("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")) return;
  });
  Proxy proxy(
      Proxy::edge({sick.text()}, "panic: 0%, health_check: {http: /healthz, interval: 50ms, timeout: 40ms, unhealthy: 1}"));
  proxy.expect_metric(1, "outrider_cluster_endpoints", "state=\"unhealthy\"");
  const Message answer = request(proxy.address(), kGet);
  EXPECT_EQ(answer.status(), 503);
  EXPECT_NE(answer.body.find(sick.text() + " unhealthy since 20"), std::string::npos) << answer.body;
}

}  // namespace
}  // namespace outrider::test
