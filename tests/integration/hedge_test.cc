// A second try beside one that is slow to answer (FEATURES row 42, hedged requests).

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>

#include "tests/support/h2_peer.h"
#include "tests/support/origin.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: web\r\n\r\n";
const std::string kPost = "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi";
const std::string kLast = "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";

std::string put(const std::string& body, const std::string& path = "/") {
  return "PUT " + path + " HTTP/1.1\r\nHost: web\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string failure() { return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"; }

// Two endpoints that know of each other. What meets a request is by which try of it this is, as x-outrider-attempt says,
// whichever endpoint it has come to; what may not be tried twice, and what asks for /held, has scripts of its own.
class Pair {
 public:
  using Script = std::function<void(Stream&, const Message&, Pair&)>;
  Pair(Script first, Script second, Script other = answers(ok("other"), 0), Script held = answers(ok("held"), 0))
      : first_(std::move(first)), second_(std::move(second)), other_(std::move(other)), held_(std::move(held)) {}
  std::vector<std::string> endpoints() const { return {one_.text(), two_.text()}; }
  // Waits, for a bounded time, until so many requests have come, or so many connections have been closed on those who waited.
  void await_requests(size_t n) {
    await([&] { return seen_.size() >= n; });
  }
  void await_cut(int n) {
    await([&] { return cut_ >= n; });
  }
  std::vector<Message> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  // Scripts.
  static void never(Stream& connection, const Message&, Pair& pair) {
    if (!connection.at_end()) return;
    const std::lock_guard lock(pair.mutex_);
    ++pair.cut_;
    pair.changed_.notify_all();
  }
  static Script answers(std::string answer, size_t once_there_are = 0) {
    return [answer, once_there_are](Stream& connection, const Message&, Pair& pair) {
      pair.await_requests(once_there_are);
      connection.send(answer);
    };
  }
  static Script breaks(size_t once_there_are = 0) {
    return [once_there_are](Stream& connection, const Message&, Pair& pair) {
      pair.await_requests(once_there_are);
      connection.close();
    };
  }

