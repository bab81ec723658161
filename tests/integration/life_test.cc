// The life of a sidecar beside an application that others have started: it outlives it, and not by much. Where the processes of a
// pod are seen: tests/job/job.py.

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include "tests/support/origin.h"
#include "tests/support/program.h"
#include "tests/support/proxy.h"
#include "tests/support/sockets.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";
const std::string kClosing = "GET /a HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";

// Whose limits are all beyond what this test may take.
std::string sidecar(const Origin& app, const Origin& other) {
  return "version: 1\nmode: sidecar\nregistry: {kind: none}\nservice: {name: shop, port: " +
         std::to_string(app.address().port()) + "}\nclusters: {other: {endpoints: [\"" + other.text() +
         "\"]}}\nroutes: {outbound: [{cluster: other}]}\n";
}

std::vector<std::string> patient(std::vector<std::string> more = {}) {
  std::vector<std::string> set{"listeners.inbound.address=127.0.0.1:0", "listeners.outbound.address=127.0.0.1:0",
                               "lifecycle.outbound_until=app_exit", "lifecycle.drain.delay=10m", "lifecycle.drain.time=20m"};
  for (auto& each : more) set.push_back(std::move(each));
  return set;
}

TEST(SidecarsLife, WithTheAppGoneNobodyIsWaitedFor) {
  const auto other = Origin::answering("other"), app = Origin::answering("app");
  Proxy proxy(sidecar(*app, *other), patient());
  proxy.expect_metric(1, "outrider_service_up");
  EXPECT_EQ(request(proxy.address("inbound"), kClosing).body, "app");
  const Stream idle = proxy.connect("inbound");
  app->stop();
  EXPECT_EQ(proxy.end(), 0) << "as a native sidecar of a pod that is done";
}

TEST(SidecarsLife, AnAppThatEndsDuringTheDelayEndsIt) {
  const auto other = Origin::answering("other"), app = Origin::answering("app");
  Proxy proxy(sidecar(*app, *other), patient());
  proxy.expect_metric(1, "outrider_service_up");
  proxy.begin_end();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(request(proxy.address("inbound"), kClosing).body, "app") << "whoever still comes is served";
    EXPECT_EQ(request(proxy.address("outbound"), kClosing).body, "other");
  }
  app->stop();
  EXPECT_EQ(proxy.end(), 0);
}

// An application that ends in order closes its port first.
TEST(SidecarsLife, AnAppThatListensNoMoreMayStillCall) {
  const auto other = Origin::answering("other"), app = Origin::answering("app");
  Proxy proxy(sidecar(*app, *other), patient({"lifecycle.drain.delay=0"}));
  proxy.expect_metric(1, "outrider_service_up");
  Stream call = proxy.connect("outbound");
  call.send(kGet);
  ASSERT_TRUE(call.read_message());
  app->stop();
  proxy.begin_end();
  for (int i = 0; i < 3; ++i) {
    proxy.get("/ready");
    call.send(kGet);
    const auto answer = call.read_message();
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->body, "other");
  }
  call.close();
  EXPECT_EQ(proxy.end(), 0);
}

TEST(SidecarsLife, DrainKeepsTheAppsCalls) {
  const auto other = Origin::answering("other"), app = Origin::answering("app");
  Proxy proxy(sidecar(*app, *other), patient({"lifecycle.drain.delay=0"}));
  proxy.expect_metric(1, "outrider_service_up");
  const auto told = request(proxy.address("admin"), "POST /drain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(told.status(), 202) << "at once, as preStop is to end";
  EXPECT_EQ(proxy.get("/ready").status(), 503);
  EXPECT_EQ(request(proxy.address("outbound"), kClosing).body, "other");
  EXPECT_EQ(request(proxy.address("inbound"), kClosing).body, "app");
  app->stop();
  EXPECT_EQ(proxy.end(), 0);
}

class OfItself : public testing::Test {
 protected:
  std::unique_ptr<Program> run(uint16_t app, std::vector<std::string> set) {
    std::ofstream(folder_.file("c")) << "version: 1\nmode: sidecar\nregistry: {kind: none}\nservice: {name: shop, port: " << app
                                     << "}\nconfig: {history: off}\nadmin: {address: \"unix:" << folder_.file("admin")
                                     << "\", health: off}\ntelemetry: {metrics: off}\nlifecycle: {exit_with: app}\n";
    std::vector<std::string> words{"run", "-c", folder_.file("c")};
    for (const char* each : {"listeners.inbound.address=127.0.0.1:0", "listeners.outbound.address=127.0.0.1:0"})
      set.push_back(each);
    for (auto& each : set) {
      words.push_back("--set");
      words.push_back(std::move(each));
    }
    return std::make_unique<Program>(words, folder_.file("log"));
  }
  std::string log() {
    std::ostringstream text;
    text << std::ifstream(folder_.file("log")).rdbuf();
    return text.str();
  }
  bool logs(const std::string& what) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (log().find(what) == std::string::npos)
      if (std::chrono::steady_clock::now() > limit) return false;
    return true;
  }
  TemporaryDirectory folder_;
};

TEST_F(OfItself, EndsWhenTheAppsPortHasClosed) {
  const auto app = Origin::answering("app");
  const auto program = run(app->address().port(), {"lifecycle.app.grace=0", "service.health=off"});
  while (app->connections() == 0) {}
  app->stop();
  EXPECT_EQ(program->wait(), 0);
  EXPECT_NE(log().find("the app has ended"), std::string::npos) << log();
}

