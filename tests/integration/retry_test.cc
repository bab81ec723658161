// What is sent again, and what never is.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "tests/support/h2_peer.h"
#include "tests/support/origin.h"
#include "tests/support/quiet.h"
#include "tests/support/wires.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";
const std::string kPost = "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhello";

// Answers the first request of every connection and closes at the second, without a word.
struct OneAnswerEach {
  std::atomic<int> answered{0}, dropped{0};
  Origin origin{[this](Stream& connection) {
    if (!connection.read_message()) return;
    ++answered;
    connection.send(ok("once"));
    if (connection.read_message()) ++dropped;
  }};
};

Message ask(Stream& client, const std::string& bytes) {
  client.send(bytes);
  const auto answer = client.read_message();
  EXPECT_TRUE(answer) << "no answer to " << bytes.substr(0, 60);
  return answer ? *answer : Message{};
}

class RetryOfPairs : public EveryPair {};
OUTRIDER_EVERY_PAIR(RetryOfPairs);

TEST_P(RetryOfPairs, AConnectFailureGoesElsewhereWhateverTheMethod) {
  const auto origin = Origin::answering([](const Message& request) { return ok(request.body); });
  Proxy& proxy = chain.start({refusing_address().text(), chain.to(*origin)},
                             "lb: round_robin, panic: 0%, outlier_detection: {consecutive_local: 1}", "", {"overload.threads=1"});
  EXPECT_EQ(request(chain.address(), kPost).body, "hello");
  EXPECT_EQ(request(chain.address(), kPost).body, "hello");
  EXPECT_EQ(origin->requests(), 2);
  proxy.expect_metric(1, "outrider_cluster_retries_total", "reason=\"connect_failure\",result=\"success\"");
  EXPECT_EQ(proxy.metric("outrider_cluster_connect_failures_total", "reason=\"refused\""), 1);
  chain.expect_quiet();
}

TEST(Retry, AReusedConnectionThatClosesIsTriedElsewhereOnce) {
  OneAnswerEach first;
  const auto second = Origin::answering("fine");
  Proxy proxy(Proxy::edge({first.origin.text(), second->text()}, "lb: round_robin"), {"overload.threads=1"});
  Stream client = proxy.connect();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(ask(client, kGet).status(), 200);
  EXPECT_GT(first.dropped, 0);
  EXPECT_EQ(proxy.metric("outrider_cluster_retries_total", "reason=\"reset_before_request\",result=\"success\""), first.dropped);
  EXPECT_EQ(proxy.metric("outrider_cluster_retries_total", "result=\"failure\""), 0);
  EXPECT_EQ(proxy.metric("outrider_requests_total", "code=\"200\""), 8);
  client.close();
  expect_quiet(proxy);
}

TEST(Retry, ARequestThatMayHaveRunIsNotSentAgain) {
  OneAnswerEach only;
  Proxy proxy(Proxy::edge({only.origin.text()}));
  Stream client = proxy.connect();
  EXPECT_EQ(ask(client, kGet).status(), 200);
  const Message answer = ask(client, kPost);
  EXPECT_EQ(answer.status(), 502);
  EXPECT_EQ(answer.field("x-outrider-reason"), "upstream_closed");
  EXPECT_EQ(only.answered, 1);
  EXPECT_EQ(only.dropped, 1);
  EXPECT_EQ(proxy.metric("outrider_cluster_retries_total"), 0);
  proxy.expect_metric(1, "outrider_requests_total", "code=\"502\",flag=\"upstream_reset\"");
  client.close();
  expect_quiet(proxy);
}

TEST(Retry, AFreshConnectionThatClosesIs502ForWhatMayHaveRun) {
  Origin origin([](Stream& connection) { connection.read_message(); });
  Proxy proxy(Proxy::edge({origin.text()}));
  const Message answer = request(proxy.address(), kPost);
  EXPECT_EQ(answer.status(), 502);
  EXPECT_EQ(answer.field("x-outrider-reason"), "upstream_closed");
  EXPECT_EQ(origin.connections(), 1);
  EXPECT_EQ(proxy.metric("outrider_cluster_retries_total"), 0);
  expect_quiet(proxy);
}

TEST(Retry, ARequestThatEndsFreshConnectionsReachesTwoReplicasAtMost) {
  const auto drop = [](Stream& connection) { connection.read_message(); };
  Origin a(drop), b(drop), c(drop);
  Proxy proxy(Proxy::edge({a.text(), b.text(), c.text()}, "lb: round_robin, retry: {attempts: 5}"), {"overload.threads=1"});
  const Message answer = request(proxy.address(), kGet);
  EXPECT_EQ(answer.status(), 502);
  EXPECT_EQ(answer.field("x-outrider-reason"), "upstream_closed");
  EXPECT_EQ(a.connections() + b.connections() + c.connections(), 2);
  expect_quiet(proxy);
}

