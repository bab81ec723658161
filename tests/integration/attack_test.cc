// A mesh under attack by one of its own: whoever holds the mesh key may put what he likes under a service's name, and
// requests still go to the service alone.

#include <gtest/gtest.h>

#include "discovery/dht/record.h"
#include "tests/support/attacker.h"
#include "tests/support/h2_peer.h"
#include "tests/support/mesh.h"

namespace outrider::test {
namespace {

using discovery::Announcement;
using std::chrono::minutes;

const std::string kService = "default/shop";
const std::string kKey = discovery::key_name("mesh.local", kService, 0);

class Attack : public Mesh {
 protected:
  Attack() {
    web = caller();
    seed = registry_of(*web);
    shop = sidecar("one", *honest);
    until_served_by(*web, {"honest"});
  }
  // What the impostor would like to be believed: that he is the shop.
  Announcement claim() const {
    Announcement what;
    what.trust_domain = "mesh.local";
    what.service = kService;
    what.instance = discovery::new_instance_id();
    what.issued = what.not_before = now;
    what.not_after = now + minutes(10);
    what.sequence = uint64_t(to_ms(now));
    what.ready = true;
    what.address = impostor->address();
    what.protocol = "http1";
    return what;
  }
  std::string record(const Announcement& what, const std::string& account = "shop") const {
    auto bytes = write_record(what, account.empty() ? nullptr : &*identity_of(account));
    EXPECT_TRUE(bytes) << bytes.why();
    return bytes ? *bytes : "";
  }
  std::shared_ptr<const identity::Identity> identity_of(const std::string& account) const {
    auto loaded = identity::Identity::load(folder.path(account));
    EXPECT_TRUE(loaded) << loaded.why();
    return std::make_shared<const identity::Identity>(*loaded);
  }
  identity::MeshKeys key() const { return *identity::load_mesh_keys(folder.path("key")); }
  static net::Address node_of(Proxy& proxy) { return *net::Address::parse(registry_of(proxy)); }
  static double rejected(Proxy& proxy, const std::string& why) {
    return proxy.metric("outrider_registry_rejected_total", "reason=\"" + why + "\"");
  }
  void expect_honest(Proxy& proxy) {
    for (int i = 0; i < 20; ++i) {
      const auto answer = request(proxy.address("outbound"), kAsk);
      EXPECT_EQ(answer.status(), 200) << answer.body;
      EXPECT_EQ(answer.body, "honest");
    }
    EXPECT_EQ(impostor->connections(), 0);
  }
  // Neither where it is stored nor where it is read is it believed, and both say why.
  void expect_refused(const Attacker::Value& value, const std::string& why) {
    Attacker attacker(key(), kKey);
    ASSERT_TRUE(attacker.ping(node_of(*web)));
    const double before = rejected(*web, why);
    attacker.put(node_of(*web), kKey, {value});
    until("a refusal to store", [&] { return rejected(*web, why) > before; });
    attacker.lay(kKey, {value});
    const auto newcomer = caller("newcomer");
    until_served_by(*newcomer, {"honest"});
    until("a refusal to believe", [&] { return rejected(*newcomer, why) > 0; });
    expect_honest(*web);
    expect_honest(*newcomer);
  }

