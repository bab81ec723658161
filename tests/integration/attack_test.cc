// A mesh under attack by one of its own: whoever holds the mesh key may put what he likes under a service's name, and
// requests still go to the service alone.

#include <gtest/gtest.h>

#include "discovery/dht/record.h"
#include "tests/support/attacker.h"
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

}  // namespace
}  // namespace outrider::test
