// Sidecars that find each other: in this process, and as processes where one is to be killed.

#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "identity/authority.h"
#include "identity/seal.h"
#include "tests/support/grpc.h"
#include "tests/support/program.h"
#include "tests/support/proxy.h"
#include "tests/unit/identity/pki.h"

namespace outrider::test {
namespace {

const std::string kAsk = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";

// The value of the first `"key": "value"` in a page.
std::string text_in(const std::string& page, const std::string& key) {
  const size_t at = page.find("\"" + key + "\": \"");
  if (at == std::string::npos) return {};
  const size_t from = at + key.size() + 5;
  return page.substr(from, page.find('"', from) - from);
}

class Mesh : public testing::Test {
 protected:
  Mesh() {
    const WallTime now = net::Loop::wall();
    EXPECT_TRUE(identity::make_dev_ca(folder.path("ca"), now));
    EXPECT_TRUE(identity::write_mesh_key(folder.path("key")));
    for (const char* account : {"shop", "web", "seed"})
      EXPECT_TRUE(identity::issue_into(folder.path("ca"),
                                       {identity::id_of("spiffe://mesh.local/ns/default/sa/" + std::string(account)), {}, {}},
                                       folder.path(account), now));
    setenv("OUTRIDER_REGISTRY__SNAPSHOT", folder.path("state").c_str(), 1);
  }
  ~Mesh() { unsetenv("OUTRIDER_REGISTRY__SNAPSHOT"); }

  std::vector<std::string> common(const std::string& name, const std::string& account) {
    std::vector<std::string> set{"node.id=" + name, "node.address=127.0.0.1", "registry.bind=127.0.0.1:0",
                                 "registry.snapshot=" + folder.path("state"), "registry.key=" + folder.path("key")};
    if (!account.empty()) set.push_back("identity.dir=" + folder.path(account));
    if (!seed.empty()) set.push_back("registry.bootstrap=" + seed);
    return set;
  }
  std::vector<std::string> replica(const std::string& name, const std::string& port, const std::string& account = "shop") {
    auto set = common(name, account);
    for (const char* each : {"service.name=shop", "service.health.interval=1s", "listeners.inbound.address=127.0.0.1:0",
                             "listeners.outbound.address=127.0.0.1:0", "lifecycle.drain.delay=300ms"})
      set.push_back(each);
    set.push_back("service.port=" + port);
    return set;
  }
  // A sidecar beside nothing, to call through. Everybody's turn comes: ewma may ask a slow starter again only much later.
  std::unique_ptr<Proxy> caller(const std::string& name = "web", const std::string& account = "web",
                                std::vector<std::string> set = {}) {
    for (auto& each : common(name, account)) set.push_back(std::move(each));
    set.push_back("listeners.outbound.address=127.0.0.1:0");
    set.push_back("defaults.cluster.lb=round_robin");
    return std::make_unique<Proxy>("version: 1\nmode: sidecar\n", std::move(set));
  }
  std::unique_ptr<Proxy> sidecar(const std::string& name, const Origin& app) {
    return std::make_unique<Proxy>("version: 1\nmode: sidecar\n", replica(name, std::to_string(app.address().port())));
  }
  std::unique_ptr<Program> process(const std::string& verb, const std::string& name, std::vector<std::string> set) {
    set.insert(set.end(), {"admin.address=unix:" + admin_of(name), "admin.health=off", "telemetry.metrics.address=off"});
    std::vector<std::string> words{verb};
    for (auto& each : set) words.insert(words.end(), {"--set", each});
    return std::make_unique<Program>(words, folder.path(name + ".log"));
  }
  std::string admin_of(const std::string& name) const { return folder.path(name + ".admin"); }
  static std::string registry_of(Proxy& proxy) { return text_in(proxy.get("/registry").body, "address"); }
  // Waits until a process is up, and asks where its registry node is.
  std::string registry_of(const std::string& name) {
    std::string found;
    until("the registry of " + name, [&] {
      const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      Stream stream(fd);
      const auto at = *net::Address::parse("unix:" + admin_of(name));
      if (::connect(fd, at.raw(), at.length()) != 0) return false;
      stream.send("GET /registry HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      const auto page = stream.read_message();
      found = page ? text_in(page->body, "address") : "";
      return !found.empty();
    });
    return found;
  }
  static std::unique_ptr<Origin> app(const std::string& name) { return Origin::answering(name); }
  // Looks again and again; only a hang meets the limit.
  template <class Condition>
  void until(const std::string& what, Condition done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) {
        ADD_FAILURE() << "waited in vain for " << what;
        for (const auto& file : std::filesystem::directory_iterator(folder.path()))
          if (file.path().extension() == ".log") std::fputs(identity::contents(file.path()).c_str(), stderr);
        return;
      }
      std::this_thread::sleep_for(milliseconds(5));
    }
  }
  static size_t known_to(Proxy& proxy) {
    const std::string page = proxy.get("/clusters?cluster=default/shop").body;
    size_t count = 0;
    for (size_t at = 0; (at = page.find("\"state\": \"ready\"", at)) != std::string::npos; ++at) ++count;
    return count;
  }
  // Each of these apps has answered a request that was sent through this sidecar.
  void until_served_by(Proxy& proxy, std::set<std::string> apps) {
    until("an answer of each", [&] {
      const auto answer = request(proxy.address("outbound"), kAsk);
      if (answer.status() == 200) apps.erase(answer.body);
      return apps.empty();
    });
  }

