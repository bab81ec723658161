// HTTP/1 through the whole proxy, on loopback.

#include <gtest/gtest.h>

#include <unistd.h>
#include "base/text.h"

#include <atomic>
#include <future>
#include <mutex>

#include "tests/support/origin.h"
#include "tests/support/wires.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

// An origin that keeps what it was sent, one request a connection or more, and answers 200.
struct Recorder {
  std::mutex mutex;
  std::vector<Message> seen;
  std::unique_ptr<Origin> origin = Origin::answering([this](const Message& message) {
    std::lock_guard lock(mutex);
    seen.push_back(message);
    return ok("fine");
  });
  Message last() {
    std::lock_guard lock(mutex);
    return seen.empty() ? Message{} : seen.back();
  }
  size_t count() {
    std::lock_guard lock(mutex);
    return seen.size();
  }
};

class HttpPairs : public EveryPair {};
OUTRIDER_EVERY_PAIR(HttpPairs);
OUTRIDER_EVERY_ENCRYPTED_PAIR(HttpPairs);

TEST_P(HttpPairs, RequestAndResponseArriveAsTheyWereSent) {
  Recorder recorder;
  chain.start({chain.to(*recorder.origin)});
  Stream client = chain.connect();
  client.send(
      "POST /p?q=1 HTTP/1.1\r\nHost: web\r\nX-MiXed-Case: One\r\nConnection: keep-alive, X-Gone\r\nX-Gone: 1\r\n"
      "Keep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\nhello");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 200);
  EXPECT_EQ(answer->body, "fine");
  const Message seen = recorder.last();
  EXPECT_EQ(seen.start, "POST /p?q=1 HTTP/1.1");
  EXPECT_EQ(seen.body, "hello");
  EXPECT_EQ(seen.field("Host"), "web");
  EXPECT_EQ(seen.count("x-gone"), 0u);
  EXPECT_EQ(seen.count("keep-alive"), 0u);
  EXPECT_EQ(seen.field("x-forwarded-for"), "127.0.0.1");
  EXPECT_EQ(seen.field("x-forwarded-proto"), chain.wires().encrypted ? "https" : "http");
  EXPECT_EQ(seen.field("x-request-id").size(), 32u);
  const char* name = chain.wires().any_http2() ? "x-mixed-case" : "X-MiXed-Case";
  EXPECT_TRUE(std::find(seen.fields.begin(), seen.fields.end(), std::pair<std::string, std::string>(name, "One")) !=
              seen.fields.end());
}

TEST_P(HttpPairs, ConnectionsAreKeptOnBothSides) {
  Recorder recorder;
  chain.start({chain.to(*recorder.origin)});
  Stream client = chain.connect();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client.send(kGet));
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "fine");
  }
  EXPECT_EQ(recorder.origin->connections(), 1);
  EXPECT_EQ(recorder.count(), 20u);
}

TEST_P(HttpPairs, PipelinedRequestsAreAnsweredInOrder) {
  const auto origin = Origin::answering([](const Message& request) { return ok(request.start); });
  chain.start({chain.to(*origin)});
  Stream client = chain.connect();
  std::string all;
  for (int i = 0; i < 50; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: web\r\n\r\n";
  client.send(all);
  for (int i = 0; i < 50; ++i) {
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "GET /" + std::to_string(i) + " HTTP/1.1");
  }
}

TEST_P(HttpPairs, ChunkedBodiesAndTrailersPassBothWays) {
  std::string up;
  Message seen;
  Origin origin([&](Stream& connection) {
    const auto request = connection.read_message();
    if (!request) return;
    seen = *request;
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n");
    connection.send("5\r\ndefgh\r\n0\r\nX-Sum: 8\r\n\r\n");
  });
  chain.start({chain.to(origin)});
  Stream client = chain.connect();
  client.send("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n");
  client.send("5;ext=1\r\npedia\r\n0\r\nX-Check: yes\r\n\r\n");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->whole);
  EXPECT_EQ(answer->body, "abcdefgh");
  ASSERT_EQ(answer->trailers.size(), 1u);
  EXPECT_EQ(answer->trailers[0].second, "8");
  EXPECT_EQ(seen.body, "wikipedia");
  ASSERT_EQ(seen.trailers.size(), 1u);
  EXPECT_EQ(seen.trailers[0].first, chain.wires().any_http2() ? "x-check" : "X-Check");
}