  const WallTime now = net::Loop::wall();
  const std::unique_ptr<Origin> honest = app("honest"), impostor = app("impostor");
  std::unique_ptr<Proxy> web, shop;
};

TEST_F(Attack, AForgedRecordIsNotBelieved) {
  auto bytes = record(claim());
  bytes.back() = char(bytes.back() ^ 1);
  expect_refused({bytes}, "bad_signature");
}

TEST_F(Attack, AnUnsignedRecordIsNotBelieved) { expect_refused({record(claim(), "")}, "no_certificate"); }

TEST_F(Attack, ARecordSignedUnderAnotherAuthorityIsNotBelieved) {
  EXPECT_TRUE(identity::make_dev_ca(folder.path("other"), now));
  EXPECT_TRUE(identity::issue_into(folder.path("other"), {identity::id_of("spiffe://mesh.local/ns/default/sa/shop"), {}, {}},
                                   folder.path("stranger"), now));
  expect_refused({record(claim(), "stranger")}, "unknown_ca");
}

TEST_F(Attack, ARecordSignedByAnotherNamespaceIsNotBelieved) {
  EXPECT_TRUE(identity::issue_into(folder.path("ca"), {identity::id_of("spiffe://mesh.local/ns/bank/sa/shop"), {}, {}},
                                   folder.path("bank"), now));
  expect_refused({record(claim(), "bank")}, "not_owner");
}

TEST_F(Attack, ARecordOfAnotherServiceUnderThisOnesKeyIsNotBelieved) {
  auto what = claim();
  what.service = "default/web";
  expect_refused({record(what, "web")}, "replayed");
}

TEST_F(Attack, ARecordThatHasEndedIsNotBelieved) {
  auto what = claim();
  what.issued = what.not_before = now - minutes(20);
  what.not_after = now - minutes(10);
  expect_refused({record(what)}, "expired");
}

TEST_F(Attack, ARecordOfTheFutureIsNotBelieved) {
  auto what = claim();
  what.issued = what.not_before = now + minutes(5);
  expect_refused({record(what)}, "skew");
}

TEST_F(Attack, ARecordThatIsTooLongIsNotBelieved) {
  expect_refused({record(claim()) + std::string(discovery::kMaxRecord, 'x')}, "oversized");
}

TEST_F(Attack, ARecordThatIsNoneIsNotBelieved) { expect_refused({"impostor at " + impostor->text()}, "malformed"); }

TEST_F(Attack, AValueOfAnotherTypeIsNotBelieved) { expect_refused({record(claim()), 0, 3}, "malformed"); }

// --- many at once -------------------------------------------------------------------------------------------------

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kFlood = 1000;  // slower by so much
#else
constexpr size_t kFlood = 10000;
#endif

// Records that look well, and bytes that do not, each as long as it may be.
std::vector<Attacker::Value> junk(std::string bytes, size_t count) {
  std::vector<Attacker::Value> values;
  for (size_t i = 0; i < count; ++i) {
    for (size_t byte = 0; byte < sizeof i; ++byte) bytes[bytes.size() - 1 - byte] = char(i >> (8 * byte));
    values.push_back({bytes});
  }
  return values;
}

TEST_F(Attack, AFloodOfJunkHidesNobodyAndIsCutOff) {
  const auto more = app("honest");
  const auto second = sidecar("two", *more);
  until("both", [&] { return known_to(*web) == 2; });
  Traffic traffic(web->address("outbound"));
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<Attacker>> attackers;
  const std::vector<net::Address> nodes{node_of(*web), node_of(*shop), node_of(*second)};
  const std::string forged = record(claim());
  for (int i = 0; i < 4; ++i) {
    attackers.push_back(std::make_unique<Attacker>(key(), kKey, i));
    attackers.back()->lay(kKey, junk(forged, 500));
    for (const auto& node : nodes) ASSERT_TRUE(attackers.back()->ping(node));
    threads.emplace_back([&, i] {
      const auto values = junk(i % 2 ? forged : std::string(discovery::kMaxRecord, 'x'), kFlood / 4);
      for (const auto& node : nodes) attackers[size_t(i)]->put(node, kKey, values);
    });
  }
  for (int i = 0; i < 5; ++i) {
    const auto newcomer = caller("newcomer" + std::to_string(i));
    until_served_by(*newcomer, {"honest"});
    expect_honest(*newcomer);
  }
  for (auto& thread : threads) thread.join();
  until("the last of it", [&] { return rejected(*web, "muted") > 0; });
  traffic.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
  EXPECT_EQ(impostor->connections(), 0);
  EXPECT_GT(traffic.by("honest"), 100);
  EXPECT_EQ(known_to(*web), 2u);
  // What costs a look is little; the rest is dropped unread.
  EXPECT_LE(rejected(*web, "bad_signature") + rejected(*web, "malformed"), 4 * 70);
  std::printf("%s", (web->scrape().substr(0, 0) + "muted " + std::to_string(rejected(*web, "muted")) + "\n").c_str());
}

// --- alone among liars --------------------------------------------------------------------------------------------

class Eclipse : public Attack {
 protected:
  // Eight members gone bad whose ids are the nearest to the service's key. They name each other alone.
  void surround(const std::vector<Attacker::Value>& shown) {
    for (unsigned i = 0; i < 8; ++i) liars.push_back(std::make_unique<Attacker>(key(), kKey, i));
    std::vector<const Attacker*> all;
    for (const auto& one : liars) all.push_back(one.get());
    for (const auto& one : liars) one->name(all), one->lay(kKey, shown);
  }
  std::vector<std::string> liars_alone() const {
    std::string list = "registry.bootstrap=[";
    for (const auto& one : liars) list += (list.back() == '[' ? "" : ", ") + one->address().text();
    return {list + "]"};
  }
  std::vector<std::string> liars_and(const std::string& honest) const {
    auto list = liars_alone();
    list[0].insert(list[0].size() - 1, ", " + honest);
    return list;
  }
  std::vector<std::unique_ptr<Attacker>> liars;
};

TEST_F(Eclipse, OneHonestSeedAmongLiarsWhoHideTheServiceIsEnough) {
  surround({});
  const auto reader = caller("reader", "web", liars_and(seed));
  until_served_by(*reader, {"honest"});
  expect_honest(*reader);
  for (const auto& one : liars) EXPECT_GT(one->asked(), 0) << "it was in the way";
  EXPECT_GT(reader->metric("outrider_registry_withheld_total"), 0);
}

TEST_F(Eclipse, OneHonestSeedAmongLiarsWhoShowAForgedServiceIsEnough) {
  auto forged = record(claim());
  forged.back() = char(forged.back() ^ 1);
  surround({{forged}});
  const auto reader = caller("reader", "web", liars_and(seed));
  until_served_by(*reader, {"honest"});
  expect_honest(*reader);
  EXPECT_GT(rejected(*reader, "bad_signature"), 0);
}

TEST_F(Eclipse, AmongLiarsAloneNothingIsFoundWhichIsSaid) {
  auto forged = record(claim());
  forged.back() = char(forged.back() ^ 1);
  surround({{forged}});
  const auto reader = caller("reader", "web", liars_alone());
  until("a look-up", [&] {
    EXPECT_NE(request(reader->address("outbound"), kAsk).status(), 200);
    return has(reader->get("/ready").body, "nothing is found of default/shop");
  });
  EXPECT_EQ(impostor->connections(), 0);
  EXPECT_GT(rejected(*reader, "bad_signature"), 0);
}

TEST_F(Eclipse, AmongLiarsAloneLastKnownGoodIsUsed) {
  {
    const auto before = caller("reader");
    until_served_by(*before, {"honest"});
  }
  EXPECT_TRUE(std::filesystem::remove(folder.path("state/reader/nodes")));
  surround({});
  const auto reader = caller("reader", "web", liars_alone());
  until_served_by(*reader, {"honest"});
  expect_honest(*reader);
  reader->expect_metric(1, "outrider_registry_records", "state=\"stale\"");
}

TEST_F(Eclipse, ARememberedNeighbourIsAWayOutToo) {
  {
    const auto before = caller("reader");
    until_served_by(*before, {"honest"});
  }
  EXPECT_TRUE(std::filesystem::remove(folder.path("state/reader/records")));
  surround({});
  const auto reader = caller("reader", "web", liars_alone());
  until_served_by(*reader, {"honest"});
  expect_honest(*reader);
}

}  // namespace
}  // namespace outrider::test
