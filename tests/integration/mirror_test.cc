// Copies of requests for somebody whose answers nobody sees (FEATURES row 34, traffic mirroring).

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>

#include "tests/support/blackhole.h"
#include "tests/support/origin.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

// Answers with "seen" and keeps what it was sent.
class Spy {
 public:
  const std::unique_ptr<Origin> origin = Origin::answering([this](const Message& message) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(message);
    return answer_;
  });
  void answer_with(std::string answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  std::vector<Message> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  std::mutex mutex_;
  std::vector<Message> seen_;
  std::string answer_ = ok("seen");
};

std::string get(const std::string& path = "/") { return "GET " + path + " HTTP/1.1\r\nHost: shop\r\n\r\n"; }
std::string post(const std::string& body, const std::string& path = "/", const std::string& fields = {}) {
  return "POST " + path + " HTTP/1.1\r\nHost: shop\r\n" + fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

class Mirror : public testing::Test {
 protected:
  // Everything is mirrored but what is under /plain.
  void start(const std::string& next, const std::string& options = {}, const std::string& cluster = {},
             const std::string& route = {}) {
    proxy_ = std::make_unique<Proxy>(
        "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
        "defaults: {route: {mirror: {cluster: next" +
            options +
            "}}}\nroutes: {edge: [{match: {prefix: /plain}, cluster: web, mirror: off}, {match: {prefix: /}, cluster: web" +
            route + "}]}\nclusters: {web: {endpoints: [\"" + web_.origin->text() + "\"]}, next: {endpoints: [\"" + next + "\"]" +
            cluster + "}}\n",
        std::vector<std::string>{"overload.threads=1"});
    client_ = proxy_->connect();
  }
  Message ask(const std::string& bytes) {
    client_.send(bytes);
    const auto answer = client_.read_message();
    EXPECT_TRUE(answer);
    return answer ? *answer : Message{};
  }
  void expect_answers(int count) {
    for (int i = 0; i < count; ++i) {
      const Message answer = ask(i % 2 ? get() : post("hello"));
      EXPECT_EQ(answer.status(), 200);
      EXPECT_EQ(answer.body, "seen");
    }
  }
  void expect_mirrored(double times, const std::string& result) {
    proxy_->expect_metric(times, "outrider_mirrored_total", "result=\"" + result + "\"");
  }
  void expect_end() {
    client_.close();
    expect_quiet(*proxy_);
    EXPECT_EQ(proxy_->end(), 0);
  }

  Spy web_, next_;
  std::unique_ptr<Proxy> proxy_;
  Stream client_;
};

TEST_F(Mirror, ACopyIsWhatTheEndpointGetsWithAMark) {
  start(next_.origin->text(), "", "", ", rewrite: {prefix: /v2}, request_headers: {set: {x-team: shop}}");
  EXPECT_EQ(ask(post("hello", "/cart?id=1", "X-Mine: 1\r\nExpect: 100-continue\r\nX-Request-Id: r1\r\n")).body, "seen");
  expect_mirrored(1, "2xx");
  ASSERT_EQ(web_.seen().size(), 1u);
  ASSERT_EQ(next_.seen().size(), 1u);
  const Message first = web_.seen()[0], copy = next_.seen()[0];
  EXPECT_EQ(copy.start, "POST /v2/cart?id=1 HTTP/1.1");
  EXPECT_EQ(copy.start, first.start);
  EXPECT_EQ(copy.body, "hello");
  for (const char* name : {"host", "x-mine", "x-team", "x-request-id", "x-forwarded-for", "content-length"})
    EXPECT_EQ(copy.field(name), first.field(name)) << name;
  EXPECT_EQ(copy.field("host"), "shop");
  EXPECT_EQ(copy.field("expect"), "");
  EXPECT_EQ(copy.field("x-outrider-mirror"), "1");
  EXPECT_EQ(first.field("x-outrider-mirror"), "");
  EXPECT_EQ(copy.field("x-outrider-attempt"), "1/0");
  EXPECT_EQ(proxy_->metric("outrider_requests_total"), 1) << "nobody's request but the client's";
  EXPECT_EQ(proxy_->metric("outrider_requests_total", "cluster=\"next\""), 0);
  expect_end();
}

TEST_F(Mirror, BodiesOfAnyFormAreCopiedWhole) {
  start(next_.origin->text());
  const std::string large(64 * 1024, 'x');
  ask(post(large));
  expect_mirrored(1, "2xx");
  client_.send("PUT / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::string sent;
  for (int i = 0; i < 500; ++i) {
    client_.send("3\r\nabc\r\n");
    sent += "abc";
  }
  client_.send("0\r\n\r\n");
  EXPECT_EQ(client_.read_message()->status(), 200);
  expect_mirrored(2, "2xx");
  ask(get());
  expect_mirrored(3, "2xx");
  ASSERT_EQ(next_.seen().size(), 3u);
  EXPECT_EQ(next_.seen()[0].body, large);
  EXPECT_EQ(next_.seen()[1].body, sent);
  EXPECT_EQ(next_.seen()[2].body, "");
  EXPECT_EQ(next_.origin->connections(), 1) << "kept, as for any request";
  expect_end();
}

TEST_F(Mirror, GoesByTheWireOfItsCluster) {
  Proxy behind(Proxy::edge({next_.origin->text()}, "", "protocol: http2"));
  start(behind.address().text(), "", ", protocol: http2");
  const std::string large(64 * 1024, 'x');
  EXPECT_EQ(ask(post(large)).status(), 200);
  expect_mirrored(1, "2xx");
  ASSERT_EQ(next_.seen().size(), 1u);
  EXPECT_EQ(next_.seen()[0].body, large);
  EXPECT_EQ(next_.seen()[0].field("x-outrider-mirror"), "1");
  expect_end();
}

TEST_F(Mirror, AnswersAreCountedByTheirClass) {
  start(next_.origin->text());
  for (const char* status : {"200 OK", "302 Found", "404 Not Found", "503 No"}) {
    next_.answer_with(std::string("HTTP/1.1 ") + status + "\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(ask(get()).status(), 200);
    expect_mirrored(1, std::string(1, status[0]) + "xx");
  }
  EXPECT_EQ(ask(get("/plain")).status(), 200);
  EXPECT_EQ(next_.seen().size(), 4u);
  expect_end();
}

// --- whatever becomes of a copy, its request does not feel it --------------------------------------------------------

TEST_F(Mirror, NobodyThere) {
  start(refusing_address().text(), "", ", outlier_detection: off");
  expect_answers(20);
  expect_mirrored(20, "failed");
  expect_end();
}

TEST_F(Mirror, NobodyToChoose) {
  start(refusing_address().text(), "", ", panic: 0%, outlier_detection: {consecutive_local: 1, base_ejection: 1h}");
  expect_answers(1);
  expect_mirrored(1, "failed");
  expect_answers(5);
  expect_mirrored(5, "no_endpoint");
  expect_end();
}

TEST_F(Mirror, ABlackHole) {
  Blackhole hole;
  start(hole.text(), "", ", connect_timeout: 50ms, outlier_detection: off");
  expect_answers(20);
  expect_mirrored(20, "timeout");
  expect_end();
}

TEST_F(Mirror, OneThatNeverAnswers) {
  Origin silent([](Stream& connection) { connection.read_all(); });
  start(silent.text(), ", timeout: 100ms", ", outlier_detection: off");
  expect_answers(20);
  expect_mirrored(20, "timeout");
  expect_end();
}

TEST_F(Mirror, OneThatNeverReads) {
  std::promise<void> over;
  const auto wait = over.get_future().share();
  Origin deaf([&](Stream& connection) {
    connection.set_buffers(4096);
    wait.wait();
  });
  start(deaf.text(), ", timeout: 100ms", ", outlier_detection: off");
  const std::string large(64 * 1024, 'x');
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(post(large)).body, "seen");
  expect_mirrored(20, "timeout");
  over.set_value();
  expect_end();
}

TEST_F(Mirror, OneThatClosesIsNotAskedAgain) {
  std::atomic<int> requests{0};
  Origin closing([&](Stream& connection) { requests += connection.read_message().has_value(); });
  start(closing.text(), "", ", outlier_detection: off, retry: {attempts: 5}");
  expect_answers(20);
  expect_mirrored(20, "failed");
  EXPECT_EQ(requests, 20);
  EXPECT_EQ(proxy_->metric("outrider_cluster_retries_total"), 0);
  expect_end();
}

TEST_F(Mirror, OneThatTalksNonsense) {
  Origin mad([](Stream& connection) {
    connection.read_message();
    connection.send("Who are you?\r\n\r\n");
  });
  start(mad.text(), "", ", outlier_detection: off");
  expect_answers(20);
  expect_mirrored(20, "failed");
  expect_end();
}

TEST_F(Mirror, AnAnswerWithoutEndIsReadNoFurtherThanItsLimit) {
  std::atomic<uint64_t> sent{0};
  Origin endless([&](Stream& connection) {
    connection.set_buffers(4096);
    if (!connection.read_message()) return;
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string piece = "1000\r\n" + std::string(4096, 'x') + "\r\n";
    while (connection.send(piece)) sent += 4096;
  });
  start(endless.text(), ", max_answer: 100KiB");
  expect_answers(4);
  expect_mirrored(4, "2xx");
  expect_end();
  endless.stop();
  EXPECT_GE(sent, 4u * 100 * 1024);
  EXPECT_LT(sent, 4u * (8 << 20)) << "what buffers of sockets hold, at most";
}

TEST_F(Mirror, AnAnswerThatNeverEndsIsCutInTime) {
  std::atomic<int> ended{0};
  Origin slow([&](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send("HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nhalf");
    ended += connection.at_end();
  });
  start(slow.text(), ", timeout: 100ms", ", outlier_detection: {consecutive_local: 1}");
  expect_answers(4);
  expect_mirrored(4, "2xx");
  EXPECT_EQ(proxy_->metric("outrider_cluster_ejections_total"), 0);
  expect_end();
  EXPECT_EQ(ended, 4);
}

// --- limits ----------------------------------------------------------------------------------------------------------

TEST_F(Mirror, ABodyThatIsTooLargeIsNotSent) {
  start(next_.origin->text(), ", max_body: 1KiB");
  EXPECT_EQ(ask(post(std::string(1024, 'x'))).status(), 200);
  expect_mirrored(1, "2xx");
  EXPECT_EQ(ask(post(std::string(1025, 'x'))).status(), 200);
  expect_mirrored(1, "too_large");
  const std::string piece = "200\r\n" + std::string(0x200, 'y') + "\r\n";
  const Message answer =
      ask("POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n" + piece + piece + piece + "0\r\n\r\n");
  EXPECT_EQ(answer.status(), 200);
  expect_mirrored(2, "too_large");
  EXPECT_EQ(next_.seen().size(), 1u);
  ASSERT_EQ(web_.seen().size(), 3u);
  EXPECT_EQ(web_.seen()[2].body.size(), 3u * 0x200);
  expect_end();
}

TEST_F(Mirror, NoMoreAreUnderWayThanMayBe) {
  std::promise<void> go_on;
  const auto may_go_on = go_on.get_future().share();
  Origin holding([&](Stream& connection) {
    while (connection.read_message()) {
      may_go_on.wait();
      if (!connection.send(ok("late"))) return;
    }
  });
  start(holding.text(), ", max_in_flight: 2, timeout: 1m");
  expect_answers(6);
  expect_mirrored(4, "over_limit");
  go_on.set_value();
  expect_mirrored(2, "2xx");
  expect_answers(1);
  expect_mirrored(3, "2xx");
  expect_end();
}

TEST_F(Mirror, WhatIsUnderWayDoesNotHoldTheEndUp) {
  Origin silent([](Stream& connection) { connection.read_all(); });
  start(silent.text(), ", timeout: 10m");
  expect_answers(4);
  expect_end();
}

TEST_F(Mirror, ARequestThatIsBrokenOffIsNotCopied) {
  start(next_.origin->text());
  client_.send("POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\nhalf");
  proxy_->expect_metric(1, "outrider_requests_in_flight");
  client_.abort();
  expect_mirrored(1, "incomplete");
  EXPECT_TRUE(next_.seen().empty());
  client_ = proxy_->connect();
  expect_answers(1);
  expect_mirrored(1, "2xx");
  expect_end();
}

TEST_F(Mirror, OnlyTheShareThatWasAskedForIsCopied) {
  start(next_.origin->text(), ", percent: 30%, max_in_flight: 100000");
  constexpr int kRequests = 1000;
  for (int i = 0; i < kRequests; ++i) EXPECT_EQ(ask(get()).status(), 200);
  const auto mirrored = [&] { return proxy_->metric("outrider_mirrored_total"); };
  EXPECT_NEAR(mirrored(), 300, 75);  // five standard deviations
  start(next_.origin->text(), ", percent: 0%");
  for (int i = 0; i < 100; ++i) ask(get());
  EXPECT_EQ(mirrored(), 0);
  expect_end();
}

// --- what is not copied ----------------------------------------------------------------------------------------------

// The next one would mirror to us, by the same rule: a copy is not copied, whoever asks.
TEST_F(Mirror, ACopyIsNotCopiedAgain) {
  Spy last;
  Proxy behind(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "routes: {edge: [{cluster: web, mirror: {cluster: last}}]}\nclusters: {web: {endpoints: [\"" +
      next_.origin->text() + "\"]}, last: {endpoints: [\"" + last.origin->text() + "\"]}}\n");
  start(behind.address().text());
  EXPECT_EQ(ask(get()).status(), 200);
  expect_mirrored(1, "2xx");
  EXPECT_EQ(next_.seen().size(), 1u);
  EXPECT_EQ(request(behind.address(), get()).status(), 200);
  behind.expect_metric(1, "outrider_mirrored_total", "result=\"2xx\"");
  EXPECT_EQ(last.seen().size(), 1u) << "of the one request that is no copy";
  EXPECT_EQ(behind.metric("outrider_mirrored_total"), 1);
  expect_end();
}

TEST_F(Mirror, WhatBecomesATunnelOrIsAnsweredHereIsNot) {
  start(next_.origin->text(), "", "", ", filters: [{ip: {deny: [127.0.0.1]}}]");
  EXPECT_EQ(ask(get()).status(), 403);
  expect_mirrored(0, "2xx");
  start(next_.origin->text());
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
                .status(),
            200);
  EXPECT_EQ(proxy_->metric("outrider_mirrored_total"), 0);
  expect_end();
}

TEST_F(Mirror, AsFiltersThereMayBeSeveralAndRulesTakeThemOut) {
  Spy other;
  proxy_ = std::make_unique<Proxy>(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "filters: {edge: [{mirror: {cluster: next}}, {mirror: {cluster: other}}]}\n"
      "routes: {edge: [{match: {prefix: /plain}, cluster: web, filters: [{mirror: off}]}, {cluster: web}]}\n"
      "clusters: {web: {endpoints: [\"" +
      web_.origin->text() + "\"]}, next: {endpoints: [\"" + next_.origin->text() + "\"]}, other: {endpoints: [\"" +
      other.origin->text() + "\"]}}\n");
  client_ = proxy_->connect();
  EXPECT_EQ(ask(post("hello")).status(), 200);
  EXPECT_EQ(ask(get("/plain")).status(), 200);
  expect_mirrored(2, "2xx");
  EXPECT_EQ(proxy_->metric("outrider_mirrored_total", "cluster=\"other\""), 1);
  ASSERT_EQ(next_.seen().size(), 1u);
  ASSERT_EQ(other.seen().size(), 1u);
  EXPECT_EQ(next_.seen()[0].body, "hello");
  EXPECT_EQ(other.seen()[0].body, "hello");
  expect_end();
}

}  // namespace
}  // namespace outrider::test
