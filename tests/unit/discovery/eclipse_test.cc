// Members gone bad whose ids are the nearest to a service's key, and who swallow what they are given.

#include "tests/support/attacker.h"
#include "tests/unit/discovery/dht_mesh.h"

namespace outrider::discovery {
namespace {

using test::Attacker;

const std::string kOne = "10.0.0.1:80", kTwo = "10.0.0.2:80";
const std::string kKey = key_name("mesh.local", kShop, 0);
constexpr unsigned kSybils = 16;
constexpr size_t kHonest = 8;

class Sybils : public DhtMesh {
 protected:
  // What is not pushed is not seen: nobody looks again while a test lasts.
  DhtOptions honest() {
    auto options = this->options();
    options.node_ids = node_ids;
    options.reconcile = std::chrono::hours(1);
    return options;
  }
  // With the mesh key and one valid certificate; each is met by every honest node.
  void begin() {
    for (size_t i = 0; i < kHonest; ++i) join(honest());
    grow(kHonest);
    const auto certificate = identity_for("spiffe://mesh.local/ns/default/sa/bad");
    for (unsigned i = 0; i < kSybils; ++i) sybils.push_back(std::make_unique<Attacker>(keys, kKey, i, certificate));
    std::vector<const Attacker*> all;
    for (const auto& one : sybils) all.push_back(one.get());
    for (const auto& one : sybils) one->name(all);
    for (const auto& one : sybils)
      for (const auto& member : members) one->knock(member->registry.local());
  }
  // Everybody but the last follows the service; the last announces.
  void follow() {
    for (size_t i = 0; i + 1 < kHonest; ++i) members[i]->registry.watch(kShop, members[i]->heard);
    ASSERT_TRUE(until([&] {
      return std::all_of(members.begin(), members.end() - 1, [](const auto& one) { return one->events.lookups == 1; });
    }));
  }
  size_t told(const std::string& address) {
    return size_t(
        std::count_if(members.begin(), members.begin() + kHonest, [&](const auto& one) { return one->heard.has(address); }));
  }
  int asked() const {
    int sum = 0;
    for (const auto& one : sybils) sum += one->asked();
    return sum;
  }
  NodeIds node_ids = NodeIds::Bound;
  std::vector<std::unique_ptr<Attacker>> sybils;
};

TEST_F(Sybils, BesideAKeyTheyAreRefusedAndEverybodyIsTold) {
  begin();
  ASSERT_TRUE(until([&] {
    return std::all_of(members.begin(), members.end(),
                       [](const auto& one) { return one->rejected(RecordVerdict::WrongIdentity) >= kSybils; });
  }));
  follow();
  members.back()->registry.announce(kShop, at(kOne));
  ASSERT_TRUE(until([&] { return told(kOne) == kHonest - 1; }));
  members.back()->registry.announce(kShop, at(kTwo));
  ASSERT_TRUE(until([&] { return told(kTwo) == kHonest - 1; }));
  Member& newcomer = join(honest());
  newcomer.registry.watch(kShop, newcomer.heard);
  ASSERT_TRUE(until([&] { return newcomer.heard.has(kTwo); }));
  EXPECT_EQ(asked(), 0) << "nobody goes to them";
}

// One who sits where he belongs names them to whoever asks him: they are asked in vain, and others instead.
TEST_F(Sybils, NamedByAMemberTheySwallowNothingEither) {
  begin();
  Attacker guide(keys, "", 0, identity_for("spiffe://mesh.local/ns/default/sa/guide"));
  std::vector<const Attacker*> all;
  for (const auto& one : sybils) all.push_back(one.get());
  guide.name(all);
  for (const auto& member : members) ASSERT_TRUE(guide.ping(member->registry.local()));
  follow();
  ASSERT_TRUE(until([&] { return guide.asked() > 0 && asked() > 0; }));
  members.back()->registry.announce(kShop, at(kOne));
  ASSERT_TRUE(until([&] { return told(kOne) == kHonest - 1; }));
  Member& newcomer = join(honest());
  newcomer.registry.watch(kShop, newcomer.heard);
  ASSERT_TRUE(until([&] { return newcomer.heard.has(kOne); }));
}

// Why ids are bound: the same members where they are not.
TEST_F(Sybils, WhereIdsAreFreeTheySwallowWhatIsAnnounced) {
  node_ids = NodeIds::Free;
  begin();
  for (const auto& one : sybils) ASSERT_TRUE(one->ping(members.front()->registry.local()));
  follow();
  ASSERT_TRUE(until([&] { return asked() > 0; }));
  members.back()->registry.announce(kShop, at(kOne));
  ASSERT_TRUE(until([&] { return members.back()->events.published == 1; })) << "they say they keep it";
  // After as long as a look-up takes not all have been told, nor will be; often nobody has, and the look-up finds nothing.
  Member& newcomer = join(honest());
  newcomer.registry.watch(kShop, newcomer.heard);
  ASSERT_TRUE(until([&] { return newcomer.events.lookups == 1; }));
  EXPECT_LT(told(kOne), kHonest - 1);
}

// Members who sit where they belong may be as bad: they are few, and not the nearest of all keys.
TEST_F(Sybils, WhoeverProvesHisPlaceIsListenedTo) {
  for (size_t i = 0; i < 2; ++i) join(honest());
  grow(2);
  Attacker member(keys, "", 0, identity_for("spiffe://mesh.local/ns/default/sa/bad"));
  EXPECT_TRUE(member.ping(members[0]->registry.local()));
  EXPECT_EQ(members[0]->rejected(), 0u);
}

// As when a process is replaced by another's: the port is the same, the identity is not.
TEST_F(Sybils, AnAddressThatHasGoneOverToAnotherIdentityIsListenedToAgain) {
  auto first = honest();
  Member& seed = join(first);
  Member* guest = &join(honest());
  ASSERT_TRUE(until([&] { return guest->registry.answering() && seed.registry.answering(); }));
  auto next = honest();
  next.bind = guest->registry.local();
  next.identity = identity_for("spiffe://mesh.local/ns/default/sa/heir");
  const std::string before = guest->registry.facts().node_id;
  lose(*guest);
  Member& heir = join(next);
  EXPECT_NE(heir.registry.facts().node_id, before);
  heir.registry.announce(kShop, at(kOne));
  seed.registry.watch(kShop, seed.heard);
  ASSERT_TRUE(until([&] { return heir.registry.answering() && seed.heard.has(kOne); }));
}

TEST_F(Sybils, AnIdIsTheSameAfterARestart) {
  Member* seed = &join(honest());
  const auto address = seed->registry.local();
  const std::string before = seed->registry.facts().node_id;
  lose(*seed);
  auto again = honest();
  again.bind = address;
  again.identity = identity_for();  // another certificate
  EXPECT_EQ(join(again).registry.facts().node_id, before);
}

}  // namespace
}  // namespace outrider::discovery
