#pragma once
// A worker's world on one thread: a door, what it serves, one client and one endpoint at the far ends.

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>

#include "config/load.h"
#include "exchange/door.h"
#include "filters/all.h"
#include "net/listener.h"
#include "server/compile.h"
#include "tests/support/counted_calls.h"
#include "tests/support/loop.h"
#include "tests/support/sockets.h"

namespace outrider::test {

struct NoServices final : upstream::ServiceSource {
  std::shared_ptr<const upstream::ClusterPlan> plan_for(std::string_view) override { return nullptr; }
  std::shared_ptr<upstream::Limits> limits_for(std::string_view) override { return nullptr; }
  void watch(const std::string&) override {}
  void unwatch(const std::string&) override {}
};

inline std::shared_ptr<const exchange::Snapshot> compiled(const std::string& yaml) {
  config::Sources sources;
  sources.text = yaml;
  sources.file = "test.yaml";
  sources.filters = filters::names();
  sources.check_filter = filters::check;
  auto outcome = config::load(sources);
  if (!outcome.document) {
    std::fputs(config::print(outcome.complaints).c_str(), stderr);
    std::abort();
  }
  server::TlsFiles files;
  server::AccessLogs logs;
  return *server::compile(*outcome.document, nullptr, files, logs);
}

// What the proxy does in it is counted (counted_calls.h), what the far ends do is not.
class World {
 public:
  static constexpr const char* kYaml =
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "routes: {edge: [{match: {host: web, prefix: /a}, cluster: web}]}\n"
      "clusters: {web: {endpoints: [\"127.0.0.1:1\"], lb: ewma}}\n";

  // One listener, in `yaml`; every cluster of it has the same one endpoint.
  explicit World(const std::string& yaml = kYaml) {
    const auto snapshot = compiled(yaml);
    site.serving = exchange::Serving::make(snapshot, site.context, nullptr);
    auto set = std::make_shared<upstream::EndpointSet>();
    set->known = upstream::Known::Yes;
    set->revision = 1;
    auto facts = std::make_shared<discovery::Instance>();
    facts->address = net::Address::local_of(origin_listener_.get()).text();
    set->members.push_back({std::make_shared<upstream::Endpoint>(facts->address, "", net::Loop::wall() - seconds(3600)), facts});
    for (auto& cluster : site.serving->clusters) cluster->adopt(set);
    const auto& plan = snapshot->listeners[0];
    auto from = std::make_shared<exchange::AcceptedFrom>(
        exchange::AcceptedFrom{plan, exchange::ConnectionCounters(catalog, plan->direction, plan->name, "none")});
    const int fd = *net::open_listener(net::Address::loopback(0));
    const auto at = net::Address::local_of(fd);
    door_ = std::make_unique<exchange::Door>(site, std::move(from), at, fd);
    client_ = connected_to(at);
  }
  ~World() {
    client_.close();
    door_.reset();
    while (exchange::HttpSession* session = site.sessions.front()) session->cut();
    run_turns(loop);
    site.serving = {};
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // One request and its answer, which ends with `ending`, none of which the far ends allocate for.
  [[nodiscard]] bool exchange(std::string_view request, std::string_view answer, std::string_view ending) {
    client_.write_some(request);
    bool asked = false, answered = false;
    for (const auto end = net::Loop::clock() + seconds(20); !answered && net::Loop::clock() < end;) {
      counting = true;
      loop.run_turn(false);
      counting = false;
      if (!origin_) origin_ = Fd(::accept4(origin_listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!asked && received(origin_) > 0) {
        if (auto first = std::exchange(before_answer, nullptr)) first();
        if (!origin_) continue;
        asked = true;
        origin_.write_some(answer);
      }
      answered = std::string_view(scratch_, received(client_)).ends_with(ending);
    }
    return answered;
  }

  void drop_origin() { origin_.close(); }  // it asks anew
  std::function<void()> before_answer;     // once, when a request has come; may be empty

  net::Loop loop;
  stats::Catalog catalog;
  std::unique_ptr<stats::Shard> shard = catalog.make_shard();
  NoServices services;
  exchange::Site site{loop, catalog, *shard, services, milliseconds(60000), std::make_shared<exchange::PeerNames>("mesh.local")};

 private:
  size_t received(const Fd& from) {
    const ssize_t n = ::recv(from.get(), scratch_, sizeof scratch_, MSG_DONTWAIT);
    return n > 0 ? size_t(n) : 0;
  }
  Fd origin_listener_ = [] {
    Fd fd = tcp_listener();
    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    return fd;
  }();
  std::unique_ptr<exchange::Door> door_;
  Fd client_, origin_;
  char scratch_[65536];
};

}  // namespace outrider::test