 private:
  template <class So>
  void await(So so) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), so));
  }
  void serve(Stream& connection) {
    while (const auto message = connection.read_message()) {
      {
        const std::lock_guard lock(mutex_);
        seen_.push_back(*message);
        changed_.notify_all();
      }
      const std::string attempt = message->field("x-outrider-attempt");
      const bool held = message->start.find(" /held ") != std::string::npos;
      const Script& script = held ? held_ : attempt.starts_with("1/") ? first_ : attempt.starts_with("2/") ? second_ : other_;
      script(connection, *message, *this);
      if (!connection.open()) return;
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Message> seen_;
  int cut_ = 0;
  const Script first_, second_, other_, held_;
  Origin one_{[this](Stream&connection) { serve(connection); }}, two_{[this](Stream&connection) { serve(connection); }};
};

class Hedge : public testing::Test {
 protected:
  void start(const std::vector<std::string>& endpoints, const std::string& cluster = "hedge: {after: 20ms}") {
    proxy_ = std::make_unique<Proxy>(Proxy::edge(endpoints, cluster, "http: {forwarded: append}"),
                                     std::vector<std::string>{"overload.threads=1"});
  }
  void expect_hedges(double times, const std::string& result) {
    proxy_->expect_metric(times, "outrider_cluster_hedges_total", "result=\"" + result + "\"");
  }
  void expect_all(double times) { EXPECT_EQ(proxy_->metric("outrider_cluster_hedges_total"), times); }
  void expect_end() {
    expect_quiet(*proxy_);
    EXPECT_EQ(proxy_->end(), 0);
  }
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(Hedge, TheSecondWinsWhereTheFirstDoesNotAnswerAndTheFirstIsCut) {
  Pair pair(Pair::never, Pair::answers(ok("second"), 2));
  start(pair.endpoints());
  EXPECT_EQ(request(proxy_->address(), kLast).body, "second");
  pair.await_cut(1);
  expect_hedges(1, "won");
  EXPECT_EQ(pair.seen().size(), 2u);
  EXPECT_EQ(proxy_->metric("outrider_requests_total", "code=\"200\",flag=\"none\""), 1);
  EXPECT_EQ(proxy_->metric("outrider_cluster_retries_total"), 0);
  expect_all(1);
  expect_end();
}

TEST_F(Hedge, TheFirstWinsWhereItAnswersFirstAfterAllAndTheSecondIsCut) {
  Pair pair(Pair::answers(ok("first"), 2), Pair::never);
  start(pair.endpoints());
  Stream client = proxy_->connect();
  client.send(kGet);
  EXPECT_EQ(client.read_message()->body, "first");
  pair.await_cut(1);
  client.send(kPost);
  EXPECT_EQ(client.read_message()->body, "other") << "the client's connection is as good as before";
  expect_hedges(1, "lost");
  expect_all(1);
  client.close();
  expect_end();
}

TEST_F(Hedge, ABodyGoesToBothWholeAndALargeAnswerComesWhole) {
  const std::string body(50'000, 'b'), answer(3'000'000, 'a');
  Pair pair(Pair::never, Pair::answers(ok(answer), 2));
  start(pair.endpoints());
  Stream client = proxy_->connect();
  client.send(put(body));
  const auto got = client.read_message();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body, answer);
  pair.await_cut(1);
  ASSERT_EQ(pair.seen().size(), 2u);
  EXPECT_EQ(pair.seen()[0].body, body);
  EXPECT_EQ(pair.seen()[1].body, body);
  client.close();
  expect_hedges(1, "won");
  expect_end();
}

TEST_F(Hedge, ABodyThatIsStillComingIsWaitedFor) {
  Pair pair(Pair::never, Pair::answers(ok("second"), 2));
  start(pair.endpoints());
  Stream client = proxy_->connect(), other = proxy_->connect();
  client.send("PUT / HTTP/1.1\r\nHost: web\r\nContent-Length: 10\r\n\r\nhello");
  proxy_->expect_metric(1, "outrider_requests_in_flight");
  client.send("hello");
  EXPECT_EQ(client.read_message()->body, "second");
  EXPECT_EQ(pair.seen()[0].body, "hellohello");
  EXPECT_EQ(pair.seen()[1].body, "hellohello");
  client.close();
  other.close();
  expect_hedges(1, "won");
  expect_end();
}

// h2 has many requests on a connection: the one that lost is cancelled, and no more than that.
TEST_F(Hedge, OverHttp2TheLoserIsCancelled) {
  std::atomic<int> calls{0}, cancelled{0};
  const auto script = [&](Stream& accepted) {
    H2Peer peer(accepted);
    if (!peer.reads("HEADERS 1 ")) return;
    if (calls++ > 0) {
      peer.send(http::headers(1, {{":status", "204"}}));
      peer.read_until("never");
      return;
    }
    cancelled += peer.reads("RST_STREAM 1 CANCEL");
    peer.read_until("never");
  };
  Origin one(script), other(script);
  start({one.text(), other.text()}, "protocol: http2, hedge: {after: 20ms}");
  EXPECT_EQ(request(proxy_->address(), kLast).status(), 204);
  expect_all(1);
  expect_end();
  one.stop();
  other.stop();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(cancelled, 1);
}

// --- failures --------------------------------------------------------------------------------------------------------

TEST_F(Hedge, WhereTheFirstFailsTheSecondIsItsRetry) {
  Pair pair(Pair::breaks(2), Pair::answers(ok("second"), 3));
  start(pair.endpoints());
  Stream client = proxy_->connect(), other = proxy_->connect();
  client.send(kGet);
  pair.await_requests(2);
  other.send(kPost);
  EXPECT_EQ(other.read_message()->body, "other");
  EXPECT_EQ(client.read_message()->body, "second");
  client.close();
  other.close();
  expect_hedges(1, "won");
  EXPECT_EQ(proxy_->metric("outrider_cluster_retries_total"), 0);
  expect_end();
}

TEST_F(Hedge, WhereTheSecondFailsTheFirstGoesOn) {
  Pair pair(Pair::answers(ok("first"), 3), Pair::breaks());
  start(pair.endpoints());
  Stream client = proxy_->connect(), other = proxy_->connect();
  client.send(kGet);
  expect_hedges(1, "failed");
  other.send(kPost);
  EXPECT_EQ(other.read_message()->body, "other");
  EXPECT_EQ(client.read_message()->body, "first");
  client.close();
  other.close();
  expect_end();
}

// A request that ends what serves it reaches no more than two.
TEST_F(Hedge, WhereBothFailItIsOver) {
  Pair pair(Pair::breaks(2), Pair::breaks(2));
  start(pair.endpoints(), "hedge: {after: 20ms}, retry: {attempts: 5}, outlier_detection: off");
  EXPECT_EQ(request(proxy_->address(), kLast).status(), 502);
  EXPECT_EQ(pair.seen().size(), 2u);
  expect_all(1);
  expect_end();
}

TEST_F(Hedge, AnAnswerThatWouldBeTriedAgainIsNotTakenWhileTheOtherIsUnderWay) {
  Pair pair(Pair::answers(ok("first"), 3), Pair::answers(failure()));
  start(pair.endpoints(), "hedge: {after: 20ms}, retry: {when: [safe, 5xx]}, outlier_detection: off");
  Stream client = proxy_->connect(), other = proxy_->connect();
  client.send(kGet);
  expect_hedges(1, "failed");
  other.send(kPost);
  EXPECT_EQ(other.read_message()->body, "other");
  EXPECT_EQ(client.read_message()->body, "first");
  client.close();
  other.close();
  expect_end();
}

TEST_F(Hedge, WithoutThatAnAnswerIsAnAnswer) {
  Pair pair(Pair::never, Pair::answers(failure(), 2));
  start(pair.endpoints());
  EXPECT_EQ(request(proxy_->address(), kLast).status(), 503);
  expect_hedges(1, "won");
  pair.await_cut(1);
  expect_end();
}

TEST_F(Hedge, WhereNobodyAnswersInTimeBothAreCut) {
  Pair pair(Pair::never, Pair::never);
  start(pair.endpoints(), "hedge: {after: 20ms}, timeout: 2s");
  const Message answer = request(proxy_->address(), kLast);
  EXPECT_EQ(answer.status(), 504);
  EXPECT_EQ(answer.field("x-outrider-reason"), "request_timeout");
  pair.await_cut(2);
  expect_hedges(1, "cut");
  expect_end();
}

TEST_F(Hedge, WhoLeavesLeavesBoth) {
  Pair pair(Pair::never, Pair::never);
  start(pair.endpoints());
  Stream client = proxy_->connect();
  client.send(kGet);
  pair.await_requests(2);
  client.abort();
  pair.await_cut(2);
  expect_hedges(1, "cut");
  expect_end();
}

// --- what is not hedged ----------------------------------------------------------------------------------------------

// It is held until another one, which came later, has been hedged: by then the time of the first had come, too.
class NotHedged : public Hedge, public testing::WithParamInterface<std::pair<const char*, std::string>> {};

TEST_P(NotHedged, GoesOutOnce) {
  Pair pair(Pair::never, Pair::answers(ok("hedged"), 3), Pair::answers(ok("other")), Pair::answers(ok("held"), 3));
  start(pair.endpoints(), "hedge: {after: 20ms}, retry: {buffer: 1KiB}, lb: round_robin");
  Stream client = proxy_->connect(), other = proxy_->connect();
  client.send(GetParam().second);
  pair.await_requests(1);
  other.send(kGet);
  EXPECT_EQ(other.read_message()->body, "hedged");
  EXPECT_EQ(client.read_message()->body, "held");
  EXPECT_EQ(pair.seen().size(), 3u);
  client.close();
  other.close();
  expect_hedges(1, "won");
  expect_all(1);
  expect_end();
}

INSTANTIATE_TEST_SUITE_P(
    Of, NotHedged,
    testing::Values(std::pair{"AMethodThatMayNotRunTwice",
                              std::string("POST /held HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi")},
                    std::pair{"ABodyThatIsNotKept", put(std::string(5000, 'x'), "/held")},
                    std::pair{"WhatSomebodyInFrontTriesAgain",
                              std::string("GET /held HTTP/1.1\r\nHost: web\r\nx-outrider-attempt: 1/2\r\n\r\n")}),
    [](const auto& of) { return std::string(of.param.first); });

TEST_F(Hedge, WhereThereIsNobodyElse) {
  Pair pair(Pair::answers(ok("first"), 2), Pair::never);
  start({pair.endpoints()[0]});
  Stream client = proxy_->connect();
  client.send(kGet);
  expect_hedges(1, "no_other");
  EXPECT_EQ(request(proxy_->address(), kPost).body, "other");
  EXPECT_EQ(client.read_message()->body, "first");
  client.close();
  expect_end();
}

TEST_F(Hedge, SpendsTheBudgetOfRetries) {
  Pair pair(Pair::answers(ok("first"), 2), Pair::never);
  start(pair.endpoints(), "hedge: {after: 20ms}, retry: {budget: 0%, budget_min: 0}");
  Stream client = proxy_->connect();
  client.send(kGet);
  expect_hedges(1, "budget");
  EXPECT_EQ(request(proxy_->address(), kPost).body, "other");
  EXPECT_EQ(client.read_message()->body, "first");
  client.close();
  expect_end();
}

TEST_F(Hedge, EachTrySaysThatOthersMayFollow) {
  Pair pair(Pair::never, Pair::answers(ok("second"), 2));
  start(pair.endpoints(), "hedge: {after: 20ms}, retry: off");
  EXPECT_EQ(request(proxy_->address(), kLast).body, "second");
  ASSERT_EQ(pair.seen().size(), 2u);
  std::set<std::string> told;
  for (const Message& each : pair.seen()) told.insert(each.field("x-outrider-attempt"));
  EXPECT_EQ(told, (std::set<std::string>{"1/1", "2/0"}));
  pair.await_cut(1);
  expect_end();
}

TEST_F(Hedge, ARuleHasItsOwnSay) {
  Pair pair(Pair::never, Pair::answers(ok("second"), 2), Pair::answers(ok("other")), Pair::answers(ok("held"), 4));
  const auto yaml = [&](const std::string& rule, const std::string& cluster) {
    return "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{match: "
           "{prefix: /held}, cluster: web, hedge: off}, {match: {prefix: /}, cluster: web" +
           rule + "}]}\nclusters: {web: {endpoints: [\"" + pair.endpoints()[0] + "\", \"" + pair.endpoints()[1] +
           "\"], timeout: 0" + cluster + "}}\n";
  };
  proxy_ = std::make_unique<Proxy>(yaml(", hedge: {after: 20ms}", ""), std::vector<std::string>{"overload.threads=1"});
  EXPECT_EQ(request(proxy_->address(), kLast).body, "second");
  pair.await_cut(1);
  expect_hedges(1, "won");
  proxy_ = std::make_unique<Proxy>(yaml("", ", hedge: {after: 20ms}"), std::vector<std::string>{"overload.threads=1"});
  Stream client = proxy_->connect();
  client.send("GET /held HTTP/1.1\r\nHost: web\r\n\r\n");
  pair.await_requests(3);
  EXPECT_EQ(request(proxy_->address(), kLast).body, "second");
  EXPECT_EQ(client.read_message()->body, "held");
  client.close();
  expect_hedges(1, "won");
  expect_all(1);
  expect_end();
}

// --- by how long answers take ----------------------------------------------------------------------------------------

void quick_or_never(Stream& connection, const Message& message, Pair& pair) {
  if (message.field("x-slow").empty()) connection.send(ok("quick"));
  else Pair::never(connection, message, pair);
}

TEST_F(Hedge, APercentileComesFromAnswersOfLate) {
  Pair pair(quick_or_never, Pair::answers(ok("quick")));
  start(pair.endpoints(), "hedge: {after: p99, min_requests: 50}");
  Stream client = proxy_->connect();
  for (int i = 0; i < 200; ++i) {
    client.send(i == 150 ? "GET / HTTP/1.1\r\nHost: web\r\nX-Slow: 1\r\n\r\n" : kGet);
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->body, "quick");
  }
  EXPECT_GE(proxy_->metric("outrider_cluster_hedges_total", "result=\"won\""), 1);
  client.close();
  expect_end();
}

TEST_F(Hedge, WithTooFewAnswersThereIsNoPercentile) {
  Pair pair(quick_or_never, Pair::answers(ok("second")));
  start(pair.endpoints(), "hedge: {after: p50, min_requests: 1000}, timeout: 1s");
  Stream client = proxy_->connect();
  for (int i = 0; i < 20; ++i) {
    client.send(kGet);
    EXPECT_EQ(client.read_message()->body, "quick");
  }
  client.send("GET / HTTP/1.1\r\nHost: web\r\nX-Slow: 1\r\n\r\n");
  EXPECT_EQ(client.read_message()->status(), 504);
  expect_all(0);
  client.close();
  expect_end();
}

// What a rule does not say is as its cluster has it.
TEST_F(Hedge, ARuleHasItsOwnKeyByKey) {
  Pair pair(Pair::never, Pair::answers(ok("second"), 2));
  proxy_ = std::make_unique<Proxy>(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: web, "
      "hedge: {min_requests: 20}}]}\nclusters: {web: {endpoints: [\"" +
          pair.endpoints()[0] + "\", \"" + pair.endpoints()[1] + "\"], timeout: 0, hedge: {after: 20ms}}}\n",
      std::vector<std::string>{"overload.threads=1"});
  EXPECT_EQ(request(proxy_->address(), kLast).body, "second") << "a percentile would know nothing yet";
  pair.await_cut(1);
  expect_hedges(1, "won");
  expect_end();
}

}  // namespace
}  // namespace outrider::test
