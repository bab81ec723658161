#pragma once
// For tests: a mesh of real DHT nodes in this process, on loopback, with one control loop for all of them.

#include <gtest/gtest.h>

#include <map>

#include "discovery/dht/dht_registry.h"
#include "tests/support/loop.h"
#include "tests/unit/identity/pki.h"

namespace outrider::discovery {

inline constexpr const char* kShop = "default/shop";

struct Heard final : Watcher {  // the last that was told, of each service
  struct Set {
    Known known = Known::NotYet;
    std::map<std::string, std::shared_ptr<const Instance>> at;  // by address
  };
  void on_instances(const std::string& service, Known known, std::vector<std::shared_ptr<const Instance>> all) override {
    Set set{known, {}};
    for (const auto& one : all) set.at[one->address] = one;
    sets[service] = std::move(set);
    ++calls;
  }
  const Set& of(const std::string& service = kShop) { return sets[service]; }
  bool has(const std::string& address, const std::string& service = kShop) { return of(service).at.count(address) != 0; }
  size_t size(const std::string& service = kShop) { return of(service).at.size(); }
  std::map<std::string, Set> sets;
  int calls = 0;
};

struct Events final : DhtEvents {
  void on_registry_answering(bool yes) override { answering = yes; }
  void on_lookup(milliseconds) override { ++lookups; }
  void on_seen(milliseconds) override { ++seen; }
  void on_published(const std::string&, bool acknowledged) override { ++(acknowledged ? published : unpublished); }
  void on_withdrawn(const std::string&, bool) override { ++withdrawn; }
  bool answering = false;
  int lookups = 0, seen = 0, published = 0, unpublished = 0, withdrawn = 0;
};

struct Member {
  Member(net::Loop& control, DhtOptions options) : registry(control, std::move(options), events) {}
  Events events;
  Heard heard;
  DhtRegistry registry;
  uint64_t rejected(RecordVerdict why) const { return registry.stats().rejected[size_t(why)].load(); }
  uint64_t rejected() const {
    uint64_t sum = 0;
    for (const auto& one : registry.stats().rejected) sum += one.load();
    return sum;
  }
};

class DhtMesh : public testing::Test {
 public:
  std::shared_ptr<const identity::Identity> identity_for(std::string_view uri = "spiffe://mesh.local/ns/default/sa/shop") {
    return identity_from(authority, uri);
  }
  static std::shared_ptr<const identity::Identity> identity_from(const identity::Authority& authority, std::string_view uri) {
    return std::make_shared<const identity::Identity>(*identity::Identity::of(
        identity::issue(authority, uri, std::chrono::hours(24), net::Loop::wall()), authority.certificate()));
  }
  // Sealed and signed, of the same mesh, and knowing the first member.
  DhtOptions options() {
    DhtOptions options;
    options.bind = net::Address::loopback(0);
    options.mesh_keys = keys;
    options.identity = identity;
    options.seeds_first = milliseconds(100);
    options.seeds = milliseconds(1000);
    if (!members.empty()) options.bootstrap = {address_of(*members.front())};
    return options;
  }
  Member& join(DhtOptions options) {
    members.push_back(std::make_unique<Member>(control, std::move(options)));
    EXPECT_EQ(members.back()->registry.start(), "");
    return *members.back();
  }
  Member& join() { return join(options()); }
  // As a process that is killed: nothing is withdrawn. What it knew is gone with it.
  void lose(Member& member) {
    std::erase_if(members, [&](const auto& one) { return one.get() == &member; });
  }
  static std::string address_of(const Member& member) { return member.registry.local().text(); }
  static Instance at(std::string address) {
    Instance self;
    self.address = std::move(address);
    self.protocol = "http1";
    return self;
  }
  // Looks again and again: counters change on other threads without a word to this loop.
  template <class Condition>
  [[nodiscard]] bool until(Condition done) {
    struct Tick final : net::Timer {
      explicit Tick(net::Loop& loop) : loop(loop) { on_timer(); }
      void on_timer() override { loop.arm(*this, milliseconds(10)); }
      net::Loop& loop;
    } tick(control);
    return test::run_until(control, done, seconds(60));
  }
  // A few members who know each other.
  void grow(size_t size) {
    while (members.size() < size) join();
    ASSERT_TRUE(until(
        [&] { return std::all_of(members.begin(), members.end(), [](const auto& one) { return one->registry.answering(); }); }));
  }

  net::Loop control;
  identity::Authority authority = identity::make_authority(net::Loop::wall());
  std::shared_ptr<const identity::Identity> identity = identity_for();
  identity::MeshKeys keys{{std::string(32, 'k')}};
  std::vector<std::unique_ptr<Member>> members;
};

}  // namespace outrider::discovery
