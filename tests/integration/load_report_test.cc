// Row 69: sidecars tell each other how busy their applications are, and nobody else.

#include <gtest/gtest.h>

#include <condition_variable>

#include "tests/support/mutual_tls.h"

namespace outrider::test {
namespace {

const std::string kAskLoad = "GET / HTTP/1.1\r\nHost: shop\r\nX-Outrider-Load: 1\r\n\r\n";
const std::string kField = "x-outrider-load";

// Keeps whoever asks for /wait until its end; the others get a mirror of their head, and what it says of itself.
class App {
 public:
  explicit App(std::string says = {}) : says_(std::move(says)) {}
  ~App() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
  }
  int waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }
  const Origin& origin() const { return origin_; }

 private:
  void serve(Stream& connection) {
    while (const auto head = connection.read_message()) {
      std::string fields;
      for (const auto& [name, value] : head->fields) fields += name + ": " + value + "\n";
      if (has(head->start, "/wait")) {
        std::unique_lock lock(mutex_);
        ++waiting_;
        changed_.wait(lock, [&] { return over_; });
      }
      if (!connection.send(ok(fields, says_))) return;
    }
  }
  const std::string says_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool over_ = false;
  Origin origin_{[this](Stream& connection) { serve(connection); }};
};

class LoadReports : public MutualTls {
 protected:
  std::unique_ptr<Proxy> asking(const std::string& name) {
    auto set = common(name, "web");
    for (const char* each : {"listeners.outbound.address=127.0.0.1:0", "defaults.cluster.lb=adaptive"}) set.push_back(each);
    return std::make_unique<Proxy>("version: 1\nmode: sidecar\n", std::move(set));
  }
  std::unique_ptr<Proxy> shop(const App& app, std::vector<std::string> more = {}) {
    auto set = replica("one", std::to_string(app.origin().address().port()));
    for (auto& each : more) set.push_back(std::move(each));
    return std::make_unique<Proxy>("version: 1\nmode: sidecar\n", std::move(set));
  }
  // As that proxy knows it of the only endpoint; empty: it does not.
  static std::string load_at(Proxy& proxy) {
    const std::string page = proxy.get("/clusters?cluster=default/shop").body;
    const size_t at = page.find("\"load\": ");
    return at == page.npos ? "" : page.substr(at + 8, page.find(',', at) - at - 8);
  }
  Message answered(Proxy& proxy) {
    Message answer;
    until("an answer", [&] { return (answer = request(proxy.address("outbound"), kAsk)).status() == 200; });
    return answer;
  }
  std::optional<Message> ask(const net::Address& inbound, const std::string& request) {
    auto client = connect_as("web", inbound);
    client.send(request);
    return client.read_message();
  }
};

// Three requests of one caller are seen by the other, neither application sees a thing.
TEST_F(LoadReports, WhoAsksKnowsOfTheRequestsOfOthers) {
  const auto one = asking("web");
  seed = registry_of(*one);
  const auto other = asking("web-2");
  App app;
  const auto sidecar = shop(app, {"service.capacity.slots=4"});
  const Message answer = answered(*one);
  EXPECT_FALSE(has(answer.body, kField)) << "the application was shown the question: " << answer.body;
  EXPECT_EQ(answer.count(kField), 0u) << "the client was shown the answer";
  EXPECT_EQ(load_at(*one), "0");
  std::vector<Stream> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(Stream::connect(one->address("outbound")));
    held.back().send("GET /wait HTTP/1.1\r\nHost: shop\r\n\r\n");
  }
  until("three at once", [&] { return app.waiting() == 3; });
  EXPECT_EQ(answered(*other).count(kField), 0u);
  EXPECT_EQ(load_at(*other), "0.75");
}

TEST_F(LoadReports, WhatTheApplicationSaysItselfGoesOnUnchangedAndCounts) {
  const auto web = asking("web");
  seed = registry_of(*web);
  App app("endpoint-load-metrics: TEXT application_utilization=0.375\r\nx-outrider-load: application_utilization=9\r\n");
  const auto sidecar = shop(app, {"service.concurrency=4"});
  const Message answer = answered(*web);
  EXPECT_EQ(answer.field("endpoint-load-metrics"), "TEXT application_utilization=0.375");
  EXPECT_EQ(answer.count(kField), 0u);
  EXPECT_EQ(load_at(*web), "0.375");
}

TEST_F(LoadReports, AreForSidecarsThatAskAlone) {
  App app;
  const auto sidecar = shop(app, {"service.concurrency=4"}),
             lax = shop(app, {"service.concurrency=4", "identity.mtls=permissive"});
  const auto inbound = sidecar->address("inbound");
  const auto asked = ask(inbound, kAskLoad);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->field(kField), "application_utilization=0.000,named_metrics.in_flight=0.000,named_metrics.slots=4.000");
  EXPECT_FALSE(has(asked->body, "outrider-load")) << asked->body;
  const auto unasked = ask(inbound, kAsk);
  ASSERT_TRUE(unasked);
  EXPECT_EQ(unasked->count(kField), 0u);
  const auto stranger = request(lax->address("inbound"), kAskLoad);
  EXPECT_EQ(stranger.status(), 200);
  EXPECT_EQ(stranger.count(kField), 0u) << "it has shown no identity";
  EXPECT_FALSE(has(stranger.body, "outrider-load")) << stranger.body;
}

// A refusal says more than any answer that there is no room.
TEST_F(LoadReports, WhoIsRefusedIsToldHowMuchIsThere) {
  App app;
  const auto sidecar = shop(app, {"service.concurrency=1", "service.queue.max=0"});
  auto held = connect_as("web", sidecar->address("inbound"));
  held.send("GET /wait HTTP/1.1\r\nHost: shop\r\n\r\n");
  until("it is there", [&] { return app.waiting() == 1; });
  const auto refused = ask(sidecar->address("inbound"), kAskLoad);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status(), 503);
  EXPECT_EQ(refused->field(kField), "application_utilization=1.000,named_metrics.in_flight=1.000,named_metrics.slots=1.000");
}

}  // namespace
}  // namespace outrider::test