  identity::TemporaryFolder folder;
  std::string seed;  // where newcomers start
};

// Callers, one request after another each, on connections that are kept; what was not a whole 200 is a failure.
class Traffic {
 public:
  explicit Traffic(net::Address to) : to_(to) {
    for (int i = 0; i < 3; ++i) threads_.emplace_back([this] { call(); });
  }
  ~Traffic() { stop(); }
  void stop() {
    running_ = false;
    for (auto& thread : threads_)
      if (thread.joinable()) thread.join();
  }
  int answers() const { return answers_; }
  std::vector<std::string> failures() {
    std::lock_guard lock(mutex_);
    return failures_;
  }
  int by(const std::string& app) {
    std::lock_guard lock(mutex_);
    return by_[app];
  }

 private:
  void call() {
    Stream stream;
    while (running_) {
      if (!stream.open()) stream = Stream::connect(to_);
      stream.send(kAsk);
      const auto answer = stream.read_message();
      std::lock_guard lock(mutex_);
      if (answer && answer->whole && answer->status() == 200) ++answers_, ++by_[answer->body];
      else failures_.push_back(answer ? answer->start + " " + answer->body : "no answer");
      if (!answer || answer->field("connection") == "close") stream = {};
    }
  }
  const net::Address to_;
  std::atomic<bool> running_{true};
  std::atomic<int> answers_{0};
  std::mutex mutex_;
  std::map<std::string, int> by_;
  std::vector<std::string> failures_;
  std::vector<std::thread> threads_;
};

TEST_F(Mesh, ReplicasAreFoundAndShareTheRequests) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a"), b = app("b"), c = app("c");
  const auto one = sidecar("one", *a), two = sidecar("two", *b), three = sidecar("three", *c);
  until_served_by(*web, {"a", "b", "c"});
  until("their registrations", [&] { return known_to(*web) == 3; });
  EXPECT_NE(web->get("/clusters").body.find("spiffe://mesh.local/ns/default/sa/shop"), std::string::npos);
  EXPECT_NE(web->get("/services").body.find("default/shop"), std::string::npos);
  web->expect_metric(3, "outrider_registry_records", "state=\"valid\"");
  web->expect_metric(1, "outrider_registry_info", "sealed=\"true\",signed=\"true\"");
  EXPECT_EQ(web->metric("outrider_registry_rejected_total"), 0);
}

// Call by call, not connection by connection; and who joins has its share of those that follow.
TEST_F(Mesh, CallsOfGrpcOnOneConnectionGoToAllReplicas) {
  const auto web = caller();
  seed = registry_of(*web);
  std::array<CountingEndpoint, 5> apps;
  std::vector<std::unique_ptr<Proxy>> sidecars;
  const auto join = [&] {
    const Origin& app = apps[sidecars.size()].endpoint.origin;
    sidecars.push_back(sidecar("replica" + std::to_string(sidecars.size()), app));
  };
  H2Peer client(web->address("outbound"));
  uint32_t stream = 1;
  const auto call = [&] {
    client.send(grpc_call(stream, {}, "shop"));
    const std::string mark = "HEADERS " + std::to_string(stream) + " end";
    const auto lines = client.read_until(mark);
    stream += 2;
    return lines.substr(std::min(lines.find(mark), lines.size()));
  };
  const auto called = [&](int count) {
    std::array<int, 5> before, seen;
    for (size_t i = 0; i < apps.size(); ++i) before[i] = apps[i].calls;
    for (int i = 0; i < count; ++i) EXPECT_TRUE(has(call(), "[grpc-status: 0]"));
    for (size_t i = 0; i < apps.size(); ++i) seen[i] = apps[i].calls - before[i];
    return seen;
  };
  for (int i = 0; i < 4; ++i) join();
  until("four registrations", [&] { return call(), known_to(*web) == 4; });
  const auto four = called(80);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(four[i], 20, 1) << i;
  join();
  until("the newcomer's first call", [&] { return call(), apps[4].calls > 0; });
  const auto five = called(100);
  for (int i = 0; i < 5; ++i) EXPECT_NEAR(five[i], 20, 1) << i;
}

