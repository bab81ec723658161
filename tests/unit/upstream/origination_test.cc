// Which endpoints are spoken to by TLS, and what they are asked.

#include "upstream/origination.h"

#include <gtest/gtest.h>

#include "identity/authority.h"
#include "net/loop.h"

namespace outrider::upstream {
namespace {

struct Originations : testing::Test {
  TlsPlan plan{nullptr, std::make_shared<net::TlsSlot>(*net::TlsContext::client({})), "", false};
  bool encrypted(const char* to, Protocol protocol) const { return is_encrypted(plan, *net::Address::parse(to), {}, protocol); }
  net::TlsPeer peer(const char* to, Protocol protocol) const {
    return peer_of(plan, *net::Address::parse(to), {}, protocol, nullptr).value_or(net::TlsPeer{});
  }
};

TEST_F(Originations, WhatIsGivenHoldsForAllThatGoesToAll) {
  for (const char* to : {"10.0.0.1:80", "10.0.0.1:443", "[::1]:8443", "unix:/run/a"})
    for (const auto protocol : {Protocol::Http1, Protocol::Http2, Protocol::Raw, Protocol::Either})
      EXPECT_TRUE(encrypted(to, protocol)) << to;
}

TEST_F(Originations, AutoIsForHttpToItsPortAlone) {
  plan.https_only = true;
  for (const auto protocol : {Protocol::Http1, Protocol::Http2, Protocol::Either}) {
    EXPECT_TRUE(encrypted("10.0.0.1:443", protocol));
    EXPECT_TRUE(encrypted("[::1]:443", protocol));
    EXPECT_FALSE(encrypted("10.0.0.1:8443", protocol));
    EXPECT_FALSE(encrypted("unix:/run/a:443", protocol));
  }
  EXPECT_FALSE(encrypted("10.0.0.1:443", Protocol::Raw)) << "who tunnels there speaks TLS himself";
}

TEST_F(Originations, WithoutAContextAllIsClear) {
  plan.files = nullptr;
  EXPECT_FALSE(encrypted("10.0.0.1:443", Protocol::Http1));
  EXPECT_FALSE(peer_of(plan, *net::Address::parse("10.0.0.1:443"), {}, Protocol::Http1, nullptr));
}

TEST_F(Originations, TheHostIsAskedForWhereNoNameIsGiven) {
  EXPECT_EQ(peer("10.0.0.1:443", Protocol::Http1).name, "10.0.0.1");
  EXPECT_EQ(peer("[2001:db8::1]:443", Protocol::Http1).name, "2001:db8::1");
  plan.name = "cart.example";
  EXPECT_EQ(peer("10.0.0.1:443", Protocol::Http1).name, "cart.example");
}

TEST_F(Originations, OffersWhatWillBeSpoken) {
  EXPECT_EQ(peer("10.0.0.1:443", Protocol::Http1).protocols, "\x08http/1.1");
  EXPECT_EQ(peer("10.0.0.1:443", Protocol::Http2).protocols, "\x02h2");
  EXPECT_EQ(peer("10.0.0.1:443", Protocol::Either).protocols, "\x02h2\x08http/1.1");
  EXPECT_EQ(peer("10.0.0.1:443", Protocol::Raw).protocols, "");
}

struct InTheMesh : Originations {
  static constexpr const char* kShop = "spiffe://mesh.local/ns/default/sa/shop";
  InTheMesh() {
    plan.files = nullptr;
    const WallTime now = net::Loop::wall();
    const auto authority = identity::Authority::create(now);
    const auto issued = authority->issue({*identity::WorkloadId::parse("spiffe://mesh.local/ns/default/sa/web"), {}, {}}, now);
    context = net::TlsContext::workload_client(*identity::Identity::of(*issued, authority->certificate()));
    plan.mesh = std::make_shared<net::TlsSlot>(context);
  }
  net::TlsPeer peer(const char* identity, Protocol protocol) const {
    return peer_of(plan, *net::Address::parse("10.0.0.1:80"), identity, protocol, nullptr).value_or(net::TlsPeer{});
  }
  std::shared_ptr<const net::TlsContext> context;
};

TEST_F(InTheMesh, WhoAsksForItIsSpokenToByMutualTlsAndMustBeWhoHeIs) {
  const auto shop = peer(kShop, Protocol::Http1);
  EXPECT_EQ(shop.context, context);
  EXPECT_EQ(shop.identity, kShop);
  EXPECT_FALSE(peer("", Protocol::Http1).context);
}

TEST_F(InTheMesh, ASidecarIsKnownByWhatItOffers) {
  EXPECT_EQ(peer(kShop, Protocol::Either).protocols, "\x02h2\x08http/1.1\x08outrider");
  EXPECT_EQ(peer(kShop, Protocol::Http1).protocols, "\x08http/1.1\x08outrider");
  EXPECT_EQ(peer(kShop, Protocol::Http2).protocols, "\x02h2\x08outrider");
  EXPECT_EQ(peer(kShop, Protocol::Raw).protocols, "\x08outrider");
}

TEST_F(InTheMesh, ItComesBeforeWhatIsGivenForTheRest) {
  plan.files = std::make_shared<net::TlsSlot>(*net::TlsContext::client({}));
  EXPECT_EQ(peer(kShop, Protocol::Http1).context, context);
  EXPECT_EQ(peer("", Protocol::Http1).context, plan.files->get());
}

TEST_F(InTheMesh, WithoutAnIdentityOfOursNobodyIsAskedForIt) {
  plan.mesh = nullptr;
  EXPECT_FALSE(peer(kShop, Protocol::Http1).context);
}

}  // namespace
}  // namespace outrider::upstream