// An endpoint that says REFUSED_STREAM has done nothing with a request: it goes elsewhere, a POST too (RFC 9113 8.7).
TEST(Retry, AStreamThatIsRefusedGoesElsewhereWhateverTheMethod) {
  std::atomic<int> refused{0};
  const auto script = [&](Stream& accepted) {
    H2Peer peer(accepted);
    if (!peer.reads("HEADERS 1 ")) return;
    if (refused.fetch_add(1) == 0) peer.send(http::frame(NGHTTP2_RST_STREAM, 0, 1, http::number(NGHTTP2_REFUSED_STREAM)));
    else peer.send(http::headers(1, {{":status", "204"}}));
    peer.read_until("nothing more");
  };
  Origin one(script), other(script);
  Proxy proxy(Proxy::edge({one.text(), other.text()}, "protocol: http2, lb: round_robin"), {"overload.threads=1"});
  EXPECT_EQ(request(proxy.address(), "POST / HTTP/1.1\r\nHost: web\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi").status(),
            204);
  proxy.expect_metric(1, "outrider_cluster_retries_total", "reason=\"refused_stream\",result=\"success\"");
}

// A body is sent again whole while it was kept, and not at all when it had grown beyond that.
TEST(Retry, ABodyIsSentAgainWholeOrNotAtAll) {
  std::mutex mutex;
  std::vector<std::string> bodies;
  Origin origin([&](Stream& connection) {
    for (int i = 0; i < 2; ++i) {
      const auto message = connection.read_message();
      if (!message) return;
      std::lock_guard lock(mutex);
      bodies.push_back(message->body);
      if (i == 0) connection.send(ok("first"));
    }
  });
  const std::string small(4000, 's'), large(40000, 'l');
  const auto put = [](const std::string& body) {
    return "PUT /a HTTP/1.1\r\nHost: web\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  };
  Proxy proxy(Proxy::edge({origin.text()}, "retry: {buffer: 8KiB}"));
  Stream client = proxy.connect();
  EXPECT_EQ(ask(client, kGet).status(), 200);
  EXPECT_EQ(ask(client, put(small)).status(), 200);
  EXPECT_EQ(ask(client, put(large)).status(), 502);
  std::lock_guard lock(mutex);
  EXPECT_EQ(bodies, (std::vector<std::string>{"", small, small, large}));
  client.close();
  expect_quiet(proxy);
}

TEST_P(RetryOfPairs, AttemptsAreWhatTheConfigurationSays) {
  for (const int attempts : {0, 1, 3, 8}) {
    SCOPED_TRACE(attempts);
    Proxy& proxy = chain.start({refusing_address().text(), refusing_address().text()},
                               "panic: 100%, retry: {attempts: " + std::to_string(attempts) + "}");
    const Message answer = request(chain.address(), kGet);
    EXPECT_EQ(answer.status(), 502);
    EXPECT_EQ(answer.field("x-outrider-reason"), "connection_refused");
    proxy.expect_metric(attempts + 1, "outrider_cluster_connect_failures_total");
    EXPECT_EQ(proxy.metric("outrider_cluster_retries_total", "result=\"failure\""), attempts);
    chain.expect_quiet();
  }
}

TEST_P(RetryOfPairs, WhatIsNotListedIsNotRetried) {
  const auto origin = Origin::answering("fine");
  Proxy& proxy = chain.start({refusing_address().text(), chain.to(*origin)},
                             "lb: round_robin, retry: {when: [reset_before_request]}", "", {"overload.threads=1"});
  int failed = 0;
  for (int i = 0; i < 2; ++i) failed += request(chain.address(), kGet).status() == 502;
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(proxy.metric("outrider_cluster_retries_total"), 0);
}

struct RetryAfterADeath : testing::Test {
  std::atomic<int> deaths{0};
  // As a process that is killed after it has taken a request in.
  Origin dying{[this](Stream& connection) {
    if (!connection.read_message()) return;
    ++deaths;
    connection.abort();
  }};
  std::unique_ptr<Origin> good = Origin::answering("fine");
  Proxy proxy{Proxy::edge({dying.text(), good->text()}, "lb: round_robin, panic: 0%")};
  static std::string ask(const std::string& method, const std::string& more = {}) {
    return method + " / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n" + more + "\r\n";
  }
};

TEST_F(RetryAfterADeath, AReadThatItsEndpointDiedOverIsAnsweredByAnother) {
  for (int i = 0; i < 10; ++i) {
    const auto answer = request(proxy.address(), ask("GET"));
    EXPECT_EQ(answer.status(), 200) << answer.body;
  }
  EXPECT_GE(deaths, 1);
  proxy.expect_metric(deaths, "outrider_cluster_retries_total", "result=\"success\"");
}

TEST_F(RetryAfterADeath, AWriteThatAnEndpointMayHaveSeenIsNotRepeated) {
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    const auto answer = request(proxy.address(), ask("POST", "Content-Length: 0\r\n"));
    if (answer.status() == 200) continue;
    ++refused;
    EXPECT_EQ(answer.status(), 502) << answer.body;
  }
  EXPECT_GE(refused, 1);
  EXPECT_EQ(refused, deaths);
  EXPECT_EQ(proxy.metric("outrider_cluster_retries_total"), 0);
}

