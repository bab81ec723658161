// Mutual TLS between workloads: who is taken for whom.

#include <gtest/gtest.h>

#include <optional>

#include "identity/authority.h"
#include "net/tls_engine.h"

namespace outrider::net {
namespace {

using identity::Authority;
using identity::Identity;
using std::chrono::hours;

const WallTime kNow = std::chrono::system_clock::now();
const std::string kWeb = "spiffe://mesh.local/ns/default/sa/web", kShop = "spiffe://mesh.local/ns/default/sa/shop";

// Each side with an identity; the handshake, and what each made of it.
struct Workloads : testing::Test {
  Authority authority = *Authority::create(kNow);
  Identity issue(const Authority& by, const std::string& id, WallTime at = kNow) {
    const auto issued = by.issue({*identity::WorkloadId::parse(id), {}, {}}, at);
    EXPECT_TRUE(issued) << issued.why();
    return *Identity::of(*issued, authority.certificate());  // whoever issued it: trusting this mesh
  }
  // "client's error, server's error", each "ok" where it has established.
  std::string meet(const Identity& caller, const Identity& called, const std::string& expected = kShop) {
    server_side.emplace(server_of(called), blocks);
    client_side.emplace(TlsPeer{TlsContext::workload_client(caller), "127.0.0.1", "\x02h2\x08outrider", nullptr, expected},
                        blocks);
    TlsEngine &server = *server_side, &client = *client_side;
    std::string client_says, server_says;
    const auto step = [](TlsEngine& engine, std::string& says) {
      if (!says.empty()) return;
      const auto over = engine.handshake();
      if (!over) says = over.error().what;
      else if (*over) says = "ok";
    };
    for (int i = 0; i < 10; ++i) {
      step(client, client_says);
      server.input.append(std::move(client.output));
      step(server, server_says);
      client.input.append(std::move(server.output));
    }
    seen_by_server = server.peer();
    agreed = std::string(client.protocol());
    return client_says + ", " + server_says;
  }
  static std::shared_ptr<const TlsContext> server_of(const Identity& identity) {
    return TlsContext::workload_server(identity, {"h2", "http/1.1", std::string(kMeshProtocol)});
  }
  // The same workload where these are the authorities it believes.
  static Identity trusting(Identity identity, std::vector<identity::Certificate> roots) {
    identity.trust = *identity::Trust::of(std::move(roots), "roots");
    return identity;
  }
  BlockPool blocks;
  std::optional<TlsEngine> server_side, client_side;  // as they were when they last met
  std::string seen_by_server, agreed;
};

TEST_F(Workloads, KnowEachOther) {
  EXPECT_EQ(meet(issue(authority, kWeb), issue(authority, kShop)), "ok, ok");
  EXPECT_EQ(seen_by_server, kWeb);
  EXPECT_EQ(agreed, "h2");
}

TEST_F(Workloads, WhoAnswersMustBeWhoTheRegistrationNames) {
  EXPECT_EQ(meet(issue(authority, kWeb), issue(authority, kWeb)).substr(0, 18), "tls_wrong_identity");
}

TEST_F(Workloads, AStrangersAuthorityIsNotTrusted) {
  const auto other = *Authority::create(kNow);
  EXPECT_EQ(meet(issue(other, kWeb), issue(authority, kShop)), "ok, tls_unknown_ca") << "the client hears of it later";
  EXPECT_EQ(meet(issue(authority, kWeb), issue(other, kShop)).substr(0, 14), "tls_unknown_ca");
}

TEST_F(Workloads, AnotherTrustDomainIsNotTheMesh) {
  EXPECT_EQ(meet(issue(authority, "spiffe://elsewhere/ns/default/sa/web"), issue(authority, kShop)), "ok, tls_wrong_identity");
}

TEST_F(Workloads, WhoHasBeenTakenIsJudgedAgainByANewTrust) {
  const auto next = *Authority::create(kNow);
  const Identity web = issue(authority, kWeb), shop = issue(authority, kShop);
  ASSERT_EQ(meet(web, shop), "ok, ok");
  const auto both = server_of(trusting(shop, {authority.certificate(), next.certificate()}));
  const auto alone = server_of(trusting(shop, {next.certificate()}));
  EXPECT_TRUE(server_side->has_asked(server_side->context()));
  EXPECT_FALSE(server_side->has_asked(both));
  EXPECT_TRUE(server_side->trusts_still(both));
  EXPECT_TRUE(server_side->has_asked(both));
  EXPECT_FALSE(server_side->trusts_still(alone));
  EXPECT_TRUE(server_side->trusts_still(both));
  EXPECT_TRUE(client_side->trusts_still(TlsContext::workload_client(trusting(web, {authority.certificate()}))));
  EXPECT_FALSE(client_side->trusts_still(TlsContext::workload_client(trusting(web, {next.certificate()}))));
}

TEST_F(Workloads, OthersTrustDomainsAreTakenByTheirOwnBundlesAlone) {
  const auto partner = *Authority::create(kNow);
  Identity shop = issue(authority, kShop);
  const std::string theirs = "spiffe://partner.org/ns/default/sa/web";
  EXPECT_EQ(meet(issue(partner, theirs), shop), "ok, tls_unknown_ca");
  shop.trust.add("partner.org", *identity::Trust::of({partner.certificate()}, "partner"));
  EXPECT_EQ(meet(issue(partner, theirs), shop), "ok, ok");
  EXPECT_EQ(seen_by_server, theirs);
  EXPECT_EQ(meet(issue(partner, kWeb), shop), "ok, tls_unknown_ca") << "they speak for nobody of ours";
  EXPECT_EQ(meet(issue(authority, theirs), shop), "ok, tls_unknown_ca") << "and we for nobody of theirs";
  EXPECT_EQ(meet(issue(partner, "spiffe://third.org/ns/default/sa/web"), shop), "ok, tls_unknown_ca");
  EXPECT_EQ(meet(issue(authority, kWeb), shop), "ok, ok");
}

TEST_F(Workloads, WhatHasExpiredIsRefused) {
  const auto old = *Authority::create(kNow - hours(24 * 30));
  authority = old;
  EXPECT_EQ(meet(issue(authority, kWeb, kNow - hours(48)), issue(authority, kShop)), "ok, tls_expired");
  EXPECT_EQ(meet(issue(authority, kWeb), issue(authority, kShop, kNow - hours(48))).substr(0, 11), "tls_expired");
}

}  // namespace
}  // namespace outrider::net
