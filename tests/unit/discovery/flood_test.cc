// Members gone bad beside a service's key: they bury it, and it is found all the same.

#include <atomic>
#include <thread>

#include "tests/support/attacker.h"
#include "tests/unit/discovery/dht_mesh.h"

namespace outrider::discovery {
namespace {

using test::Attacker;

const std::string kOne = "10.0.0.1:80", kTwo = "10.0.0.2:80";
const std::string kKey = key_name("mesh.local", kShop, 0);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kJunk = 200, kLookups = 30;  // slower by so much
#else
constexpr size_t kJunk = 800, kLookups = 200;  // registry.py --flood lays more
#endif

// Looks the service up again and again, as if somebody called it first each time.
class Caller final : Watcher, net::Timer {
 public:
  Caller(net::Loop& loop, Member& member) : loop_(loop), member_(member) { on_timer(); }
  ~Caller() { member_.registry.unwatch(kShop, *this); }
  size_t answered = 0, failed = 0;

 private:
  void on_timer() override {
    member_.registry.unwatch(kShop, *this);
    told_ = false;
    member_.registry.watch(kShop, *this);
  }
  void on_instances(const std::string&, Known known, std::vector<std::shared_ptr<const Instance>> all) override {
    if (told_ || known == Known::Stale) return;  // what is remembered: the answer is still to come
    told_ = true;
    const bool honest = !all.empty() && std::all_of(all.begin(), all.end(),
                                                    [](const auto& one) { return one->address == kOne || one->address == kTwo; });
    ++(known == Known::Yes && honest ? answered : failed);
    loop_.arm(*this, milliseconds(0));
  }
  net::Loop& loop_;
  Member& member_;
  bool told_ = false;
};

class BadMembers : public DhtMesh {
 protected:
  std::string sound() const {
    Announcement what;
    what.trust_domain = "mesh.local";
    what.service = kShop;
    what.instance = new_instance_id();
    what.issued = what.not_before = from_ms(to_ms(net::Loop::wall()));
    what.not_after = what.issued + std::chrono::minutes(10);
    what.sequence = uint64_t(to_ms(what.issued));
    what.address = *net::Address::parse("10.6.6.6:80");
    return *write_record(what, identity.get());
  }
  // Nodes whose ids are the nearest to the service's key.
  void surround(unsigned count) {
    for (unsigned i = 0; i < count; ++i) bad.push_back(std::make_unique<Attacker>(keys, kKey, i));
  }
  std::vector<std::unique_ptr<Attacker>> bad;
};

TEST_F(BadMembers, AFloodOfJunkUnderAServicesKeyLeavesItsLookUpsAnswered) {
  auto patient = options();
  patient.patience = std::chrono::minutes(1);  // an answer that comes late on a slow machine is one
  for (size_t i = 0; i < 6; ++i) {
    join(patient);
    patient.bootstrap = {address_of(*members.front())};
  }
  grow(6);
  members[1]->registry.announce(kShop, at(kOne));
  members[2]->registry.announce(kShop, at(kTwo));
  ASSERT_TRUE(until([&] { return members[1]->events.published && members[2]->events.published; }));
  surround(4);
  std::vector<net::Address> nodes;
  for (const auto& member : members) nodes.push_back(member->registry.local());
  for (const auto& one : bad) {
    one->lay(kKey, test::junk(sound(), 500));
    for (const auto& node : nodes) ASSERT_TRUE(one->ping(node));
  }
  std::atomic<size_t> flooding{bad.size()};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < bad.size(); ++i)
    threads.emplace_back([&, i, bytes = i % 2 ? sound() : std::string(kMaxRecord, 'x')] {
      const auto values = test::junk(bytes, kJunk / bad.size());
      for (const auto& node : nodes) bad[i]->put(node, kKey, values);
      --flooding;
    });
  std::vector<std::unique_ptr<Caller>> callers;
  for (size_t i = 3; i < members.size(); ++i) callers.push_back(std::make_unique<Caller>(control, *members[i]));
  size_t answered = 0, failed = 0;
  EXPECT_TRUE(until([&] {
    answered = failed = 0;
    for (const auto& caller : callers) answered += caller->answered, failed += caller->failed;
    return flooding == 0 && answered + failed >= kLookups;
  }));
  for (auto& thread : threads) thread.join();
  callers.clear();
  RecordProperty("lookups", int(answered + failed));
  EXPECT_LE(failed * 1000, answered + failed) << failed << " of " << answered + failed << " look-ups were not answered";
  EXPECT_GT(members[3]->rejected(), 0u) << "it was in the way";
}

// Each of them is sound, and signed by one who may: still one leaf does not fill a node.
TEST_F(BadMembers, OneSignerCannotFillANode) {
  constexpr size_t kQuota = 100;
  auto strict = options();
  strict.quota = kQuota;
  join(strict);
  grow(2);
  members[1]->registry.announce(kShop, at(kOne));
  ASSERT_TRUE(until([&] { return members[1]->events.published == 1; }));
  identity = identity_for();
  std::vector<Attacker::Value> many;
  for (size_t i = 0; i < kQuota + 50; ++i) many.push_back({sound()});
  surround(1);
  const net::Address node = members[0]->registry.local();
  ASSERT_TRUE(until([&] {  // again, should packets be lost
    bad[0]->put(node, kKey, many);
    return members[0]->rejected(RecordVerdict::Quota) > 0;
  }));
  members[0]->registry.watch(kShop, members[0]->heard);
  ASSERT_TRUE(until([&] { return members[0]->heard.has(kOne); }));
  ASSERT_TRUE(until([&] { return members[0]->registry.stats().stored_values >= kQuota; }));
  EXPECT_LE(members[0]->registry.stats().stored_values, kQuota + 10);
}

}  // namespace
}  // namespace outrider::discovery