TEST_F(OfItself, DoesNotEndBeforeTheAppWasThere) {
  const auto absent = refusing_address();
  const auto program = run(absent.port(), {"lifecycle.app.grace=0", "lifecycle.app.wait=10ms"});
  ASSERT_TRUE(logs("nobody has listened where the app is to")) << log();
  EXPECT_EQ(::kill(program->pid(), 0), 0);
  program->signal(SIGINT);
  EXPECT_EQ(program->wait(), 0);
}

// --- outrider wait ---------------------------------------------------------------------------------------------------

struct Wait : OfItself {
  int wait(const std::string& admin, const std::string& timeout) {
    return Program({"wait", "--timeout", timeout, "--admin", admin}, folder_.file("wait")).wait();
  }
  std::string said() {
    std::ostringstream text;
    text << std::ifstream(folder_.file("wait")).rdbuf();
    return text.str();
  }
};

TEST_F(Wait, EndsOnceTheProxyIsReady) {
  const auto app = Origin::answering("app");
  Program waiting({"wait", "--timeout", "60s", "--admin", "unix:" + folder_.file("admin")}, folder_.file("wait"));
  const auto program = run(app->address().port(), {});
  EXPECT_EQ(waiting.wait(), 0) << said();
  EXPECT_EQ(said().substr(0, 5), "ready") << said();
}

TEST_F(Wait, SaysWhatItHasWaitedFor) {
  EXPECT_EQ(wait("unix:" + folder_.file("nobody"), "100ms"), 1);
  EXPECT_NE(said().find("not ready within 100ms: nobody answers at unix:"), std::string::npos) << said();
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}), {"admin.health=127.0.0.1:0"});
  EXPECT_EQ(wait(proxy.address("admin").text(), "20s"), 0) << said();
  EXPECT_EQ(wait(proxy.address("health").text(), "20s"), 0) << said();
  request(proxy.address("admin"), "POST /drain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(wait(proxy.address("admin").text(), "100ms"), 1);
  EXPECT_NE(said().find("leaving"), std::string::npos) << said();
}

TEST_F(Wait, IsAskedForInTheRightWords) {
  EXPECT_EQ(wait("127.0.0.1:1", "soon"), 2);
  EXPECT_EQ(wait("nowhere", "1s"), 2);
}

// --- how many replicas there are to be (service.autoscale) -----------------------------------------------------------

struct Busy {  // an application that keeps whoever asks
  std::promise<void> go_on;
  std::shared_future<void> may_go_on = go_on.get_future().share();
  std::unique_ptr<Origin> origin = Origin::answering([this](const Message&) {
    may_go_on.wait();
    return ok("late");
  });
};

std::unique_ptr<Proxy> beside(const Busy& app, std::vector<std::string> more) {
  for (const char* each :
       {"listeners.inbound.address=127.0.0.1:0", "listeners.outbound.address=127.0.0.1:0", "overload.threads=2"})
    more.push_back(each);
  return std::make_unique<Proxy>("version: 1\nmode: sidecar\nregistry: {kind: none}\nservice: {name: shop, port: " +
                                     std::to_string(app.origin->address().port()) + "}\n",
                                 std::move(more));
}

std::vector<Stream> ask(Proxy& proxy, int times) {
  std::vector<Stream> clients;
  for (int i = 0; i < times; ++i) {
    clients.push_back(proxy.connect("inbound"));
    clients.back().send(kGet);
  }
  return clients;
}

TEST(Replicas, UtilizationIsWhatIsInTheAppByItsSlots) {
  Busy app;
  const auto proxy = beside(app, {"service.capacity.slots=4", "service.autoscale={target: 50%, over: 1s, min: 2, max: 9}"});
  proxy->expect_metric(2, "outrider_service_replicas_limit", "limit=\"min\"");
  proxy->expect_metric(9, "outrider_service_replicas_limit", "limit=\"max\"");
  auto clients = ask(*proxy, 2);
  proxy->expect_metric(0.5, "outrider_service_utilization_ratio");
  while (proxy->metric("outrider_service_desired_replicas") < 0.98) {}
  EXPECT_LE(proxy->metric("outrider_service_desired_replicas"), 1) << "as full as it is to be: one pod for one";
  app.go_on.set_value();
  for (auto& client : clients) EXPECT_TRUE(client.read_message());
  proxy->expect_metric(0, "outrider_service_utilization_ratio");
  while (proxy->metric("outrider_service_desired_replicas") > 0.02) {}
}

TEST(Replicas, WhoWaitsCountsAndNoPodAsksForMoreThanTwoFullOnes) {
  Busy app;
  const auto proxy =
      beside(app, {"service.concurrency=2", "service.queue.timeout=10m", "service.autoscale={target: 80%, over: 1s}"});
  auto clients = ask(*proxy, 12);
  proxy->expect_metric(6, "outrider_service_utilization_ratio");
  while (proxy->metric("outrider_service_desired_replicas") < 2.45) {}
  EXPECT_LE(proxy->metric("outrider_service_desired_replicas"), 2.5);
  app.go_on.set_value();
  for (auto& client : clients) EXPECT_TRUE(client.read_message());
}

TEST(Replicas, AreNotCountedWhereNobodySaysHowMuchItTakes) {
  Busy app;
  app.go_on.set_value();
  const auto proxy = beside(app, {});
  EXPECT_EQ(proxy->scrape().find("outrider_service_desired_replicas"), std::string::npos);
  const auto off = beside(app, {"service.concurrency=2", "service.autoscale=off"});
  EXPECT_EQ(off->scrape().find("outrider_service_desired_replicas"), std::string::npos);
}

}  // namespace
}  // namespace outrider::test