TEST_P(HttpPairs, ContinueIsTheOriginsToGive) {
  Origin origin([](Stream& connection) {
    const auto head = connection.read_until("\r\n\r\n");
    if (!head || head->find("100-continue") == std::string::npos) return;
    connection.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    const auto body = connection.read_exactly(4);
    connection.send(ok(body ? *body : "none"));
  });
  chain.start({chain.to(origin)});
  Stream client = chain.connect();
  client.send("PUT / HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.read_message()->status(), 100);
  EXPECT_EQ(client.read_message()->status(), 103);
  client.send("body");
  EXPECT_EQ(client.read_message()->body, "body");
}

TEST_P(HttpPairs, MessagesWithoutBodiesEndAtTheirHead) {
  const auto origin = Origin::answering([](const Message& request) -> std::string {
    if (request.start.starts_with("HEAD")) return "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    if (request.start.find("/204") != std::string::npos) return "HTTP/1.1 204 No Content\r\n\r\n";
    return "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 7\r\n\r\n";
  });
  chain.start({chain.to(*origin)});
  Stream client = chain.connect();
  client.send("HEAD / HTTP/1.1\r\nHost: web\r\n\r\n");
  auto answer = client.read_message(true);
  EXPECT_EQ(answer->field("content-length"), "1000");
  client.send("GET /204 HTTP/1.1\r\nHost: web\r\n\r\n");
  answer = client.read_message();
  EXPECT_EQ(answer->status(), 204);
  EXPECT_EQ(answer->count("transfer-encoding"), 0u);
  client.send("GET /304 HTTP/1.1\r\nHost: web\r\n\r\n");
  EXPECT_EQ(client.read_message()->status(), 304);
}

TEST_P(HttpPairs, OldClientsGetWhatTheyUnderstand) {
  const auto origin = Origin::answering([](const Message&) -> std::string {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  });
  chain.start({chain.to(*origin)});
  Stream client = chain.connect();
  client.send("GET / HTTP/1.0\r\n\r\n");
  const std::string all = client.read_all();
  EXPECT_EQ(all.find("chunked"), std::string::npos);
  EXPECT_TRUE(all.ends_with("\r\n\r\nhello")) << all;
}

struct Refusal {
  const char* send;
  int status;
  const char* reason;
};

TEST(Http, MalformedRequestsGetAReasonAndNothingIsForwarded) {
  Recorder recorder;
  Proxy proxy(Proxy::edge({recorder.origin->text()}));
  int refused = 0;
  for (const char* bytes : {
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
           "GET / HTTP/1.1\r\nHost: a\r\n Content-Length: 5\r\n\r\nhello",
           "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
           "GET / HTTP/1.1\nHost: a\n\n",
           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
       }) {
    Stream client = proxy.connect();
    client.send(bytes);
    const auto answer = client.read_message();
    ASSERT_TRUE(answer) << bytes;
    EXPECT_GE(answer->status(), 400) << bytes;
    EXPECT_LE(answer->status(), 501) << bytes;
    EXPECT_NE(answer->field("x-outrider-reason"), "") << bytes;
    EXPECT_TRUE(client.at_end()) << bytes;
    ++refused;
  }
  EXPECT_EQ(recorder.count(), 0u);
  proxy.expect_metric(refused, "outrider_malformed_requests_total");
}

TEST_P(HttpPairs, LimitsAreAnsweredByTheirOwnStatus) {
  Recorder recorder;
  chain.start({chain.to(*recorder.origin)}, "", "http: {max_body: 10B, max_header_bytes: 4KiB, max_headers: 20}");
  const std::string long_field = "X-Long: " + std::string(5000, 'x') + "\r\n";
  EXPECT_EQ(request(chain.address(), "GET / HTTP/1.1\r\nHost: web\r\n" + long_field + "\r\n").status(), 431);
  std::string many;
  for (int i = 0; i < 30; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  EXPECT_EQ(request(chain.address(), "GET / HTTP/1.1\r\nHost: web\r\n" + many + "\r\n").status(), 431);
  EXPECT_EQ(request(chain.address(), "GET /" + std::string(6000, 'p') + " HTTP/1.1\r\nHost: web\r\n\r\n").status(),
            chain.wires().http2_in ? 431 : 414);  // there the target is a field as others are
  EXPECT_EQ(request(chain.address(), "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 11\r\n\r\nhello world").status(), 413);
  EXPECT_EQ(recorder.count(), 0u);
  Stream client = chain.connect();
  client.send("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_message()->status(), 413);
}

// Too late for a 413: the answer is under way, and is cut; what is above the limit does not go on.
TEST_P(HttpPairs, ABodyIsHeldToItsLimitThoughTheAnswerHasBegun) {
  std::promise<std::string> sent;
  Origin origin([&](Stream& connection) {
    if (!connection.read_until("\r\n\r\n")) return;
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n");
    sent.set_value(connection.read_all());
  });
  chain.start({chain.to(origin)}, "", "http: {max_body: 10B}");
  Stream client = chain.connect();
  client.send("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_TRUE(client.read_until("early"));
  client.send("14\r\n01234567890123456789\r\n");
  client.read_all();
  EXPECT_TRUE(client.ended_by_reset());
  EXPECT_EQ(sent.get_future().get(), "");
}

TEST_P(HttpPairs, NobodyThereSaysWhoAndSinceWhen) {
  const auto nobody = refusing_address();
  Proxy& proxy = chain.start({nobody.text()});
  const Message answer = request(chain.address(), kGet);
  EXPECT_EQ(answer.status(), 502);
  EXPECT_EQ(answer.field("x-outrider-cluster"), "web");
  EXPECT_NE(answer.field("x-outrider-reason"), "");
  EXPECT_NE(answer.body.find(nobody.text()), std::string::npos) << answer.body;
  proxy.expect_metric(1, "outrider_requests_total", "flag=\"connect_failure\"");
}

TEST(Http, AnEmptyClusterIs503) {
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "routes: {edge: [{cluster: web}]}\nclusters: {web: {endpoints: [{address: \"127.0.0.1:9\", weight: 0}]}}\n");
  const Message answer = request(proxy.address(), kGet);
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.field("x-outrider-reason"), "no_endpoint");
}

TEST_P(HttpPairs, RefusedConnectionsGoElsewhereAtOnce) {
  const auto good = Origin::answering("fine");
  Proxy& proxy = chain.start({refusing_address().text(), chain.to(*good)}, "lb: round_robin");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(request(chain.address(), kGet).body, "fine");
  EXPECT_GE(proxy.metric("outrider_cluster_retries_total", "result=\"success\""), 1);
  EXPECT_EQ(proxy.metric("outrider_requests_total", "code=\"200\""), 10);
}

// The origin closes after each response without saying so: the next request on that connection meets a FIN.
TEST_P(HttpPairs, StaleConnectionsAreRetried) {
  if (chain.wires().changed_out()) GTEST_SKIP() << "of HTTP/1 connections";
  const auto good = Origin::answering("fine");
  Origin closing([](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send(ok("once"));
    connection.read_some(1);  // the second request: seen, not answered
  });
  chain.start({chain.to(closing), chain.to(*good)}, "lb: round_robin");
  Stream client = chain.connect();
  for (int i = 0; i < 20; ++i) {
    client.send(kGet);
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200) << answer->body;
  }
}

TEST_P(HttpPairs, AnOriginThatDiesAtAnyByteNeverLooksWhole) {
  const std::string whole = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
  std::atomic<size_t> cut{0};
  Origin origin([&](Stream& connection) {
    while (connection.read_message()) {
      connection.send(whole.substr(0, cut));
      if (cut < whole.size()) return connection.abort();
    }
  });
  chain.start({chain.to(origin)}, "retry: {attempts: 0}, panic: 0%");
  for (size_t n = 0; n <= whole.size(); ++n) {
    cut = n;
    Stream client = chain.connect();
    client.send(kGet);
    const auto answer = client.read_message();
    if (n == whole.size()) {
      ASSERT_TRUE(answer);
      EXPECT_TRUE(answer->whole);
      EXPECT_EQ(answer->body, "0123456789");
    } else if (answer && answer->status() == 200) {
      EXPECT_FALSE(answer->whole) << "cut at " << n;
    } else if (answer) {
      EXPECT_EQ(answer->status(), 502) << "cut at " << n;
    }
  }
}

TEST_P(HttpPairs, AChunkedAnswerThatIsCutIsCutForTheClientToo) {
  Origin origin([](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  });
  chain.start({chain.to(origin)});
  const Message answer = request(chain.address(), kGet);
  if (chain.wires().any_http2() && answer.status() == 502) {  // the reset came with the head, of which nothing had gone on
    EXPECT_EQ(answer.field("x-outrider-reason"), "stream_reset");
    return;
  }
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_FALSE(answer.whole);
}

TEST_P(HttpPairs, AClientThatDiesAtAnyByteLeavesNothingBehind) {
  const auto origin = Origin::answering("fine");
  Proxy& proxy = chain.start({chain.to(*origin)});
  const std::string whole = "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 10\r\n\r\n0123456789";
  for (size_t n = 0; n <= whole.size(); ++n) {
    Stream client = chain.connect();
    client.send(whole.substr(0, n));
    if (n % 2) client.abort();
  }
  EXPECT_EQ(request(chain.address(), kGet).status(), 200);
  if (!chain.wires().changed_in()) proxy.expect_metric(0, "outrider_connections_active");
  proxy.expect_metric(0, "outrider_requests_in_flight");
}

TEST_P(HttpPairs, AResponseMayEndBeforeItsRequest) {
  Origin origin([](Stream& connection) {
    if (!connection.read_until("\r\n\r\n")) return;
    connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    connection.read_all();
  });
  chain.start({chain.to(origin)});
  Stream client = chain.connect();
  client.send("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 100000\r\n\r\nstart");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 403);
  EXPECT_EQ(answer->body, "no");
}

