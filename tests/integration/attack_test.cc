// A mesh under attack by one of its own: whoever holds the mesh key may put what he likes under a service's name, and
// requests still go to the service alone.

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

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
  Attack() : Attack("default/shop", {}) {}
  Attack(const std::string& owner, std::vector<std::string> told) {
    also = std::move(told);
    issue("owner", owner);
    web = caller();
    seed = registry_of(*web);
    shop = sidecar("one", *honest, "owner");
    until_served_by(*web, {"honest"});
  }
  void issue(const std::string& name, const std::string& account) {
    const size_t slash = account.find('/');
    EXPECT_TRUE(identity::issue_into(
        folder.path("ca"),
        {identity::id_of("spiffe://mesh.local/ns/" + account.substr(0, slash) + "/sa/" + account.substr(slash + 1)), {}, {}},
        folder.path(name), now));
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
    expect_honest_answers(proxy);
    EXPECT_EQ(impostor->connections(), 0);
  }
  void expect_honest_answers(Proxy& proxy) {
    for (int i = 0; i < 20; ++i) {
      const auto answer = request(proxy.address("outbound"), kAsk);
      EXPECT_EQ(answer.status(), 200) << answer.body;
      EXPECT_EQ(answer.body, "honest");
    }
  }
  // Neither where it is stored nor where it is read is it believed, and both say why.
  void expect_refused(const Attacker::Value& value, const std::string& why) {
    Attacker attacker(key(), "", 0, identity_of("shop"));
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

  // `signer` has registered an address where `thief` answers.
  void expect_no_request_to(const std::string& thief, const std::string& signer) {
    std::atomic<int> stolen{0};
    const Origin origin([&](Stream& connection) {
      const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
      SSL_CTX_use_certificate_chain_file(context.get(), folder.path(thief + "/tls.crt").c_str());
      SSL_CTX_use_PrivateKey_file(context.get(), folder.path(thief + "/tls.key").c_str(), SSL_FILETYPE_PEM);
      SSL* const ssl = SSL_new(context.get());
      SSL_set_fd(ssl, connection.fd());
      char byte;
      if (SSL_accept(ssl) == 1 && SSL_read(ssl, &byte, 1) > 0) ++stolen;
      ERR_clear_error();
      SSL_free(ssl);
    });
    auto what = claim();
    what.address = origin.address();
    what.mutual_tls = true;
    Attacker attacker(key(), "", 0, identity_of("shop"));
    ASSERT_TRUE(attacker.put(node_of(*web), kKey, {{record(what, signer)}}));
    until("an attempt", [&] {
      EXPECT_EQ(request(web->address("outbound"), kAsk).body, "honest");
      return web->metric("outrider_tls_handshakes_total", "result=\"tls_wrong_identity\",side=\"endpoint\"") > 0;
    });
    expect_honest(*web);
    EXPECT_EQ(stolen, 0);
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
  issue("bank", "bank/shop");
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

// The record is the shop's own, and sound. At its address somebody else answers, with a valid certificate of another service:
// the address has been taken over, or given to another workload since.
TEST_F(Attack, AnAddressWhereAnotherServicesCertificateAnswersGetsNoRequest) { expect_no_request_to("seed", "shop"); }

TEST_F(Attack, WhoeverDoesNotHoldTheMeshKeyIsNotEvenHeard) {
  Attacker attacker;
  const double before = rejected(*web, "unsealed");
  for (int i = 0; i < 100; ++i) attacker.send(node_of(*web), "\x83\xa1\x61\x80\xa1q\xa4ping\xa1t\x01");
  until("a refusal", [&] { return rejected(*web, "unsealed") > before; });
  expect_honest(*web);
}

TEST_F(Attack, WhoMayNotSpeakForAServiceCannotListIt) {
  issue("bank", "bank/shop");
  auto what = claim();
  what.service = "default/ghost";
  const auto listing = discovery::listing_key("mesh.local", what.service);
  const Attacker::Value bad{record(what, "bank"), 0, discovery::kListingType};
  what.service = "bank/vault";
  const auto theirs = discovery::listing_key("mesh.local", what.service);
  Attacker attacker(key(), "", 0, identity_of("shop"));
  attacker.lay(listing, {bad});
  ASSERT_TRUE(attacker.ping(node_of(*web)));
  ASSERT_TRUE(attacker.put(node_of(*web), listing, {bad}));
  until("a refusal to store", [&] { return rejected(*web, "not_owner") > 0; });
  ASSERT_TRUE(attacker.put(node_of(*web), theirs, {{record(what, "bank"), 0, discovery::kListingType}}));
  const auto newcomer = caller("newcomer");
  std::string page;
  until("the list", [&] {
    page = newcomer->get("/services").body;
    return has(page, "\"complete\": true") && has(page, "bank/vault") && rejected(*newcomer, "not_owner") > 0;
  });
  EXPECT_TRUE(has(page, "default/shop")) << page;
  EXPECT_FALSE(has(page, "default/ghost")) << page;
}

// --- a service whose owners are listed ------------------------------------------------------------------------------

// Of another namespace than its service; nobody else may speak for it.
struct Owned : Attack {
  Owned() : Attack("ops/cart", {"registry.owners={default/shop: [ops/cart]}"}) {}
};

TEST_F(Owned, AnOwnerOfAnotherNamespaceIsBelievedAndCalledByItsOwnName) {
  EXPECT_GT(web->metric("outrider_tls_handshakes_total", "result=\"ok\",side=\"endpoint\""), 0);
  EXPECT_NE(web->get("/clusters?cluster=default/shop").body.find("spiffe://mesh.local/ns/ops/sa/cart"), std::string::npos);
  EXPECT_EQ(rejected(*web, "not_owner"), 0);
}

TEST_F(Owned, ARecordSignedByAnotherIdentityOfItsNamespaceIsNotBelieved) {
  expect_refused({record(claim(), "shop")}, "not_owner");
}

TEST_F(Owned, AnUnsignedRecordIsNotBelieved) { expect_refused({record(claim(), "")}, "no_certificate"); }

// Not by an attacker: a sidecar of the namespace that knows no better.
TEST_F(Owned, ASidecarWhoseIdentityIsNotListedIsNotFound) {
  const auto stranger = sidecar("stranger", *impostor, "shop");
  until("a refusal", [&] { return rejected(*web, "not_owner") > 0; });
  expect_honest_answers(*web);  // the stranger's own sidecar looks whether it is well
  until("the one alone", [&] { return known_to(*web) == 1; });
}

TEST_F(Owned, AnAddressWhereAnotherIdentityOfItsNamespaceAnswersGetsNoRequest) { expect_no_request_to("shop", "owner"); }

// --- many at once -------------------------------------------------------------------------------------------------

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kFlood = 1000;  // slower by so much
#else
constexpr size_t kFlood = 10000;
#endif

TEST_F(Attack, AFloodOfJunkHidesNobodyAndIsCutOff) {
  const auto more = app("honest");
  const auto second = sidecar("two", *more);
  until("both", [&] { return known_to(*web) == 2; });
  Traffic traffic(web->address("outbound"));
  std::vector<std::unique_ptr<Attacker>> attackers;
  std::vector<std::jthread> threads;
  const std::vector<net::Address> nodes{node_of(*web), node_of(*shop), node_of(*second)};
  const std::string forged = record(claim());
  for (int i = 0; i < 4; ++i) {
    attackers.push_back(std::make_unique<Attacker>(key(), "", i, identity_of("shop")));
    attackers.back()->lay(kKey, junk(forged, 500));
    for (const auto& node : nodes) ASSERT_TRUE(attackers.back()->ping(node)) << "before there is a flood";
  }
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {  // records that look well, and bytes that do not, each as long as it may be
      const auto values = junk(i % 2 ? forged : std::string(discovery::kMaxRecord, 'x'), kFlood / 4);
      for (const auto& node : nodes) attackers[size_t(i)]->put(node, kKey, values);
    });
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
  EXPECT_LE(rejected(*web, "bad_signature") + rejected(*web, "malformed"), 4 * 200);
}

// --- where they should not be ---------------------------------------------------------------------------------------

// A member chooses ids beside the service's key, one with the mesh key alone does: nobody listens to either, which is counted.
TEST_F(Attack, WhoeverSitsWhereHeShouldNotIsNotListenedTo) {
  std::vector<std::unique_ptr<Attacker>> sybils;
  for (unsigned i = 0; i < 4; ++i) sybils.push_back(std::make_unique<Attacker>(key(), kKey, i, identity_of("web")));
  Attacker thief(key(), kKey, 4);
  for (const auto& one : sybils) one->knock(node_of(*web));
  thief.knock(node_of(*web));
  until("refusals", [&] { return rejected(*web, "wrong_identity") >= 4 && rejected(*web, "no_certificate") >= 1; });
  const auto newcomer = caller("newcomer");
  until_served_by(*newcomer, {"honest"});
  expect_honest(*newcomer);
  for (const auto& one : sybils) EXPECT_EQ(one->asked(), 0);
  EXPECT_EQ(thief.asked(), 0);
}

// --- alone among liars --------------------------------------------------------------------------------------------

// Where ids are whoever's choice: what remains are the ways past the nearest nodes.
class Eclipse : public Attack {
 protected:
  Eclipse() : Attack("default/shop", {"registry.node_ids=free"}) {}
  // Members gone bad whose ids are the nearest to the service's key. They name each other alone.
  void surround(const std::vector<Attacker::Value>& shown, unsigned count = 8, const std::string& beside = kKey) {
    for (unsigned i = 0; i < count; ++i) liars.push_back(std::make_unique<Attacker>(key(), beside, i));
    std::vector<const Attacker*> all;
    for (const auto& one : liars) all.push_back(one.get());
    for (const auto& one : liars) one->name(all), one->lay(kKey, shown);
  }
  // Who begins with them, and with `honest` where that is given.
  std::unique_ptr<Proxy> reader(const std::string& honest = {}) {
    std::string seeds = honest;
    for (const auto& one : liars) seeds += (seeds.empty() ? "" : ",") + one->address().text();
    const std::string before = std::exchange(seed, seeds);
    auto begun = caller("reader");
    seed = before;
    return begun;
  }
  std::vector<std::unique_ptr<Attacker>> liars;
};

TEST_F(Eclipse, OneHonestSeedAmongLiarsWhoHideTheServiceIsEnough) {
  surround({});
  const auto reader = this->reader(seed);
  until_served_by(*reader, {"honest"});
  expect_honest(*reader);
  for (const auto& one : liars) EXPECT_GT(one->asked(), 0) << "it was in the way";
}

// More than OpenDHT looks at: it asks nobody else.
TEST_F(Eclipse, NoNumberOfLiarsBesideTheKeyHidesTheService) {
  surround({}, 24);
  const auto reader = this->reader(seed);
  until_served_by(*reader, {"honest"});
  expect_honest(*reader);
}

TEST_F(Eclipse, OneHonestSeedAmongLiarsWhoShowAForgedServiceIsEnough) {
  auto forged = record(claim());
  forged.back() = char(forged.back() ^ 1);
  surround({{forged}});
  const auto reader = this->reader(seed);
  until_served_by(*reader, {"honest"});
  expect_honest(*reader);
  EXPECT_GT(rejected(*reader, "bad_signature"), 0);
}

TEST_F(Eclipse, AmongLiarsAloneNothingIsFoundWhichIsSaid) {
  auto forged = record(claim());
  forged.back() = char(forged.back() ^ 1);
  surround({{forged}});
  const auto reader = this->reader();
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
  const auto reader = this->reader();
  until_served_by(*reader, {"honest"});
  expect_honest(*reader);
}

TEST_F(Eclipse, ARememberedNeighbourIsAWayOutToo) {
  {
    const auto before = caller("reader");
    until_served_by(*before, {"honest"});
  }
  EXPECT_TRUE(std::filesystem::remove(folder.path("state/reader/records")));
  surround({});
  const auto reader = this->reader();
  until_served_by(*reader, {"honest"});
  expect_honest(*reader);
}

// OpenDHT keeps eight nodes of a region of ids, and these were there before.
TEST_F(Eclipse, ARememberedNeighbourIsAWayOutWhereTheTableHasNoRoomForIt) {
  {
    const auto before = caller("reader");
    until_served_by(*before, {"honest"});
  }
  EXPECT_TRUE(std::filesystem::remove(folder.path("state/reader/records")));
  const auto id_of = [](Proxy& proxy) {
    const std::string page = proxy.get("/registry").body, name = "\"node_id\": \"";
    return page.substr(page.find(name) + name.size(), 40);
  };
  for (Proxy* const one : {web.get(), shop.get()}) surround({}, 16, id_of(*one));
  const auto reader = this->reader();
  until_served_by(*reader, {"honest"});
  expect_honest(*reader);
}

}  // namespace
}  // namespace outrider::test
