// Places of nodes, and proofs of them.

#include "discovery/dht/node_proof.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/identity/pki.h"

namespace outrider::discovery {

inline void PrintTo(RecordVerdict verdict, std::ostream* out) { *out << (verdict == RecordVerdict::Ok ? "ok" : reason(verdict)); }

namespace {

using identity::kNow;

net::Address address(std::string_view text) { return *net::Address::parse(text); }
identity::WorkloadId id(std::string_view text) { return identity::id_of(text); }
constexpr const char* kCart = "spiffe://mesh.local/ns/shop/sa/cart";

TEST(NodeIds, FollowFromIdentityAddressAndPortModuloEight) {
  const auto of = [](std::string_view who, std::string_view at) { return node_id_of(id(who), address(at)); };
  const std::string one = of(kCart, "10.0.0.1:4222");
  EXPECT_EQ(one.size(), kNodeIdBytes);
  EXPECT_EQ(one, of(kCart, "10.0.0.1:4230"));
  EXPECT_NE(one, of(kCart, "10.0.0.1:4223"));
  EXPECT_NE(one, of(kCart, "10.0.0.2:4222"));
  EXPECT_NE(one, of("spiffe://mesh.local/ns/shop/sa/web", "10.0.0.1:4222"));
  EXPECT_NE(one, of("spiffe://other.mesh/ns/shop/sa/cart", "10.0.0.1:4222"));
  EXPECT_EQ(of(kCart, "[fd00::1]:1"), of(kCart, "[fd00::1]:9"));
  EXPECT_NE(of(kCart, "[fd00::1]:1"), of(kCart, "[fd00::2]:1"));
  EXPECT_NE(of(kCart, "127.0.0.1:4222"), of(kCart, "127.0.0.1:4230")) << "many nodes share it";
  EXPECT_NE(of(kCart, "[::1]:4222"), of(kCart, "[::1]:4230"));
  std::set<std::string> places;
  for (int port = 1; port < 65536; ++port) places.insert(of(kCart, "10.0.0.1:" + std::to_string(port)));
  EXPECT_EQ(places.size(), 8u);
}

TEST(NodeIds, OwnAddressIsTheBoundOneOrTheOneTowardsOthers) {
  EXPECT_EQ(own_address(address("10.1.2.3:4222"), "10.9.9.9", {}).text(), "10.1.2.3:4222");
  EXPECT_EQ(own_address(address("127.0.0.1:4222"), "", {"10.0.0.1:4222"}).text(), "127.0.0.1:4222");
  EXPECT_EQ(own_address(address("0.0.0.0:4222"), "10.9.9.9", {}).text(), "10.9.9.9:4222");
  EXPECT_EQ(own_address(address("[::]:4222"), "fd00::9", {}).text(), "[fd00::9]:4222");
  for (const char* any : {"0.0.0.0:4222", "[::]:4222"}) {
    const auto own = own_address(address(any), "", {"127.0.0.1:4222", "seed.mesh:4222"});
    EXPECT_FALSE(own.is_wildcard()) << own.text();
    EXPECT_EQ(own.port(), 4222);
    EXPECT_EQ(own.is_loopback(), net::Address::first_reachable() == "127.0.0.1") << own.text();
  }
}

TEST(NodeIds, AreOfWhereDatagramsComeFrom) {
  EXPECT_TRUE(comes_from(address("10.0.0.1:4222"), address("10.0.0.1:4222")));
  EXPECT_FALSE(comes_from(address("10.0.0.1:4222"), address("10.0.0.1:4230")));
  EXPECT_FALSE(comes_from(address("10.0.0.1:4222"), address("10.0.0.2:4222")));
  EXPECT_FALSE(comes_from(address("127.0.0.1:4222"), address("10.0.0.2:4222")));
  EXPECT_FALSE(comes_from(address("198.51.100.7:4222"), address("127.0.0.1:4222"))) << "of no machine here";
  const std::string own = net::Address::first_reachable();
  if (own != "127.0.0.1" && own.find(':') == own.npos) {
    EXPECT_TRUE(comes_from(address(own + ":4222"), address("127.0.0.1:4222"))) << "of this very machine";
    EXPECT_FALSE(comes_from(address(own + ":4222"), address("127.0.0.1:4230")));
  }
}

struct Proofs : testing::Test {
  std::string written(const identity::Identity& signer, std::string node_id = {}) const {
    if (node_id.empty()) node_id = node_id_of(signer.id, here);
    return write_proof(nonce, node_id, here, Question{std::string(kNonceBytes, 'b'), address("10.0.0.9:4222")}, signer);
  }
  RecordVerdict verdict(const std::string& bytes, const net::Address& from, WallTime now = kNow) {
    const auto proof = read_proof(bytes);
    if (!proof) return RecordVerdict::Malformed;
    return check_proof(*proof, from, "mesh.local", cache, now).verdict;
  }
  RecordVerdict verdict(const std::string& bytes) { return verdict(bytes, here); }
  const identity::Authority authority = identity::make_authority();
  const identity::Identity cart = identity::make_identity(authority, kCart);
  identity::TrustCache cache{cart.trust};
  const net::Address here = address("10.0.0.1:4222");
  const std::string nonce = std::string(kNonceBytes, 'n');
};

TEST_F(Proofs, SayWhatWasWritten) {
  const std::string bytes = written(cart);
  EXPECT_LT(bytes.size(), 1000u) << "one datagram";
  const auto proof = read_proof(bytes);
  ASSERT_TRUE(proof);
  EXPECT_EQ(proof->nonce, nonce);
  EXPECT_EQ(proof->node_id, node_id_of(cart.id, here));
  EXPECT_EQ(proof->address, here);
  ASSERT_TRUE(proof->back);
  EXPECT_EQ(proof->back->nonce, std::string(kNonceBytes, 'b'));
  EXPECT_EQ(proof->back->seen.text(), "10.0.0.9:4222");
  const auto checked = check_proof(*proof, here, "mesh.local", cache, kNow);
  EXPECT_EQ(checked.verdict, RecordVerdict::Ok);
  EXPECT_LE(checked.until, cart.leaf.not_after());
  EXPECT_GT(checked.until, kNow);
  const auto bare = read_proof(write_proof(nonce, proof->node_id, here, {}, cart));
  ASSERT_TRUE(bare);
  EXPECT_FALSE(bare->back);
  for (const std::string at : {"10.0.0.1:4222", "[fd00::1]:4222"}) {
    const auto question = read_question(write_question({nonce, address(at)}));
    ASSERT_TRUE(question);
    EXPECT_EQ(question->nonce, nonce);
    EXPECT_EQ(question->seen.text(), at);
  }
}

TEST_F(Proofs, OfEveryKindOfKey) {
  for (const auto& key : {identity::ed25519_key(), identity::rsa_key(2048)}) {
    identity::Odd odd;
    const std::string san = std::string("URI:") + kCart;
    odd.extensions = {{NID_subject_alt_name, san.c_str()}, {NID_key_usage, "critical,digitalSignature"}};
    const auto leaf = identity::odd_certificate(key, authority.certificate(), authority.key(), odd);
    const identity::Identity signer{cart.id, key, leaf, {}, cart.trust};
    EXPECT_EQ(verdict(written(signer)), RecordVerdict::Ok);
  }
}

TEST_F(Proofs, AnythingBentIsNotBelieved) {
  const std::string good = written(cart);
  for (size_t length = 0; length < good.size(); ++length) EXPECT_NE(verdict(good.substr(0, length)), RecordVerdict::Ok) << length;
  for (size_t i = 0; i < good.size(); ++i)
    for (const int bits : {0x01, 0x80, 0xFF}) {
      std::string bent = good;
      bent[i] = char(bent[i] ^ bits);
      EXPECT_NE(verdict(bent), RecordVerdict::Ok) << "byte " << i;
    }
  EXPECT_EQ(verdict(good), RecordVerdict::Ok);
  EXPECT_FALSE(read_proof(good + std::string(4096, 'x')));
  const std::string question = write_question({nonce, here});
  for (size_t length = 0; length < question.size(); ++length) EXPECT_FALSE(read_question(question.substr(0, length))) << length;
  EXPECT_FALSE(read_question(question + "x"));
  EXPECT_FALSE(read_question(good));
  EXPECT_FALSE(read_proof(question));
}

TEST_F(Proofs, AreOfOneAddress) {
  EXPECT_EQ(verdict(written(cart), address("10.0.0.2:4222")), RecordVerdict::WrongIdentity);
  EXPECT_EQ(verdict(written(cart), address("10.0.0.1:4230")), RecordVerdict::WrongIdentity);
}

TEST_F(Proofs, OfAChosenIdAreRefused) {
  EXPECT_EQ(verdict(written(cart, std::string(kNodeIdBytes, 'c'))), RecordVerdict::WrongIdentity);
  const auto web = identity::make_identity(authority, "spiffe://mesh.local/ns/shop/sa/web");
  EXPECT_EQ(verdict(written(cart, node_id_of(web.id, here))), RecordVerdict::WrongIdentity) << "another's";
}

TEST_F(Proofs, WithAnothersCertificateAreRefused) {
  const auto web = identity::make_identity(authority, "spiffe://mesh.local/ns/shop/sa/web");
  const identity::Identity thief{cart.id, web.key, cart.leaf, {}, cart.trust};
  EXPECT_EQ(verdict(written(thief)), RecordVerdict::BadSignature);
}

TEST_F(Proofs, OfStrangersAreRefused) {
  EXPECT_EQ(verdict(written(identity::make_identity(identity::make_authority(), kCart))), RecordVerdict::UnknownCa);
  EXPECT_EQ(verdict(written(identity::make_identity(authority, "spiffe://other.mesh/ns/shop/sa/cart"))),
            RecordVerdict::WrongIdentity);
}

TEST_F(Proofs, EndWithTheCertificate) {
  EXPECT_EQ(verdict(written(cart), here, cart.leaf.not_after() + seconds(1)), RecordVerdict::Expired);
  EXPECT_EQ(verdict(written(cart), here, cart.leaf.not_before() - seconds(1)), RecordVerdict::Skew);
}

}  // namespace
}  // namespace outrider::discovery