TEST(Http, SlowHeadersAndSilenceAreEnded) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "", "timeouts: {request_headers: 100ms, idle: 100ms}"));
  Stream slow = proxy.connect();
  slow.send("GET / HTTP/1.1\r\nHo");
  const auto answer = slow.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 408);
  EXPECT_TRUE(slow.at_end());
  proxy.expect_metric(1, "outrider_connections_closed_total", "reason=\"header_timeout\"");
  EXPECT_EQ(proxy.metric("outrider_malformed_requests_total"), 0);
  Stream idle = proxy.connect();
  idle.send(kGet);
  ASSERT_TRUE(idle.read_message());
  EXPECT_TRUE(idle.at_end());
  proxy.expect_metric(1, "outrider_connections_closed_total", "reason=\"idle\"");
}

TEST_P(HttpPairs, ASilentEndpointIs504) {
  Origin origin([](Stream& connection) { connection.read_all(); });
  chain.start({chain.to(origin)}, "timeout: 100ms");
  const Message answer = request(chain.address(), kGet);
  EXPECT_EQ(answer.status(), 504);
  EXPECT_EQ(answer.field("x-outrider-reason"), "request_timeout");
}

TEST(Http, ListensOnSixAndOnAPath) {
  const auto origin = Origin::answering("fine");
  const std::string path = ::testing::TempDir() + "/outrider-" + std::to_string(::getpid()) + ".sock";
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners:\n  six: {address: \"[::1]:0\"}\n  path: {address: \"unix:" +
      path + "\"}\nroutes: {six: [{cluster: web}], path: [{cluster: web}]}\nclusters: {web: {endpoints: [\"" + origin->text() +
      "\"]}}\n");
  EXPECT_EQ(request(proxy.address("six"), kGet).body, "fine");
  EXPECT_EQ(request(proxy.address("path"), kGet).body, "fine");
}

