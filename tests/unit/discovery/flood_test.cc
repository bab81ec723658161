// Members gone bad who fill what others keep.

#include "tests/support/attacker.h"
#include "tests/unit/discovery/dht_mesh.h"

namespace outrider::discovery {
namespace {

using test::Attacker;

const std::string kOne = "10.0.0.1:80";
const std::string kKey = key_name("mesh.local", kShop, 0);

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
  std::vector<std::unique_ptr<Attacker>> bad;
};

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
  bad.push_back(std::make_unique<Attacker>(keys, "", 0, identity));
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
