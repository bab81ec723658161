// What nobody waits for any more is not begun: requests that are given up behind five proxies while they wait for a place at the
// last of them, or to be tried again. A client has gone before its flag says so, and the leaf looks at the flag when a request
// comes: what it begins for those who had gone is wasted.

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>

#include "tests/support/grpc.h"
#include "tests/support/origin.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

using namespace http;

constexpr int kTiers = 5, kWaiting = 100, kStaying = 10, kLeaving = kWaiting - kStaying;

// What reaches the leaf, which works on nothing until it may.
class Leaf {
 public:
  // By the connection's thread: returns when the work on this request is over.
  void work(int number) {
    std::unique_lock lock(mutex_);
    ++begun_;
    wasted_ += gone_.contains(number);
    changed_.notify_all();
    EXPECT_TRUE(changed_.wait_for(lock, kLimit, [&] { return may_go_on_; }));
  }
  void go_on() {
    std::lock_guard lock(mutex_);
    may_go_on_ = true;
    changed_.notify_all();
  }
  void leave(int number) {
    std::lock_guard lock(mutex_);
    gone_.insert(number);
  }
  void expect_begun(int n) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kLimit, [&] { return begun_ >= n; })) << begun_ << " of " << n;
  }
  int begun() { return std::lock_guard(mutex_), begun_; }
  // Less than one in a hundred.
  void expect_little_wasted() {
    std::lock_guard lock(mutex_);
    std::printf("%zu left, %d begun after that\n", gone_.size(), wasted_);
    EXPECT_LT(wasted_ * 100, int(gone_.size()));
  }

 private:
  static constexpr std::chrono::seconds kLimit{60};
  std::mutex mutex_;
  std::condition_variable changed_;
  int begun_ = 0, wasted_ = 0;
  bool may_go_on_ = false;
  std::set<int> gone_;
};

// The number in the first path of a text: "/17".
int number_in(std::string_view text) { return std::atoi(std::string(text.substr(text.find('/') + 1, 4)).c_str()); }

std::string get(int number) { return "GET /" + std::to_string(number) + " HTTP/1.1\r\nHost: web\r\n\r\n"; }

std::string get(uint32_t stream, int number) {
  return headers(stream,
                 {{":method", "GET"}, {":scheme", "http"}, {":path", "/" + std::to_string(number)}, {":authority", "web"}});
}

// Five proxies in a row, the last one before the leaf, with one connection to it.
class Tiers {
 public:
  Tiers(const std::string& leaf, const std::string& last, const std::string& first = {}, const std::string& between = {}) {
    std::string next = leaf;
    for (int tier = 0; tier < kTiers; ++tier) {
      const std::string more = tier == 0 ? last : tier == kTiers - 1 && !first.empty() ? first : between;
      tiers_.push_back(std::make_unique<Proxy>(
          Proxy::edge({next}, "timeout: 0" + (more.empty() ? "" : ", " + more), "http: {forwarded: append}"),
          std::vector<std::string>{"overload.threads=1", "telemetry.metrics.endpoint_metrics=on"}));
      next = tiers_.back()->address().text();
    }
  }
  Proxy& first() { return *tiers_.back(); }
  Proxy& last() { return *tiers_.front(); }
  void expect_waiting(int n) { last().expect_metric(n, "outrider_cluster_pending_requests"); }
  void expect_under_way(int n) {
    for (auto& tier : tiers_) tier->expect_metric(n, "outrider_requests_in_flight");
  }

 private:
  std::vector<std::unique_ptr<Proxy>> tiers_;
};

constexpr char kOneAtATime[] = "circuit_breaker: {max_connections: 1}";