// --- what is listed -------------------------------------------------------------------------------------------------

// The first fails in some way, the second answers.
struct Pair {
  explicit Pair(std::function<std::string(const Message&)> fails, const std::string& retry = "when: [safe, gateway_error]")
      : first(Origin::answering(std::move(fails))),
        proxy(Proxy::edge({first->text(), second->text()},
                          "lb: round_robin, retry: {backoff: {base: 1ms, max: 20ms}, " + retry + "}"),
              {"overload.threads=1"}) {}
  Message ask(const std::string& bytes) {
    return request(proxy.address(),
                   bytes.substr(0, bytes.find("\r\n") + 2) + "Connection: close\r\n" + bytes.substr(bytes.find("\r\n") + 2));
  }
  // Round robin: two requests reach both.
  std::multiset<int> asked_twice(const std::string& bytes) { return {ask(bytes).status(), ask(bytes).status()}; }
  double retries(const char* labels) { return proxy.metric("outrider_cluster_retries_total", labels); }
  std::unique_ptr<Origin> first, second = Origin::answering("fine");
  Proxy proxy;
};

std::string busy(const char* fields = "") {
  return std::string("HTTP/1.1 503 Service Unavailable\r\n") + fields + "Content-Length: 4\r\n\r\nbusy";
}

TEST(RetryOfStatuses, WhatIsListedIsTriedElsewhere) {
  Pair pair([](const Message&) { return busy(); });
  EXPECT_EQ(pair.asked_twice(kGet), (std::multiset<int>{200, 200}));
  EXPECT_GE(pair.first->requests(), 1);
  EXPECT_EQ(pair.retries("reason=\"status\",result=\"success\""), pair.first->requests());
}

TEST(RetryOfStatuses, WhatIsNotListedIsPassedOn) {
  Pair pair([](const Message&) { return busy(); }, "when: [safe, 502]");
  EXPECT_EQ(pair.asked_twice(kGet), (std::multiset<int>{200, 503}));
}

TEST(RetryOfStatuses, AMethodThatMayDoHarmTwiceIsNot) {
  Pair pair([](const Message&) { return busy(); });
  EXPECT_EQ(pair.asked_twice(kPost), (std::multiset<int>{200, 503}));
  EXPECT_EQ(pair.retries(""), 0);
}

TEST(RetryOfStatuses, AnEndpointThatAsksForMoreTimeThanThereIsIsTakenAtItsWord) {
  Pair pair([](const Message&) { return busy("Retry-After: 60\r\n"); });
  EXPECT_EQ(pair.asked_twice(kGet), (std::multiset<int>{200, 503}));
}

TEST(RetryOfStatuses, WithoutABudgetTheAnswerIsPassedOn) {
  Pair pair([](const Message&) { return busy(); }, "when: 5xx, budget: 0%, budget_min: 0");
  EXPECT_EQ(pair.asked_twice(kGet), (std::multiset<int>{200, 503}));
  EXPECT_EQ(pair.retries("reason=\"status\",result=\"budget\""), 1);
}

TEST(RetryOfStatuses, TheLastAnswerIsPassedOnWhenAllTriesAreUsed) {
  Pair pair([](const Message&) { return busy(); }, "when: 5xx, attempts: 1, methods: [GET]");
  pair.second = nullptr;  // refuses from now on, or was asked first
  for (int i = 0; i < 3; ++i) {
    const auto answer = pair.ask(kGet);
    EXPECT_TRUE(answer.status() == 503 || answer.status() == 502) << answer.status();
  }
}

TEST(RetryOfStatuses, ATryThatTakesTooLongIsGivenUpAndMadeElsewhere) {
  Origin silent([](Stream& connection) {
    while (!connection.read_some(1000).empty()) {}
  });
  const auto second = Origin::answering("fine");
  Proxy proxy(Proxy::edge({silent.text(), second->text()},
                          "lb: round_robin, retry: {when: [safe, timeout], per_try_timeout: 50ms, backoff: {max: 1ms}}"),
              {"overload.threads=1"});
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(request(proxy.address(), "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").status(), 200);
  EXPECT_GE(proxy.metric("outrider_cluster_retries_total", "reason=\"timeout\",result=\"success\""), 1);
}

