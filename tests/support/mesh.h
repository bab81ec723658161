#pragma once
// Sidecars that find each other, as a fixture: in this process, and as processes where one is to be killed.

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "identity/authority.h"
#include "identity/seal.h"
#include "tests/support/origin.h"
#include "tests/support/program.h"
#include "tests/support/proxy.h"
#include "tests/unit/identity/pki.h"

namespace outrider::test {

inline const std::string kAsk = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";

// The value of the first `"key": "value"` in a page.
inline std::string text_in(const std::string& page, const std::string& key) {
  const size_t at = page.find("\"" + key + "\": \"");
  if (at == std::string::npos) return {};
  const size_t from = at + key.size() + 5;
  return page.substr(from, page.find('"', from) - from);
}

// Sidecars with identities of one authority, and a folder for what they keep.
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
    set.insert(set.end(), also.begin(), also.end());
    return set;
  }
  std::vector<std::string> replica(const std::string& name, const std::string& port, const std::string& account = "shop") {
    auto set = common(name, account);
    for (const char* each :
         {"service.name=shop", "service.health.interval=1s", "listeners.inbound.address=127.0.0.1:0",
          "listeners.outbound.address=127.0.0.1:0", "lifecycle.drain.delay=300ms", "lifecycle.outbound_until=drain"})
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
  std::unique_ptr<Proxy> sidecar(const std::string& name, const Origin& app, const std::string& account = "shop") {
    return std::make_unique<Proxy>("version: 1\nmode: sidecar\n", replica(name, std::to_string(app.address().port()), account));
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
      stream.send("GET /registry HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
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
  std::string seed;               // where newcomers start
  std::vector<std::string> also;  // what every sidecar is told besides
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

}  // namespace outrider::test
