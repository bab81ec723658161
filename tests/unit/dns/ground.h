#pragma once
// A server of DNS on a loop of its own thread, a registry that says what a test wants when it wants it, and other servers.

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "dns/server.h"
#include "tests/support/dns_client.h"

namespace outrider::dns {

using discovery::Instance;
using discovery::Known;

inline std::shared_ptr<const Instance> instance(const std::string& address, const std::string& version = {}) {
  auto one = std::make_shared<Instance>();
  one->address = address;
  one->version = version;
  return one;
}

// Says nothing of a service until it is told what.
class ToldRegistry final : public discovery::Registry {
 public:
  struct Service {
    std::vector<discovery::Watcher*> watchers;
    Known known = Known::NotYet;
    std::vector<std::shared_ptr<const Instance>> all;
  };
  void watch(const std::string& service, discovery::Watcher& watcher) override {
    Service& one = services[service];
    one.watchers.push_back(&watcher);
    ++watches;
    if (one.known != Known::NotYet) watcher.on_instances(service, one.known, one.all);
  }
  void unwatch(const std::string& service, discovery::Watcher& watcher) override {
    std::erase(services[service].watchers, &watcher);
  }
  void announce(const std::string&, const Instance&) override {}
  void withdraw(const std::string&) override {}
  void say(const std::string& service, Known known, std::vector<std::shared_ptr<const Instance>> all = {}) {
    Service& one = services[service];
    one.known = known;
    one.all = std::move(all);
    for (auto* watcher : std::vector(one.watchers)) watcher->on_instances(service, known, one.all);
  }
  size_t watched() const {
    size_t n = 0;
    for (const auto& [name, one] : services) n += one.watchers.size();
    return n;
  }
  std::map<std::string, Service> services;
  int watches = 0;
};

class Ground : public testing::Test {
 protected:
  ~Ground() override { stop(); }
  // Then `settings`, `addresses` and `has_registry` are in force.
  void start() {
    std::promise<void> up;
    thread_ = std::thread([&] {
      net::Loop loop;
      stats::Catalog catalog;
      const auto shard = catalog.make_shard();
      catalog_ = &catalog;
      loop_ = &loop;
      {
        Server server(loop, settings, addresses.get(), Counters(catalog, *shard));
        server_ = &server;
        if (on_given) server.on_given(on_given);
        const auto opened = server.listen(net::Address::loopback(0));
        if (!opened) std::abort();
        at = server.local().front();
        server.serve(has_registry ? &registry : nullptr);
        up.set_value();
        loop.run();
      }
      for (int i = 0; i < 4; ++i) loop.run_turn(false);
      loop_ = nullptr;
    });
    up.get_future().wait();
  }
  void stop() {
    if (!thread_.joinable()) return;
    loop_->stop();
    thread_.join();
  }
  // On the server's thread; waits for it.
  void there(const std::function<void()>& what) {
    std::promise<void> done;
    loop_->post([&] {
      what();
      done.set_value();
    });
    done.get_future().wait();
  }
  void say(const std::string& service, Known known, std::vector<std::shared_ptr<const Instance>> all = {}) {
    there([&] { registry.say(service, known, std::move(all)); });
  }
  uint64_t count(const stats::Name& name, const std::string& label, const std::string& value) {
    for (const auto* series : catalog_->series())
      if (std::string_view(series->name.name) == name.name && series->labels == std::vector<stats::Label>{{label, value}})
        return catalog_->total(*series);
    return 0;
  }
  uint64_t results(const std::string& result) { return count(stats::names::kDnsQueries, "result", result); }
  uint64_t dropped(const std::string& reason) { return count(stats::names::kDnsDropped, "reason", reason); }
  uint64_t failures(const std::string& reason) { return count(stats::names::kDnsForwardFailures, "reason", reason); }
  test::DnsSeen ask(const std::string& name, unsigned type = 1, bool stream = false, unsigned udp_bytes = 1232) {
    return test::ask_dns(at, test::DnsAsk{.name = name, .type = type, .udp_bytes = udp_bytes}, stream);
  }
  std::string a(const std::string& name) { return ask(name).text(name, net::DnsType::A); }
  // Looks again and again; only a hang meets the limit.
  template <class Condition>
  void until(const std::string& what, Condition done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done())
      if (std::chrono::steady_clock::now() > limit) {
        ADD_FAILURE() << "waited in vain for " << what;
        return;
      } else {
        std::this_thread::yield();
      }
  }
  Settings settings;
  std::unique_ptr<net::VirtualAddresses> addresses;
  ToldRegistry registry;
  bool has_registry = true;
  std::function<void()> on_given;
  net::Address at;
  Server* server_ = nullptr;
  net::Loop* loop_ = nullptr;
  stats::Catalog* catalog_ = nullptr;

 private:
  std::thread thread_;
};

}  // namespace outrider::dns