// --- in a chain -----------------------------------------------------------------------------------------------------

constexpr char kTrusting[] = "http: {forwarded: append}";

TEST(RetryInAChain, EachTryTellsItsNumberAndHowManyMayFollow) {
  std::mutex mutex;
  std::vector<std::string> seen;
  Pair pair(
      [&](const Message& request) {
        std::lock_guard lock(mutex);
        seen.push_back(request.field("x-outrider-attempt"));
        return busy();
      },
      "when: [connect_failure, 503], attempts: 2, budget_min: 10");
  pair.second->stop();
  pair.ask(kGet);
  std::lock_guard lock(mutex);
  ASSERT_GE(seen.size(), 1u);
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_TRUE(seen[i] == "1/2" || seen[i] == "2/1" || seen[i] == "3/0") << seen[i];
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(RetryInAChain, WithoutRetriesByAnswersNothingIsAdded) {
  const auto origin = Origin::answering([](const Message& request) { return ok(request.field("x-outrider-attempt")); });
  Proxy plain(Proxy::edge({origin->text()})), listed(Proxy::edge({origin->text()}, "retry: {when: 503}"));
  EXPECT_EQ(request(plain.address(), kGet).body, "");
  EXPECT_EQ(request(listed.address(), kGet).body, "1/2");
  EXPECT_EQ(request(listed.address(), kPost).body, "");  // is not tried again
}

TEST(RetryInAChain, WhoIsToldOfAnotherThatRetriesDoesNot) {
  const auto origin = Origin::answering([](const Message&) { return busy(); });
  Proxy inner(Proxy::edge({origin->text()}, "retry: {when: 503, backoff: {max: 1ms}}", kTrusting), {"overload.threads=1"});
  const std::string told = "GET /a HTTP/1.1\r\nHost: web\r\nX-Outrider-Attempt: 1/2\r\n\r\n";
  EXPECT_EQ(request(inner.address(), told).status(), 503);
  EXPECT_EQ(origin->requests(), 1);
  EXPECT_EQ(request(inner.address(), kGet).status(), 503);
  EXPECT_EQ(origin->requests(), 4);
}

TEST(RetryInAChain, AStrangersWordForItIsNotTaken) {
  const auto origin = Origin::answering([](const Message& request) { return ok(request.field("x-outrider-attempt")); });
  Proxy edge(Proxy::edge({origin->text()}));
  EXPECT_EQ(request(edge.address(), "GET /a HTTP/1.1\r\nHost: web\r\nX-Outrider-Attempt: 1/2\r\n\r\n").body, "");
}

// All requests are under way when the first of them fails, and no retry is answered before all others have ended: how many
// there are is then what the budget of the first proxy says.
TEST(RetryInAChain, AFailingLeafBehindFiveTiersSeesAFifthMoreThanWasAsked) {
  constexpr int kAsked = 40, kMore = kAsked / 5;
  std::mutex mutex;
  std::condition_variable changed;
  int seen = 0, ended = 0;
  Origin leaf([&](Stream& connection) {
    while (connection.read_message()) {
      std::unique_lock lock(mutex);
      const bool first = ++seen <= kAsked;
      changed.notify_all();
      EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60),
                                   [&] { return first ? seen >= kAsked : ended >= kAsked - kMore || seen > kAsked + kMore; }));
      lock.unlock();
      if (!connection.send(busy())) return;
    }
  });
  std::vector<std::unique_ptr<Proxy>> tiers;
  std::string next = leaf.text();
  for (int tier = 0; tier < 5; ++tier) {
    tiers.push_back(std::make_unique<Proxy>(Proxy::edge({next}, "retry: {when: [safe, 5xx, timeout], attempts: 1}", kTrusting),
                                            std::vector<std::string>{"overload.threads=1"}));
    next = tiers.back()->address().text();
  }
  std::vector<std::thread> clients;
  for (int i = 0; i < kAsked; ++i)
    clients.emplace_back([&] {
      EXPECT_EQ(request(tiers.back()->address(), kGet).status(), 503);
      std::lock_guard lock(mutex);
      ++ended;
      changed.notify_all();
    });
  for (auto& client : clients) client.join();
  EXPECT_LE(seen, kAsked + kMore);
  EXPECT_GT(seen, kAsked);
  for (int tier = 0; tier < 4; ++tier) EXPECT_EQ(tiers[size_t(tier)]->metric("outrider_cluster_retries_total"), 0) << tier;
}

}  // namespace
}  // namespace outrider::test
