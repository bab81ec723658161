// Mutual TLS between workloads: who is taken for whom.

#include <gtest/gtest.h>

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
    BlockPool blocks;
    TlsEngine server(TlsContext::workload_server(called, {"h2", "http/1.1", std::string(kMeshProtocol)}), blocks);
    TlsEngine client({TlsContext::workload_client(caller), "127.0.0.1", "\x02h2\x08outrider", nullptr, expected}, blocks);
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

TEST_F(Workloads, WhatHasExpiredIsRefused) {
  const auto old = *Authority::create(kNow - hours(24 * 30));
  authority = old;
  EXPECT_EQ(meet(issue(authority, kWeb, kNow - hours(48)), issue(authority, kShop)), "ok, tls_expired");
  EXPECT_EQ(meet(issue(authority, kWeb), issue(authority, kShop, kNow - hours(48))).substr(0, 11), "tls_expired");
}

}  // namespace
}  // namespace outrider::net