// By HTTP/1 between all of them, or by HTTP/2 but to the leaf.
class Abandoned : public testing::TestWithParam<const char*> {
 protected:
  Leaf leaf_;
  Origin origin_{[this](Stream& connection) {
    while (const auto message = connection.read_message()) {
      leaf_.work(number_in(message->start));
      if (!connection.send(ok("late"))) return;
    }
  }};
  Tiers tiers_{origin_.text(), kOneAtATime, GetParam(), GetParam()};
  // The leaf has its hands full with the request of somebody who stays, who asks the last tier.
  Stream busy_ = [this] {
    Stream client = tiers_.last().connect();
    client.send(get(0));
    leaf_.expect_begun(1);
    return client;
  }();
  // Who leaves is known to have left at the last tier; then the leaf goes on, for those who stay.
  void expect_those_who_stay_alone(std::vector<Stream>& staying) {
    tiers_.expect_waiting(kStaying);
    leaf_.go_on();
    for (Stream& client : staying) {
      const auto answer = client.read_message();
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->status(), 200);
    }
    EXPECT_TRUE(busy_.read_message());
    tiers_.expect_under_way(0);
    EXPECT_EQ(leaf_.begun(), 1 + kStaying);
    leaf_.expect_little_wasted();
  }
  std::vector<Stream> ask(int from, int count) {
    std::vector<Stream> clients;
    for (int i = 0; i < count; ++i) {
      clients.push_back(tiers_.first().connect());
      clients.back().send(get(from + i));
    }
    return clients;
  }
};
INSTANTIATE_TEST_SUITE_P(Between, Abandoned, testing::Values("protocol: http1", "protocol: http2"),
                         [](const auto& of) { return std::string(of.param).ends_with('2') ? "Http2" : "Http1"; });

TEST_P(Abandoned, WhoResetsTheirConnectionInTheQueueIsNotBegun) {
  auto leaving = ask(1, kLeaving), staying = ask(1 + kLeaving, kStaying);
  tiers_.expect_waiting(kWaiting);
  for (int i = 0; i < kLeaving; ++i) {
    leaving[size_t(i)].abort();
    leaf_.leave(1 + i);
  }
  expect_those_who_stay_alone(staying);
}

TEST_P(Abandoned, WhoClosesTheirConnectionInTheQueueIsNotBegun) {
  auto leaving = ask(1, kLeaving), staying = ask(1 + kLeaving, kStaying);
  tiers_.expect_waiting(kWaiting);
  for (int i = 0; i < kLeaving; ++i) {
    leaving[size_t(i)].close();
    leaf_.leave(1 + i);
  }
  expect_those_who_stay_alone(staying);
}

TEST_P(Abandoned, WhoResetsTheirStreamInTheQueueIsNotBegun) {
  H2Peer leaving(tiers_.first().address());
  for (int i = 0; i < kLeaving; ++i) leaving.send(get(uint32_t(2 * i + 1), 1 + i));
  auto staying = ask(1 + kLeaving, kStaying);
  tiers_.expect_waiting(kWaiting);
  for (int i = 0; i < kLeaving; ++i) {
    leaving.send(frame(NGHTTP2_RST_STREAM, 0, uint32_t(2 * i + 1), number(NGHTTP2_CANCEL)));
    leaf_.leave(1 + i);
  }
  expect_those_who_stay_alone(staying);
}

TEST_P(Abandoned, WhoClosesAConnectionOfManyStreamsIsNotBegun) {
  H2Peer leaving(tiers_.first().address());
  for (int i = 0; i < kLeaving; ++i) leaving.send(get(uint32_t(2 * i + 1), 1 + i));
  auto staying = ask(1 + kLeaving, kStaying);
  tiers_.expect_waiting(kWaiting);
  leaving.close();
  for (int i = 0; i < kLeaving; ++i) leaf_.leave(1 + i);
  expect_those_who_stay_alone(staying);
}

// The first tier answers 504 for the others, and lets go of what it has asked of the next.
TEST_P(Abandoned, WhoIsToldThatItTookTooLongIsNotBegun) {
  Proxy impatient(Proxy::edge({tiers_.first().address().text()}, "timeout: 300ms, " + std::string(GetParam())));
  std::vector<Stream> leaving;
  for (int i = 0; i < kLeaving; ++i) {
    leaving.push_back(impatient.connect());
    leaving.back().send(get(1 + i));
  }
  auto staying = ask(1 + kLeaving, kStaying);
  for (int i = 0; i < kLeaving; ++i) {
    const auto answer = leaving[size_t(i)].read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 504);
    leaf_.leave(1 + i);
  }
  expect_those_who_stay_alone(staying);
}

// Between two tries everybody leaves. Who has drawn a short time may have been tried again, and answered, by then.
class AbandonedBetweenTries : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(At, AbandonedBetweenTries, testing::Bool(),
                         [](const auto& of) { return of.param ? "TheFirstTier" : "TheLastTier"; });

