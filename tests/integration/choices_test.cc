// Which of its endpoints a cluster asks: each balancer, zones, backups, labels, subsets and newcomers, by real proxies (FEATURES
// rows 56 to 70; what each balancer promises in numbers is in unit/upstream).

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <set>

#include "identity/files.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/quiet.h"
#include "tests/support/sockets.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: web\r\n\r\n";

// Answers with its name; who asks for /held is answered once go_on is set.
struct App {
  explicit App(std::string name) : name_(std::move(name)) {}
  ~App() { release(); }
  std::string text() const { return origin.text(); }
  void release() {
    if (!std::exchange(released_, true)) go_on_.set_value();
  }
  std::atomic<int> held{0};

 private:
  const std::string name_;
  bool released_ = false;
  std::promise<void> go_on_;
  std::shared_future<void> may_go_on_ = go_on_.get_future().share();

 public:
  Origin origin{[this](Stream& connection) {
    while (const auto message = connection.read_message()) {
      if (message->start.find(" /held ") != std::string::npos) {
        ++held;
        may_go_on_.wait();
      }
      if (!connection.send(ok(name_))) return;
    }
  }};
};

class Choices : public testing::Test {
 protected:
  // One worker: what it does is then certain.
  void start(const std::vector<std::string>& endpoints, const std::string& cluster, std::vector<std::string> set = {}) {
    set.push_back("overload.threads=1");
    std::string list;
    for (const auto& each : endpoints) list += (list.empty() ? "" : ", ") + each;
    proxy_ = std::make_unique<Proxy>(
        "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: "
        "web}]}\nclusters: {web: {" +
            cluster + ", endpoints: [" + list + "]}}\n",
        set);
  }
  static std::string endpoint(const App& app, const std::string& more) {
    return "{address: \"" + app.text() + "\"" + (more.empty() ? "" : ", " + more) + "}";
  }
  // Who answers how many of so many requests.
  std::map<std::string, int> counts(int requests, const std::string& bytes = kGet) {
    std::map<std::string, int> seen;
    Stream client = proxy_->connect();
    for (int i = 0; i < requests; ++i) {
      client.send(bytes);
      const auto answer = client.read_message();
      EXPECT_TRUE(answer);
      if (!answer) break;
      EXPECT_EQ(answer->status(), 200) << answer->body;
      ++seen[answer->body];
    }
    return seen;
  }
  // The name of whom one more request, which is held there, has gone to.
  App& hold(Stream& client, std::initializer_list<App*> apps, const std::string& fields = {}) {
    client.send("GET /held HTTP/1.1\r\nHost: web\r\n" + fields + "\r\n");
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < limit)
      for (App* app : apps)
        if (app->held) return *app;
    ADD_FAILURE() << "nobody has it";
    return **apps.begin();
  }
  App a{"a"}, b{"b"}, c{"c"};
  std::unique_ptr<Proxy> proxy_;
};