TEST_F(Mesh, AnAppThatDoesNotAnswerIsNotRegisteredUntilItDoes) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a");
  const auto one = sidecar("one", *a);
  const auto gone = refusing_address();
  const Proxy two("version: 1\nmode: sidecar\n", replica("two", std::to_string(gone.port())));
  until_served_by(*web, {"a"});
  until("its registration", [&] { return known_to(*web) == 1; });
  a->stop();
  until("its withdrawal",
        [&] { return web->get("/clusters?cluster=default/shop").body.find("\"address\"") == std::string::npos; });
  const auto answer = request(web->address("outbound"), kAsk);
  EXPECT_EQ(answer.status(), 503);
}

TEST_F(Mesh, AWithdrawalUnderLoadFailsNoRequest) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a"), b = app("b");
  const auto one = sidecar("one", *a);
  auto two = sidecar("two", *b);
  until_served_by(*web, {"a", "b"});
  Traffic traffic(web->address("outbound"));
  until("load at both", [&] { return traffic.by("a") > 0 && traffic.by("b") > 0; });
  EXPECT_EQ(two->end(), 0);
  const int then = traffic.answers();
  until("load afterwards", [&] { return traffic.answers() > then + 100; });
  traffic.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
  EXPECT_EQ(known_to(*web), 1u);
  EXPECT_EQ(web->metric("outrider_registry_records", "state=\"tombstone\""), 1);
}

TEST_F(Mesh, AProcessThatIsToldToStopWithdrawsAndPassesOnItsEnd) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a"), b = app("b");
  const auto one = sidecar("one", *a);
  const auto two = process("run", "two", replica("two", std::to_string(b->address().port())));
  until_served_by(*web, {"a", "b"});
  Traffic traffic(web->address("outbound"));
  until("load at both", [&] { return traffic.by("a") > 0 && traffic.by("b") > 0; });
  two->signal(SIGTERM);
  EXPECT_EQ(two->wait(), 0);
  const int then = traffic.answers();
  until("load afterwards", [&] { return traffic.answers() > then + 100; });
  traffic.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
  until("its withdrawal", [&] { return known_to(*web) == 1; });
}

TEST_F(Mesh, AKilledSidecarFailsNoRequest) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a"), b = app("b");
  const auto one = sidecar("one", *a);
  const auto two = process("run", "two", replica("two", std::to_string(b->address().port())));
  until_served_by(*web, {"a", "b"});
  Traffic traffic(web->address("outbound"));
  until("load at both", [&] { return traffic.by("a") > 0 && traffic.by("b") > 0; });
  two->kill();
  const int then = traffic.answers();
  until("load afterwards", [&] { return traffic.answers() > then + 300; });
  traffic.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
}

TEST_F(Mesh, WithoutItsBootstrapNodeTrafficGoesOnAndNewcomersJoinThroughAnyOther) {
  const auto first = process("dht", "seed", common("seed", "seed"));
  seed = registry_of("seed");
  const auto a = app("a"), b = app("b");
  const auto web = caller();
  const auto one = sidecar("one", *a);
  until_served_by(*web, {"a"});
  for (Proxy* each : {web.get(), one.get()}) each->expect_metric(2, "outrider_registry_peers");
  Traffic traffic(web->address("outbound"));
  first->kill();
  seed = registry_of(*one);
  const auto two = sidecar("two", *b);
  until("load at the newcomer", [&] { return traffic.by("b") > 0; });
  traffic.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
}

TEST_F(Mesh, WithoutAnIdentityRegistrationIsUnsignedWhichIsSaidAndRefusedByThoseWhoHaveOne) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto plain = caller("plain", "");
  const auto a = app("a");
  const Proxy one("version: 1\nmode: sidecar\n", replica("one", std::to_string(a->address().port()), ""));
  until_served_by(*plain, {"a"});
  EXPECT_NE(plain->get("/ready").body.find("records not signed"), std::string::npos) << plain->get("/ready").body;
  plain->expect_metric(1, "outrider_registry_info", "signed=\"false\"");
  until("a refusal", [&] {
    EXPECT_NE(request(web->address("outbound"), kAsk).status(), 200);
    return web->metric("outrider_registry_rejected_total", "reason=\"no_certificate\"") > 0;
  });
  EXPECT_EQ(known_to(*web), 0u);
}

}  // namespace
}  // namespace outrider::test