TEST_P(AbandonedBetweenTries, NobodyIsTriedAgain) {
  Leaf leaf;
  Origin origin([&](Stream& connection) {
    while (const auto message = connection.read_message()) {
      leaf.work(number_in(message->start));
      if (!connection.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")) return;
    }
  });
  const std::string retries = "retry: {when: 503, attempts: 1, budget_min: 100, backoff: {base: 1h, max: 1h}}",
                    none = "retry: off";
  Tiers tiers(origin.text(), GetParam() ? none : retries, GetParam() ? retries : none, none);
  std::vector<Stream> clients;
  for (int i = 0; i < kWaiting; ++i) {
    clients.push_back(tiers.first().connect());
    clients.back().send(get(i));
  }
  leaf.expect_begun(kWaiting);
  Proxy& waiting = GetParam() ? tiers.first() : tiers.last();
  waiting.expect_metric(kWaiting, "outrider_endpoint_requests_in_flight");  // a page of metrics may be a little old
  leaf.go_on();
  waiting.expect_metric(0, "outrider_endpoint_requests_in_flight");
  EXPECT_GT(waiting.metric("outrider_requests_in_flight"), kWaiting / 2) << "they wait for their second try";
  for (int i = 0; i < kWaiting; ++i) {
    clients[size_t(i)].abort();
    leaf.leave(i);
  }
  tiers.expect_under_way(0);
  leaf.expect_little_wasted();
}

// Deadlines of calls end at every tier by themselves, too. The leaf takes one stream at a time, and says so.
TEST(AbandonedCalls, WhoseDeadlineHasPassedAreNotBegun) {
  Leaf leaf;
  GrpcEndpoint endpoint([&](H2Peer& peer) {
    peer.send(frame(NGHTTP2_SETTINGS, 0, 0, number(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2) + number(1)) +
              frame(NGHTTP2_PING, 0, 0, "settled!"));
    if (!peer.reads("PING")) return;
    for (uint32_t stream = 1;; stream += 2) {
      const std::string mark = "DATA " + std::to_string(stream) + " end";
      const auto lines = peer.read_until(mark);
      if (!has(lines, mark)) return;
      leaf.work(number_in(lines.substr(lines.find("[:path: "))));
      peer.forget();
      peer.send(grpc_answer(stream));
    }
  });
  Tiers tiers(endpoint.origin.text(), std::string(kOneAtATime));
  const auto call = [](uint32_t stream, int number, http::Fields more) {
    http::Fields fields = grpc_fields(std::move(more));
    for (auto& [name, value] : fields)
      if (name == ":path") value = "/" + std::to_string(number);
    return headers(stream, fields, kEndHeaders) + data(stream, kGrpcMessage, true);
  };
  H2Peer busy(tiers.last().address());
  busy.send(call(1, 0, {}));
  leaf.expect_begun(1);
  H2Peer leaving(tiers.first().address());
  for (int i = 0; i < kLeaving; ++i) leaving.send(call(uint32_t(2 * i + 1), 1 + i, {{"grpc-timeout", "400m"}}));
  for (int i = 0; i < kLeaving; ++i) {
    const std::string head = "HEADERS " + std::to_string(2 * i + 1) + " end";
    const auto lines = leaving.read_until(head);
    const size_t at = lines.find(head);
    ASSERT_NE(at, lines.npos) << lines;
    EXPECT_TRUE(has(lines.substr(at, lines.find('\n', at) - at), "[grpc-status: 4]")) << lines.substr(at);
    leaf.leave(1 + i);
  }
  tiers.expect_waiting(0);
  H2Peer staying(tiers.first().address());
  for (int i = 0; i < kStaying; ++i) staying.send(call(uint32_t(2 * i + 1), 1 + kLeaving + i, {{"grpc-timeout", "1H"}}));
  tiers.expect_waiting(kStaying);
  leaf.go_on();
  for (int i = 0; i < kStaying; ++i) EXPECT_TRUE(staying.reads("HEADERS " + std::to_string(2 * i + 1) + " end [grpc-status: 0]"));
  EXPECT_TRUE(busy.reads("[grpc-status: 0]"));
  tiers.expect_under_way(0);
  EXPECT_EQ(leaf.begun(), 1 + kStaying);
  leaf.expect_little_wasted();
}

}  // namespace
}  // namespace outrider::test