TEST(Http, RoutesByHostAndPath) {
  const auto a = Origin::answering("a"), b = Origin::answering("b");
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes:\n  edge:\n"
      "    - {match: {host: \"*.b.test\"}, cluster: b}\n    - {match: {prefix: /b}, cluster: b}\n"
      "    - {match: {path: /go}, redirect: {scheme: https, status: 308}}\n"
      "    - {match: {path: /down}, respond: {status: 503, body: resting}}\n"
      "    - {match: {host: a.test}, cluster: a}\n"
      "clusters: {a: {endpoints: [\"" +
      a->text() + "\"]}, b: {endpoints: [\"" + b->text() + "\"]}}\n");
  const auto at = [&](const char* path, const char* host) {
    return request(proxy.address(), std::string("GET ") + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  };
  EXPECT_EQ(at("/", "a.test").body, "a");
  EXPECT_EQ(at("/", "x.b.test:80").body, "b");
  EXPECT_EQ(at("/b/c", "a.test").body, "b");
  EXPECT_EQ(at("/bc", "a.test").body, "a");
  const Message go = at("/go", "a.test");
  EXPECT_EQ(go.status(), 308);
  EXPECT_EQ(go.field("location"), "https://a.test/go");
  EXPECT_EQ(at("/down", "a.test").body, "resting");
  EXPECT_EQ(at("/", "nobody.test").status(), 404);
}

TEST_P(HttpPairs, AnEndFinishesWhatRuns) {
  std::promise<void> asked, answer_now;
  auto may_answer = answer_now.get_future().share();
  Origin origin([&, may_answer](Stream& connection) {
    if (!connection.read_message()) return;
    asked.set_value();
    may_answer.wait();
    connection.send(ok("late"));
  });
  Proxy& proxy = chain.start({chain.to(origin)});
  Stream client = chain.connect();
  client.send(kGet);
  asked.get_future().wait();
  proxy.begin_end();
  answer_now.set_value();
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "late");
  if (!chain.wires().changed_in()) {
    EXPECT_TRUE(client.at_end());
  }
  EXPECT_EQ(proxy.end(), 0);
}

TEST_P(HttpPairs, ADeadlineCutsAndSaysSo) {
  std::promise<void> asked;
  Origin origin([&](Stream& connection) {
    if (!connection.read_message()) return;
    asked.set_value();
    connection.read_all();
  });
  Proxy& proxy = chain.start({chain.to(origin)}, "", "", {"lifecycle.drain.time=50ms"});
  Stream client = chain.connect();
  client.send(kGet);
  asked.get_future().wait();
  EXPECT_EQ(proxy.end(), 1);
}

}  // namespace
}  // namespace outrider::test
