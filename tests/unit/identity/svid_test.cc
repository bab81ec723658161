// What an agent's Workload API says of us, read.

#include "identity/svid.h"

#include <gtest/gtest.h>

#include "tests/support/svid.h"
#include "tests/unit/identity/pki.h"

namespace outrider::identity {
namespace {

using protobuf::write_bytes;
using test::Svid;
using test::svid_response;

constexpr const char* kCart = "spiffe://mesh.local/ns/shop/sa/cart";
constexpr const char* kWeb = "spiffe://mesh.local/ns/shop/sa/web";

struct Svids : testing::Test {
  Authority authority = make_authority();
  Svid svid(const char* id = kCart) { return Svid::of(issue(authority, id), authority.certificate()); }
  static std::string why(const std::string& message) {
    const auto read = read_svids(message, kCart);
    return read ? "" : read.why();
  }
};

TEST_F(Svids, AreAnIdentityFitForUse) {
  const auto read = read_svids(svid_response({svid()}), "");
  ASSERT_TRUE(read) << read.why();
  EXPECT_EQ(read->id.text(), kCart);
  EXPECT_EQ(read->problem(kNow), "");
  EXPECT_TRUE(read->key.public_key().verify("x", read->key.sign("x")));
  EXPECT_EQ(read->trust.roots().size(), 1u);
}

TEST_F(Svids, OfSeveralTheOneThatIsWantedIsTakenElseTheFirst) {
  const auto message = svid_response({svid(kWeb), svid(kCart)});
  EXPECT_EQ(read_svids(message, kCart)->id.text(), kCart);
  EXPECT_EQ(read_svids(message, "")->id.text(), kWeb);
  EXPECT_EQ(read_svids(message, "spiffe://mesh.local/ns/shop/sa/other")->id.text(), kWeb);
}

TEST_F(Svids, BundlesOfOtherTrustDomainsComeAlong) {
  const Authority partner = make_authority();
  const std::string both = partner.certificate().der() + make_authority().certificate().der();
  for (const char* name : {"partner.org", "spiffe://partner.org"}) {
    const auto read = read_svids(svid_response({svid()}, {{name, both}}), "");
    ASSERT_TRUE(read) << read.why();
    EXPECT_TRUE(read->trust.knows("partner.org"));
    EXPECT_EQ(read->trust.judge(issue(partner, "spiffe://partner.org/ns/a/sa/b").certificate, kNow).verdict, TrustVerdict::Ok);
  }
  EXPECT_EQ(why(svid_response({svid()}, {{"mesh.local", both}})), "federated bundle of mesh.local: not another trust domain");
  EXPECT_NE(why(svid_response({svid()}, {{"partner.org", "x"}})), "");
}

TEST_F(Svids, WhatFollowsTheLeafFillsItsChain) {
  Svid one = svid();
  one.certificates += authority.certificate().der();
  EXPECT_EQ(read_svids(svid_response({one}), "")->chain.size(), 1u);
}

TEST_F(Svids, FieldsOfOtherVersionsArePassedOver) {
  const std::string more = write_bytes(9, "later") + std::string("\x58\x01", 2);
  EXPECT_EQ(why(more + write_bytes(1, more + svid().bytes() + more) + write_bytes(2, "a crl") + more), "");
}

TEST_F(Svids, WhatDoesNotFitIsRefusedWithItsReason) {
  const auto with = [&](auto change) {
    Svid one = svid();
    change(one);
    return why(svid_response({one}));
  };
  EXPECT_EQ(why(""), "the answer has no identity in it");
  EXPECT_EQ(why("\x0a\xff"), "the answer is no X509SVIDResponse");
  EXPECT_EQ(why(write_bytes(1, "\x0a\xff")), "the answer is no X509SVIDResponse");
  EXPECT_EQ(with([](Svid& one) { one.certificates = ""; }), "x509_svid: no certificate in it");
  EXPECT_EQ(with([](Svid& one) { one.certificates.pop_back(); }).substr(0, 32), "x509_svid: certificate 1 is brok");
  EXPECT_EQ(with([](Svid& one) { one.bundle = "x"; }).substr(0, 31), "bundle: certificate 1 is broken");
  EXPECT_EQ(with([](Svid& one) { one.key = "x"; }).substr(0, 14), "x509_svid_key:");
  EXPECT_EQ(with([&](Svid& one) { one.key = svid().key; }), "x509_svid_key: is not the certificate's");
  EXPECT_EQ(with([](Svid& one) { one.id = kWeb; }), "x509_svid: the certificate is of another identity than the answer says");
  EXPECT_NE(with([](Svid& one) { one.bundle = one.certificates; }), "") << "a leaf is no authority";
}

TEST_F(Svids, WhateverIsCutShortIsRefused) {
  const std::string whole = svid_response({svid()});
  for (size_t n = 0; n < whole.size(); n += 7) EXPECT_NE(why(whole.substr(0, n)), "") << n;
}

}  // namespace
}  // namespace outrider::identity