class ChoicesOfEach : public Choices, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Balancers, ChoicesOfEach,
                         testing::Values("round_robin", "random", "least_request", "ewma", "adaptive", "ring_hash", "maglev"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(ChoicesOfEach, EverybodyIsAskedAndNobodyOfWeightZero) {
  start({endpoint(a, ""), endpoint(b, ""), endpoint(c, "weight: 0")},
        std::string("lb: ") + GetParam() + ", lb_options: {hash: header.x-none}");
  std::map<std::string, int> seen;  // who was slow at first may wait for its next turn
  for (const auto limit = net::Loop::clock() + seconds(60); net::Loop::clock() < limit && !(seen.count("a") && seen.count("b"));)
    seen.merge(counts(100));
  EXPECT_GT(seen.count("a"), 0u);
  EXPECT_GT(seen.count("b"), 0u);
  EXPECT_EQ(seen.count("c"), 0u);
  expect_quiet(*proxy_);
}

// It is as fast as the other, for all that is known; but it is busy.
class ChoicesByLoad : public ChoicesOfEach {};
INSTANTIATE_TEST_SUITE_P(Balancers, ChoicesByLoad, testing::Values("least_request", "ewma", "adaptive"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(ChoicesByLoad, WhoIsBusyIsPassedBy) {
  start({endpoint(a, ""), endpoint(b, "")}, std::string("lb: ") + GetParam());
  Stream waiting = proxy_->connect();
  App& busy = hold(waiting, {&a, &b});
  EXPECT_EQ(counts(20), (std::map<std::string, int>{{&busy == &a ? "b" : "a", 20}}));
  busy.release();
  EXPECT_TRUE(waiting.read_message());
}

// Row 63: a key's own endpoint has more than its share already.
class ChoicesByKey : public ChoicesOfEach {};
INSTANTIATE_TEST_SUITE_P(Balancers, ChoicesByKey, testing::Values("ring_hash", "maglev"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(ChoicesByKey, ABoundOfLoadLeadsPastABusyEndpointAndBackAgain) {
  start({endpoint(a, ""), endpoint(b, ""), endpoint(c, "")},
        std::string("lb: ") + GetParam() + ", lb_options: {hash: header.x-user, bounded_load: 1.25}");
  const std::string anna = "GET / HTTP/1.1\r\nHost: web\r\nX-User: anna\r\n\r\n";
  const auto before = counts(5, anna);
  ASSERT_EQ(before.size(), 1u);
  Stream waiting = proxy_->connect();
  App& busy = hold(waiting, {&a, &b, &c}, "X-User: anna\r\n");
  const auto meanwhile = counts(5, anna);
  EXPECT_EQ(meanwhile.size(), 1u);
  EXPECT_NE(meanwhile, before);
  busy.release();
  EXPECT_TRUE(waiting.read_message());
  EXPECT_EQ(counts(5, anna), before);
}

TEST_F(Choices, WeightsAreShares) {
  start({endpoint(a, "weight: 10"), endpoint(b, "weight: 20"), endpoint(c, "weight: 50")}, "lb: round_robin");
  auto seen = counts(160);
  EXPECT_NEAR(seen["a"], 20, 2);
  EXPECT_NEAR(seen["b"], 40, 2);
  EXPECT_NEAR(seen["c"], 100, 2);
}

TEST_F(Choices, OurOwnZoneComesFirstAndAnotherWhereItFails) {
  start({endpoint(a, "zone: east"), endpoint(b, "zone: west"), endpoint(c, "zone: east")},
        "lb: round_robin, outlier_detection: {consecutive_local: 1, base_ejection: 1h, max_ejected: 100%}", {"node.zone=east"});
  auto seen = counts(20);
  EXPECT_EQ(seen["a"] + seen["c"], 20);
  EXPECT_EQ(seen["b"], 0);
  a.origin.stop();
  c.origin.stop();
  EXPECT_EQ(counts(20)["b"], 20) << "no request fails over it";
  EXPECT_GT(proxy_->metric("outrider_cluster_picks_total"), 0);
}

TEST_F(Choices, BackupsStandByUntilTheFirstFail) {
  start({endpoint(a, "priority: 0"), endpoint(b, "priority: 1"), endpoint(c, "priority: 2")},
        "lb: round_robin, outlier_detection: {consecutive_local: 1, base_ejection: 1h, max_ejected: 100%}");
  EXPECT_EQ(counts(20), (std::map<std::string, int>{{"a", 20}}));
  a.origin.stop();
  EXPECT_EQ(counts(20), (std::map<std::string, int>{{"b", 20}}));
  b.origin.stop();
  EXPECT_EQ(counts(20), (std::map<std::string, int>{{"c", 20}}));
}

TEST_F(Choices, WhoLacksALabelIsNotAskedAndWhoHasAPreferredOneComesFirst) {
  start(
      {endpoint(a, "labels: {gpu: \"true\"}"), endpoint(b, ""), endpoint(c, "labels: {gpu: \"true\", disk: ssd}")},
      "lb: round_robin, constraints: {require: {gpu: \"true\"}, prefer: {disk: ssd}}, outlier_detection: {consecutive_local: 1, "
      "max_ejected: 100%}");
  EXPECT_EQ(counts(10), (std::map<std::string, int>{{"c", 10}}));
  c.origin.stop();
  EXPECT_EQ(counts(10), (std::map<std::string, int>{{"a", 10}}));
}

TEST_F(Choices, AWorkerKeepsToSomeOfMany) {
  std::vector<std::unique_ptr<App>> apps;
  std::vector<std::string> endpoints;
  for (int i = 0; i < 12; ++i) {
    apps.push_back(std::make_unique<App>(std::to_string(i)));
    endpoints.push_back(endpoint(*apps.back(), ""));
  }
  start(endpoints, "lb: round_robin, lb_options: {subset_size: 3}");
  EXPECT_EQ(counts(60).size(), 3u);
  int connected = 0;
  for (const auto& app : apps) connected += app->origin.connections();
  EXPECT_EQ(connected, 3);
}

// Row 66: with its share at once it would have a third. Who comes while the others are new themselves is no newcomer.
TEST_F(Choices, ANewcomerStartsSlowly) {
  constexpr seconds kSlowStart{3};
  struct Look {
    Look() { Proxy::file_look = milliseconds(20); }
    ~Look() { Proxy::file_look = identity::kFileLook; }
  } look;
  const TemporaryDirectory folder;
  const std::string file = folder.file("endpoints");
  const auto write = [&](const std::string& text) { ASSERT_TRUE(identity::write_file(file, text, 0600)); };
  write("- " + a.text() + "\n- " + b.text() + "\n");
  proxy_ = std::make_unique<Proxy>(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "routes: {edge: [{cluster: web}]}\nclusters: {web: {lb: round_robin, slow_start: " +
          std::to_string(kSlowStart.count()) + "s, endpoints_file: " + file + "}}\n",
      std::vector<std::string>{"overload.threads=1"});
  auto seen = counts(20);
  EXPECT_EQ(seen["a"], 10) << "nobody starts slowly where all are new";
  for (const auto old = net::Loop::clock() + kSlowStart + milliseconds(50); net::Loop::clock() < old;)
    std::this_thread::sleep_for(milliseconds(5));
  write("- " + a.text() + "\n- " + b.text() + "\n- " + c.text() + "\n");
  proxy_->expect_metric(3, "outrider_cluster_endpoints", "state=\"ready\"");
  seen = counts(42);
  EXPECT_LE(seen["c"], 7) << "a tenth at first: two of them";
  for (const auto limit = net::Loop::clock() + seconds(60); net::Loop::clock() < limit && seen["c"] < 13;) seen = counts(42);
  EXPECT_GE(seen["c"], 13) << "and its whole share at last";
}

}  // namespace
}  // namespace outrider::test
