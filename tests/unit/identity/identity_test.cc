// Names, keys, certificates, the throw-away authority, and what lies in identity.dir.

#include "identity/identity.h"

#include <gtest/gtest.h>
#include <openssl/rsa.h>

#include "base/text.h"
#include "identity/files.h"
#include "pki.h"

namespace outrider::identity {
namespace {

constexpr const char* kCart = "spiffe://mesh.local/ns/shop/sa/cart";

// ---- Names ----------------------------------------------------------------------------------------------------------

TEST(WorkloadIds, ASpiffeIdIsTakenApartAndPrintedAsItWas) {
  const auto id = WorkloadId::parse(kCart);
  ASSERT_TRUE(id);
  EXPECT_EQ(id->trust_domain(), "mesh.local");
  EXPECT_EQ(id->space(), "shop");
  EXPECT_EQ(id->account(), "cart");
  EXPECT_EQ(id->text(), kCart);
  EXPECT_EQ(*id, *WorkloadId::of("mesh.local", "shop", "cart"));
}

TEST(WorkloadIds, WhatIsNotExactlyOfTheFormIsRefused) {
  for (const char* bad : {"",
                          "spiffe://",
                          "spiffe://mesh.local",
                          "spiffe://mesh.local/ns/shop",
                          "spiffe://mesh.local/ns/shop/sa",
                          "spiffe://mesh.local/ns/shop/sa/",
                          "spiffe://mesh.local/ns//sa/cart",
                          "spiffe:///ns/shop/sa/cart",
                          "spiffe://mesh.local/ns/shop/sa/cart/",
                          "spiffe://mesh.local/ns/shop/sa/cart/more",
                          "spiffe://mesh.local/ns/./sa/cart",
                          "spiffe://mesh.local/ns/shop/sa/..",
                          "http://mesh.local/ns/shop/sa/cart",
                          "SPIFFE://mesh.local/ns/shop/sa/cart",
                          "spiffe://Mesh.local/ns/shop/sa/cart",
                          "spiffe://mesh.local:80/ns/shop/sa/cart",
                          "spiffe://u@mesh.local/ns/shop/sa/cart",
                          "spiffe://mesh.local/ns/shop/sa/cart?x",
                          "spiffe://mesh.local/ns/shop/sa/cart#x",
                          "spiffe://mesh.local/ns/sh%6fp/sa/cart",
                          "spiffe://mesh.local/sa/shop/ns/cart",
                          "spiffe://mesh.local//ns/shop/sa/c",
                          " spiffe://mesh.local/ns/shop/sa/cart",
                          "spiffe://mesh.local/ns/shop/sa/cart\n"})
    EXPECT_FALSE(WorkloadId::parse(bad)) << bad;
  EXPECT_FALSE(WorkloadId::parse(std::string("spiffe://mesh.local/ns/shop/sa/ca\0rt", 36)));
  EXPECT_FALSE(WorkloadId::parse("spiffe://mesh.local/ns/shop/sa/" + std::string(2048, 'a')));
  EXPECT_FALSE(WorkloadId::of(std::string(256, 'a'), "shop", "cart"));
}

TEST(WorkloadIds, AnyIdentityOfItsNamespaceMaySpeakForAService) {
  EXPECT_TRUE(may_speak_for("shop/cart", id_of(kCart)));
  EXPECT_TRUE(may_speak_for("shop/web", id_of(kCart)));
  EXPECT_FALSE(may_speak_for("ops/cart", id_of(kCart)));
  EXPECT_FALSE(may_speak_for("sho/cart", id_of(kCart)));
  EXPECT_FALSE(may_speak_for("shop", id_of(kCart)));
  EXPECT_FALSE(may_speak_for("shop/cart/x", id_of(kCart)));
}

TEST(WorkloadIds, ListedOwnersReplaceTheDefaultRuleForTheirServiceOnly) {
  Owners owners;
  owners.by_service["shop/cart"] = {"ops/deployer", "spiffe://partner.org/ns/shop/*"};
  const auto deployer = id_of("spiffe://mesh.local/ns/ops/sa/deployer");
  EXPECT_TRUE(owners.may_speak_for("shop/cart", deployer, "mesh.local"));
  EXPECT_FALSE(owners.may_speak_for("shop/cart", id_of(kCart), "mesh.local"));
  EXPECT_TRUE(owners.may_speak_for("shop/web", id_of(kCart), "mesh.local"));
  EXPECT_FALSE(owners.may_speak_for("shop/web", deployer, "mesh.local"));
  EXPECT_TRUE(owners.may_speak_for("shop/cart", id_of("spiffe://partner.org/ns/shop/sa/x"), "mesh.local"));
}

TEST(WorkloadIds, PatternsMatchWholeSegmentsOfTheOwnTrustDomain) {
  const auto match = [](const char* pattern) { return matches(pattern, id_of(kCart), "mesh.local"); };
  for (const char* yes : {"*", "shop/*", "shop/cart", "spiffe://mesh.local/ns/shop/sa/cart", "spiffe://mesh.local/*",
                          "spiffe://mesh.local/ns/*", "spiffe://mesh.local/ns/shop/*", "spiffe://mesh.local/ns/shop/sa/*"}) {
    EXPECT_TRUE(valid_pattern(yes)) << yes;
    EXPECT_TRUE(match(yes)) << yes;
  }
  for (const char* no : {"sho/*", "shop/car", "shopping/*", "spiffe://mesh.local/ns/sho/*", "spiffe://mesh.loca/*"}) {
    EXPECT_TRUE(valid_pattern(no)) << no;
    EXPECT_FALSE(match(no)) << no;
  }
  const auto foreign = id_of("spiffe://other/ns/shop/sa/cart");
  for (const char* short_form : {"*", "shop/*", "shop/cart"}) EXPECT_FALSE(matches(short_form, foreign, "mesh.local"));
  for (const char* bad :
       {"", "shop", "/", "shop/", "*/cart", "shop/c*", "shop/cart/x", "spiffe://mesh.local/ns/sh*", "spiffe://mesh.local/nx/*",
        "spiffe:///*", "spiffe://mesh.local/ns/shop/sa/cart/*", "spiffe://mesh.local/ns/shop"})
    EXPECT_FALSE(valid_pattern(bad)) << bad;
}

TEST(WorkloadIds, ServiceNamesAreTwoPlainParts) {
  for (const char* good : {"shop/cart", "a/b", "shop-1/cart_v2", "x.y/z.w"}) EXPECT_TRUE(valid_service(good)) << good;
  for (const char* bad : {"", "/", "shop", "shop/", "/cart", "shop/cart/x", "Shop/cart", "shop/ca rt", "../cart", "shop/."})
    EXPECT_FALSE(valid_service(bad)) << bad;
  EXPECT_TRUE(valid_service("a/" + std::string(63, 'b')));
  EXPECT_FALSE(valid_service("a/" + std::string(64, 'b')));
}

// ---- Files ----------------------------------------------------------------------------------------------------------

TEST(Files, AreWrittenWholeWithTheirPermissionsAndLeaveNothingBeside) {
  TemporaryFolder folder;
  const mode_t mask = umask(077);
  ASSERT_TRUE(write_file(folder.path("a"), "one", 0644));
  ASSERT_TRUE(write_file(folder.path("a"), "two", 0640));
  umask(mask);
  EXPECT_EQ(contents(folder.path("a")), "two");
  EXPECT_EQ(mode_of(folder.path("a")), 0640u);
  const auto kept = write_file(folder.path("a"), "three", 0600, Existing::Keep);
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.why(), folder.path("a") + ": is there already; move it away first");
  EXPECT_EQ(contents(folder.path("a")), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Files, ReasonsNameTheFile) {
  TemporaryFolder folder;
  EXPECT_EQ(read_file(folder.path("none")).why(), folder.path("none") + ": No such file or directory");
  EXPECT_EQ(read_file(folder.path()).why(), folder.path() + ": not a file");
  folder.write("large", std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(read_file(folder.path("large")).why(), folder.path("large") + ": larger than 1 MiB");
  EXPECT_EQ(write_file(folder.path("no/where"), "x", 0600).why(),
            folder.path("no/where") + ": cannot be written: No such file or directory");
  folder.write("file", "");
  EXPECT_TRUE(make_folder(folder.path("file/below")).why().starts_with(folder.path("file/below") + ": "));
  EXPECT_TRUE(make_folder(folder.path("deep/er")));
  EXPECT_TRUE(make_folder(folder.path("deep/er")));
}

// ---- Keys -----------------------------------------------------------------------------------------------------------

class EveryKind : public testing::TestWithParam<Algorithm> {
 protected:
  static KeyPair make(Algorithm kind) {
    if (kind == Algorithm::Ed25519) return ed25519_key();
    return kind == Algorithm::RsaSha256 ? rsa_key(2048) : std::move(*KeyPair::generate());
  }
};
INSTANTIATE_TEST_SUITE_P(Keys, EveryKind, testing::Values(Algorithm::EcdsaP256, Algorithm::Ed25519, Algorithm::RsaSha256));

TEST_P(EveryKind, SignsWhatItsPublicHalfVerifiesAndNothingElse) {
  const KeyPair key = make(GetParam());
  ASSERT_EQ(key.algorithm(), GetParam());
  const std::string signature = key.sign("a registration");
  ASSERT_FALSE(signature.empty());
  EXPECT_TRUE(key.public_key().verify("a registration", signature));
  EXPECT_FALSE(key.public_key().verify("a registratioN", signature));
  EXPECT_FALSE(key.public_key().verify("", signature));
  EXPECT_FALSE(key.public_key().verify("a registration", ""));
  EXPECT_FALSE(key.public_key().verify("a registration", signature + "x"));
  EXPECT_FALSE(key.public_key().verify("a registration", std::string(600, 'x')));
  EXPECT_FALSE(PublicKey().verify("a registration", signature));
  for (size_t i = 0; i < signature.size(); ++i) {
    std::string other = signature;
    other[i] = char(other[i] ^ 1);
    EXPECT_FALSE(key.public_key().verify("a registration", other)) << i;
  }
}

TEST_P(EveryKind, SurvivesItsFile) {
  TemporaryFolder folder;
  const KeyPair key = make(GetParam());
  ASSERT_TRUE(key.save(folder.path("key")));
  EXPECT_EQ(mode_of(folder.path("key")), 0600u);
  const auto again = KeyPair::load(folder.path("key"));
  ASSERT_TRUE(again) << again.why();
  EXPECT_TRUE(again->public_key() == key.public_key());
  EXPECT_FALSE(again->public_key() == KeyPair::generate()->public_key());
  EXPECT_TRUE(key.public_key().verify("x", again->sign("x")));
}

TEST(Keys, UnusableFilesAreRefusedByNameAndReason) {
  TemporaryFolder folder;
  const auto why = [&](const std::string& text) { return KeyPair::load(folder.write("tls.key", text)).why(); };
  const std::string file = folder.path("tls.key") + ": ";
  EXPECT_EQ(KeyPair::load(folder.path("none")).why(), folder.path("none") + ": No such file or directory");
  EXPECT_EQ(why(""), file + "no PEM private key in it");
  EXPECT_EQ(why(make_authority().certificate().pem()), file + "no PEM private key in it");
  std::string broken = KeyPair::generate()->pem();
  broken[60] = broken[60] == 'A' ? 'B' : 'A';
  EXPECT_TRUE(why(broken.substr(0, 90)).starts_with(file + "not a usable private key ("));

  const auto pem_of = [](EVP_PKEY* key, const EVP_CIPHER* cipher) {
    Bio out = writing();
    PEM_write_bio_PKCS8PrivateKey(out.get(), key, cipher, "secret", 6, nullptr, nullptr);
    EVP_PKEY_free(key);
    return written(out);
  };
  EXPECT_EQ(why(pem_of(EVP_EC_gen("P-256"), EVP_aes_128_cbc())),
            file + "the key is encrypted; a key without a password is needed");
  const std::string kinds = file + "neither ECDSA P-256, nor Ed25519, nor RSA of 2048 to 4096 bits";
  EXPECT_EQ(why(pem_of(EVP_EC_gen("P-384"), nullptr)), kinds);
  EXPECT_EQ(why(pem_of(EVP_RSA_gen(1024), nullptr)), kinds);
  EXPECT_EQ(why(pem_of(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"), nullptr)), kinds);
}

// ---- Certificates and the throw-away authority -----------------------------------------------------------------------

TEST(Authorities, IssueCertificatesForBothEndsOfTls) {
  const Authority authority = make_authority();
  const auto issued = authority.issue({id_of(kCart), {"cart.shop", "*.cart.shop"}, {"127.0.0.1", "::1"}, seconds(3600)}, kNow);
  ASSERT_TRUE(issued) << issued.why();
  const Certificate& leaf = issued->certificate;
  EXPECT_EQ(leaf.workload_id(), id_of(kCart));
  EXPECT_EQ(leaf.uris(), std::vector<std::string>{kCart});
  EXPECT_EQ(leaf.dns_names(), (std::vector<std::string>{"cart.shop", "*.cart.shop"}));
  EXPECT_EQ(leaf.addresses(), (std::vector<std::string>{"127.0.0.1", "::1"}));
  EXPECT_EQ(leaf.not_before(), kNow - seconds(60));
  EXPECT_EQ(leaf.not_after(), kNow + seconds(3600));
  EXPECT_EQ(leaf.subject(), "CN=cart");
  EXPECT_EQ(leaf.issuer(), "CN=outrider dev CA");
  EXPECT_EQ(leaf.serial().size(), 32u);
  EXPECT_EQ(leaf.fingerprint(), to_hex(sha256(leaf.der())));
  EXPECT_TRUE(leaf.public_key() == issued->key.public_key());
  EXPECT_TRUE(leaf.may_sign());
  EXPECT_FALSE(leaf.is_ca());
  EXPECT_TRUE(authority.certificate().is_ca());
  const uint32_t usage = X509_get_extended_key_usage(leaf.raw());
  EXPECT_EQ(usage, uint32_t(XKU_SSL_SERVER | XKU_SSL_CLIENT));
  // Strict rules of RFC 5280 hold too, for both purposes.
  for (const int purpose : {X509_PURPOSE_SSL_CLIENT, X509_PURPOSE_SSL_SERVER}) {
    std::unique_ptr<X509_STORE, Freer<X509_STORE_free>> store(X509_STORE_new());
    X509_STORE_add_cert(store.get(), authority.certificate().raw());
    X509_STORE_set_flags(store.get(), X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    X509_STORE_set_purpose(store.get(), purpose);
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store.get()), std::chrono::system_clock::to_time_t(kNow));
    StoreContext context(X509_STORE_CTX_new());
    X509_STORE_CTX_init(context.get(), store.get(), leaf.raw(), nullptr);
    EXPECT_EQ(X509_verify_cert(context.get()), 1) << X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  }
}

TEST(Authorities, RefuseWishesThatMakeNoSense) {
  const Authority authority = make_authority();
  const auto why = [&](Authority::Wish wish) { return authority.issue(wish, kNow).why(); };
  EXPECT_EQ(why({id_of(kCart), {"a b"}, {}}), "\"a b\" is not a DNS name");
  EXPECT_EQ(why({id_of(kCart), {"a,URI:spiffe://x"}, {}}), "\"a,URI:spiffe://x\" is not a DNS name");
  EXPECT_EQ(why({id_of(kCart), {}, {"127.0.0.1:80"}}), "\"127.0.0.1:80\" is not an IP address");
  EXPECT_EQ(why({id_of(kCart), {}, {}, seconds(0)}), "a certificate's life is between a second and 100 years");
  EXPECT_EQ(why({id_of(kCart), {}, {}, std::chrono::hours(24 * 366 * 100)}),
            "a certificate's life is between a second and 100 years");
  EXPECT_EQ(make_authority(kNow, seconds(10)).issue({id_of(kCart), {}, {}}, kNow + seconds(20)).why(),
            "the authority's own certificate is expired");
}

TEST(Authorities, NoCertificateOutlivesItsRoot) {
  const auto leaf = issue(make_authority(kNow, seconds(100)), kCart, seconds(1000)).certificate;
  EXPECT_EQ(leaf.not_after(), kNow + seconds(100));
}

TEST(Authorities, LongAccountNamesStillFitTheSubject) {
  const std::string uri = "spiffe://mesh.local/ns/shop/sa/" + std::string(200, 'a');
  EXPECT_EQ(issue(make_authority(), uri).certificate.workload_id(), id_of(uri));
}

TEST(Certificates, BrokenOnesAreRefusedByNameAndReason) {
  TemporaryFolder folder;
  const std::string pem = make_authority().certificate().pem(), file = folder.path("x.crt") + ": ";
  const auto why = [&](const std::string& text) { return Certificate::load(folder.write("x.crt", text)).why(); };
  EXPECT_EQ(why("nothing"), file + "no PEM certificate in it");
  EXPECT_TRUE(why(pem + pem.substr(0, pem.size() / 2)).starts_with(file + "certificate 2 is broken ("));
  EXPECT_EQ(Certificate::from_pem(pem + "words between\n" + pem, "x")->size(), 2u);
  const std::string der = make_authority().certificate().der();
  EXPECT_EQ(Certificate::from_der(der + "x", "leaf").why(), "leaf: bytes after the certificate");
  EXPECT_TRUE(Certificate::from_der(der.substr(1), "leaf").why().starts_with("leaf: not a certificate ("));
  EXPECT_FALSE(Certificate::from_der("", "leaf"));
}

TEST(Certificates, DatesWithoutAnEndStayWithinOurClock) {
  const Authority authority = make_authority();
  const auto key = KeyPair::generate();
  const auto leaf = odd_certificate(*key, authority.certificate(), authority.key(), {});
  ASN1_TIME_set_string_X509(X509_getm_notAfter(leaf.raw()), "99991231235959Z");
  EXPECT_EQ(leaf.not_after(), WallTime(seconds(9'000'000'000)));
  EXPECT_EQ(rfc3339(leaf.not_after()).substr(0, 5), "2255-");
}

// ---- The verbs and identity.dir --------------------------------------------------------------------------------------

class Folders : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(make_dev_ca(folder.path("ca"), kNow));
    const auto done = issue_into(folder.path("ca"), {id_of(kCart), {"cart"}, {"127.0.0.1"}}, folder.path("id"), kNow);
    ASSERT_TRUE(done) << done.why();
  }
  std::string why() { return Identity::load(folder.path("id")).why(); }
  std::string in_id(const std::string& name) { return folder.path("id/" + name); }
  TemporaryFolder folder;
};

TEST_F(Folders, HoldKeysOnlyTheirOwnerCanRead) {
  EXPECT_EQ(mode_of(folder.path("ca/ca.key")), 0600u);
  EXPECT_EQ(mode_of(folder.path("ca/ca.crt")), 0644u);
  EXPECT_EQ(mode_of(in_id("tls.key")), 0600u);
  EXPECT_EQ(mode_of(in_id("tls.crt")), 0644u);
  EXPECT_EQ(contents(in_id("ca.crt")), contents(folder.path("ca/ca.crt")));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path("id")), {}), 3);
}

TEST_F(Folders, AnIdentityIsReadBackFitForUse) {
  const auto identity = Identity::load(folder.path("id"));
  ASSERT_TRUE(identity) << identity.why();
  EXPECT_EQ(identity->id.text(), kCart);
  EXPECT_EQ(identity->problem(kNow), "");
  EXPECT_TRUE(identity->chain.empty());
  EXPECT_TRUE(identity->leaf.public_key().verify("x", identity->key.sign("x")));
}

TEST_F(Folders, IssuingAgainReplacesTheIdentity) {
  const std::string before = contents(in_id("tls.crt"));
  ASSERT_TRUE(issue_into(folder.path("ca"), {id_of(kCart), {}, {}}, folder.path("id"), kNow));
  EXPECT_NE(contents(in_id("tls.crt")), before);
  EXPECT_TRUE(Identity::load(folder.path("id")));
}

TEST_F(Folders, AnAuthorityIsNeverOverwritten) {
  const std::string key = contents(folder.path("ca/ca.key"));
  EXPECT_EQ(make_dev_ca(folder.path("ca"), kNow).why(), folder.path("ca/ca.crt") + ": is there already; move it away first");
  std::filesystem::remove(folder.path("ca/ca.crt"));
  EXPECT_EQ(make_dev_ca(folder.path("ca"), kNow).why(), folder.path("ca/ca.key") + ": is there already; move it away first");
  EXPECT_EQ(contents(folder.path("ca/ca.key")), key);
  EXPECT_FALSE(std::filesystem::exists(folder.path("ca/ca.crt")));
}

TEST_F(Folders, AnAuthorityWhoseKeyFitsNoCertificateIsRefused) {
  ASSERT_TRUE(KeyPair::generate()->save(folder.path("ca/ca.key")));
  EXPECT_EQ(issue_into(folder.path("ca"), {id_of(kCart), {}, {}}, folder.path("id"), kNow).why(),
            folder.path("ca/ca.key") + ": fits no authority in " + folder.path("ca/ca.crt"));
  EXPECT_EQ(Authority::load(folder.path("none")).why(), folder.path("none/ca.crt") + ": No such file or directory");
}

TEST_F(Folders, EachMissingFileIsNamed) {
  for (const char* name : {"tls.crt", "tls.key", "ca.crt"}) {
    const std::string kept = contents(in_id(name));
    std::filesystem::remove(in_id(name));
    EXPECT_EQ(why(), in_id(name) + ": No such file or directory");
    folder.write(std::string("id/") + name, kept);
  }
  EXPECT_TRUE(Identity::load(folder.path("id")));
}

TEST_F(Folders, AForeignKeyIsRefused) {
  ASSERT_TRUE(KeyPair::generate()->save(in_id("tls.key")));
  EXPECT_EQ(why(), in_id("tls.key") + ": is not the key of the first certificate in " + in_id("tls.crt"));
}

TEST_F(Folders, ACertificateThatNamesNoWorkloadIsRefused) {
  const auto authority = Authority::load(folder.path("ca"));
  const auto key = KeyPair::generate();
  ASSERT_TRUE(key->save(in_id("tls.key")));
  const auto write = [&](const char* names) {
    const auto leaf = odd_certificate(*key, authority->certificate(), authority->key(), {{{NID_subject_alt_name, names}}});
    folder.write("id/tls.crt", leaf.pem());
  };
  write("DNS:cart");
  EXPECT_TRUE(why().starts_with(in_id("tls.crt") + ": names no workload: "));
  write("URI:https://cart");
  EXPECT_TRUE(why().ends_with(", it has https://cart")) << why();
  write("URI:spiffe://mesh.local/ns/a/sa/b,URI:spiffe://mesh.local/ns/a/sa/c");
  EXPECT_TRUE(why().starts_with(in_id("tls.crt") + ": names no workload: "));
}

TEST_F(Folders, ABundleOfLeavesIsRefused) {
  folder.write("id/ca.crt", contents(in_id("tls.crt")));
  EXPECT_EQ(why(), in_id("ca.crt") + ": certificate 1 (CN=cart) is not an authority");
}

TEST_F(Folders, TroubleThatPassesIsAProblemAndNoRefusal) {
  const auto identity = Identity::load(folder.path("id"));
  EXPECT_EQ(identity->problem(kNow + std::chrono::hours(25)), "tls.crt: expired 2026-01-02T00:00:00Z");
  EXPECT_EQ(identity->problem(kNow - std::chrono::hours(1)), "tls.crt: not valid before 2025-12-31T23:59:00Z");
  folder.write("id/ca.crt", make_authority().certificate().pem());
  const auto stranger = Identity::load(folder.path("id"));
  ASSERT_TRUE(stranger);
  EXPECT_EQ(stranger->problem(kNow), "tls.crt: issued by no authority in ca.crt");
}

TEST_F(Folders, AreDescribedForPeopleAndPrograms) {
  const auto said = describe(folder.path("id"), kNow);
  ASSERT_TRUE(said) << said.why();
  EXPECT_EQ(said->id, kCart);
  EXPECT_EQ(said->problem, "");
  EXPECT_EQ(said->key_kind, "ECDSA P-256");
  EXPECT_FALSE(said->key_open);
  ASSERT_EQ(said->roots.size(), 1u);
  const std::string text = said->text(kNow), json = said->json();
  EXPECT_NE(text.find("identity     spiffe://mesh.local/ns/shop/sa/cart\n"), std::string::npos) << text;
  EXPECT_NE(text.find("state        good\n"), std::string::npos) << text;
  EXPECT_NE(text.find("(24 hours left)"), std::string::npos) << text;
  EXPECT_TRUE(json.starts_with("{\"folder\":\"" + folder.path("id") + "\",\"id\":\"" + kCart + "\",\"problem\":\"\"")) << json;
  EXPECT_NE(json.find("\"not_after\":\"2026-01-02T00:00:00Z\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"dns\":[\"cart\"],\"addresses\":[\"127.0.0.1\"],\"roots\":[{\"subject\":\"CN=outrider dev CA\""),
            std::string::npos)
      << json;
  EXPECT_TRUE(json.ends_with("\"}]}")) << json;

  std::filesystem::permissions(in_id("tls.key"), std::filesystem::perms(0644));
  EXPECT_TRUE(describe(folder.path("id"), kNow)->key_open);
  EXPECT_NE(describe(folder.path("id"), kNow)->text(kNow).find("tls.key can be read by others"), std::string::npos);
  EXPECT_NE(describe(folder.path("id"), kNow + std::chrono::hours(48))->text(kNow).find("state        tls.crt: expired"),
            std::string::npos);
}

// ---- Trust ----------------------------------------------------------------------------------------------------------

class Trusting : public testing::Test {
 protected:
  Trust trust_in(const Authority& one) { return std::move(*Trust::of({one.certificate()}, "bundle")); }
  TrustVerdict verdict(const Certificate& leaf, WallTime at = kNow) { return trust.judge(leaf, at).verdict; }
  // An odd leaf of our authority.
  TrustVerdict verdict_of_odd(const KeyPair& key, const Odd& odd) {
    return verdict(odd_certificate(key, authority.certificate(), authority.key(), odd));
  }
  Authority authority = make_authority();
  Trust trust = trust_in(authority);
  static constexpr const char* kUri = "URI:spiffe://mesh.local/ns/shop/sa/cart";
};

TEST_F(Trusting, ALeafOfTheBundleIsKnownByItsIdForAsLongAsItsChainHolds) {
  const Issued issued = issue(authority, kCart);
  const Judgement judged = trust.judge(issued.certificate.der(), kNow);
  ASSERT_EQ(judged.verdict, TrustVerdict::Ok);
  EXPECT_EQ(judged.id, id_of(kCart));
  EXPECT_TRUE(judged.key == issued.key.public_key());
  EXPECT_EQ(judged.until, kNow + std::chrono::hours(24));
  EXPECT_EQ(judged.from, kNow - seconds(60));
}

TEST_F(Trusting, EveryOtherLeafIsRefusedForItsReason) {
  const Certificate good = issue(authority, kCart).certificate;
  EXPECT_EQ(verdict(good, kNow + std::chrono::hours(25)), TrustVerdict::Expired);
  EXPECT_EQ(verdict(good, kNow - std::chrono::hours(1)), TrustVerdict::NotYetValid);
  EXPECT_EQ(verdict(issue(make_authority(), kCart).certificate), TrustVerdict::UnknownCa);  // same name, other key
  EXPECT_EQ(verdict(authority.certificate()), TrustVerdict::WrongUse);
  EXPECT_EQ(trust.judge("rubbish", kNow).verdict, TrustVerdict::Malformed);
  std::string bent = good.der();
  bent.back() = char(bent.back() ^ 1);
  EXPECT_EQ(trust.judge(bent, kNow).verdict, TrustVerdict::UnknownCa);

  const KeyPair key = std::move(*KeyPair::generate());
  EXPECT_EQ(verdict_of_odd(key, {{{NID_subject_alt_name, kUri}}}), TrustVerdict::Ok);
  EXPECT_EQ(verdict_of_odd(key, {{{NID_subject_alt_name, "DNS:cart"}}}), TrustVerdict::NoWorkloadId);
  EXPECT_EQ(verdict_of_odd(key, {}), TrustVerdict::NoWorkloadId);
  EXPECT_EQ(verdict_of_odd(key, {{{NID_subject_alt_name, "URI:spiffe://a/ns/b/sa/c,URI:spiffe://a/ns/b/sa/d"}}}),
            TrustVerdict::NoWorkloadId);
  EXPECT_EQ(verdict_of_odd(key, {{{NID_subject_alt_name, kUri}, {NID_subject_alt_name, kUri}}}), TrustVerdict::WrongUse);
  EXPECT_EQ(verdict_of_odd(key, {{{NID_subject_alt_name, kUri}, {NID_key_usage, "keyEncipherment"}}}), TrustVerdict::WrongUse);
  EXPECT_EQ(verdict_of_odd(key, {{{NID_subject_alt_name, kUri}, {NID_basic_constraints, "CA:TRUE"}}}), TrustVerdict::WrongUse);
  EXPECT_EQ(verdict_of_odd(ed25519_key(), {{{NID_subject_alt_name, kUri}}}), TrustVerdict::Ok);
}

TEST_F(Trusting, AnUnknownCriticalExtensionIsRefused) {
  EXPECT_EQ(verdict_of_odd(*KeyPair::generate(), {{{NID_subject_alt_name, kUri}, {NID_netscape_comment, "critical,x"}}}),
            TrustVerdict::UnknownCa);
}

TEST_F(Trusting, AnExpiredRootTakesItsLeavesWithIt) {
  const Authority brief = make_authority(kNow, seconds(100));
  const Certificate leaf =
      odd_certificate(*KeyPair::generate(), brief.certificate(), brief.key(), {{{NID_subject_alt_name, kUri}}});
  const Trust trusting = trust_in(brief);
  EXPECT_EQ(trusting.judge(leaf, kNow).verdict, TrustVerdict::Ok);
  EXPECT_EQ(trusting.judge(leaf, kNow).until, kNow + seconds(100));
  EXPECT_EQ(trusting.judge(leaf, kNow + seconds(101)).verdict, TrustVerdict::Expired);
}

TEST_F(Trusting, ALeafCannotSignAnother) {
  const Issued cart = issue(authority, kCart);
  const Certificate forged = odd_certificate(*KeyPair::generate(), cart.certificate, cart.key,
                                             {{{NID_subject_alt_name, "URI:spiffe://mesh.local/ns/ops/sa/root"}}});
  EXPECT_EQ(trust.judge(forged, kNow, std::vector{cart.certificate}).verdict, TrustVerdict::UnknownCa);
}

TEST_F(Trusting, IntermediatesMayComeWithTheLeafOrStandInTheBundle) {
  const KeyPair root_key = std::move(*KeyPair::generate()), middle_key = std::move(*KeyPair::generate());
  Odd ca{{{NID_basic_constraints, "critical,CA:TRUE"}, {NID_key_usage, "keyCertSign"}}};
  ca.subject = "root";
  const Certificate root = odd_certificate(root_key, authority.certificate(), authority.key(), ca);
  ca.subject = "middle";
  const Certificate middle = odd_certificate(middle_key, root, root_key, ca);
  const Certificate leaf = odd_certificate(*KeyPair::generate(), middle, middle_key, {{{NID_subject_alt_name, kUri}}});
  const Trust in_root = std::move(*Trust::of({root}, "x")), in_middle = std::move(*Trust::of({middle}, "x"));
  EXPECT_EQ(in_root.judge(leaf, kNow).verdict, TrustVerdict::UnknownCa);
  EXPECT_EQ(in_root.judge(leaf, kNow, std::vector{middle}).verdict, TrustVerdict::Ok);
  EXPECT_EQ(in_middle.judge(leaf, kNow).verdict, TrustVerdict::Ok);
  // The root of the throw-away authority allows no authority below it.
  EXPECT_EQ(trust.judge(leaf, kNow, std::vector{middle, root}).verdict, TrustVerdict::UnknownCa);
}

TEST_F(Trusting, TwoRootsAreTrustedWhileOneIsRotated) {
  const Authority next = make_authority();
  const auto both = Trust::of({authority.certificate(), next.certificate()}, "bundle");
  ASSERT_TRUE(both);
  for (const Authority& one : {authority, next})
    EXPECT_EQ(both->judge(issue(one, kCart).certificate, kNow).verdict, TrustVerdict::Ok);
}

TEST_F(Trusting, BundlesAreTheSameWhateverTheirOrder) {
  const Certificate one = authority.certificate(), two = make_authority().certificate();
  const auto of = [](std::vector<Certificate> roots) { return *Trust::of(std::move(roots), "bundle"); };
  EXPECT_TRUE(of({one, two}) == of({two, one}));
  EXPECT_FALSE(of({one, two}) == of({one}));
  Trust federated = of({one});
  federated.add("partner.org", of({two}));
  EXPECT_FALSE(federated == of({one}));
  EXPECT_FALSE(federated == of({one, two}));
}

TEST_F(Trusting, AnotherDomainsBundleVouchesForItsOwnAlone) {
  const Authority partner = make_authority();
  constexpr const char* kTheirs = "spiffe://partner.org/ns/shop/sa/cart";
  const auto judged = [&](const Authority& by, const char* id) { return trust.judge(issue(by, id).certificate, kNow).verdict; };
  EXPECT_EQ(judged(partner, kTheirs), TrustVerdict::UnknownCa);
  trust.add("partner.org", trust_in(partner));
  EXPECT_EQ(judged(partner, kTheirs), TrustVerdict::Ok);
  EXPECT_EQ(judged(partner, kCart), TrustVerdict::UnknownCa);
  EXPECT_EQ(judged(authority, kTheirs), TrustVerdict::UnknownCa);
  EXPECT_EQ(judged(authority, kCart), TrustVerdict::Ok);
}

// Certificates are renewed far more often than connections of bytes end.
TEST_F(Trusting, WhoseDatesHaveBeenLookedAtIsVouchedForByItsChain) {
  const Certificate leaf = issue(authority, kCart, seconds(60), kNow - std::chrono::hours(1)).certificate;
  ASSERT_EQ(trust.judge(leaf, kNow).verdict, TrustVerdict::Expired);
  EXPECT_TRUE(trust.vouches_for(leaf.raw(), nullptr, "ssl_client"));
  EXPECT_TRUE(trust.vouches_for(leaf.raw(), nullptr, "ssl_server"));
  EXPECT_FALSE(trust_in(make_authority()).vouches_for(leaf.raw(), nullptr, "ssl_client"));
}

// A year for the authority, of which a month is soon; 24 hours for the certificate, of which a quarter is.
TEST_F(Trusting, AnEndThatIsNearIsSaid) {
  using std::chrono::hours;
  auto of_us = *Identity::of(issue(authority, kCart), authority.certificate());
  EXPECT_EQ(of_us.warning(kNow + hours(17), 0.25), "");
  const auto soon = of_us.warning(kNow + hours(19), 0.25);
  EXPECT_EQ(soon, "tls.crt: ends " + rfc3339(of_us.leaf.not_after()) + " and has not been renewed");
  EXPECT_EQ(soon, of_us.warning(kNow + hours(20), 0.25)) << "the same words for the same thing";
  EXPECT_EQ(of_us.warning(kNow + hours(19), 0.1), "");
  const WallTime late = authority.certificate().not_after() - hours(24 * 20);
  of_us = *Identity::of(issue(authority, kCart, hours(24), late), authority.certificate());
  EXPECT_EQ(of_us.warning(late, 0.25), "ca.crt: the last authority ends " + rfc3339(authority.certificate().not_after()));
  of_us.trust = *Trust::of({authority.certificate(), make_authority(late).certificate()}, "both");
  EXPECT_EQ(of_us.warning(late, 0.25), "") << "there is another";
  of_us.trust.add("partner.org", trust);
  EXPECT_EQ(of_us.warning(late, 0.25).substr(0, 27), "identity.trust.partner.org:");
}

TEST_F(Trusting, KnownLeavesAreRememberedWithinTheirTime) {
  TrustCache cache(trust);
  const std::string leaf = issue(authority, kCart).certificate.der();
  EXPECT_FALSE(cache.knows(leaf, kNow));
  EXPECT_EQ(cache.judge(leaf, kNow).verdict, TrustVerdict::Ok);
  EXPECT_TRUE(cache.knows(leaf, kNow));
  EXPECT_TRUE(cache.knows(leaf, kNow + std::chrono::hours(23)));
  EXPECT_FALSE(cache.knows(leaf, kNow + std::chrono::hours(25)));
  EXPECT_EQ(cache.judge(leaf, kNow + std::chrono::hours(25)).verdict, TrustVerdict::Expired);
  EXPECT_EQ(cache.judge(leaf, kNow).verdict, TrustVerdict::Ok);  // a later refusal says nothing about before
  EXPECT_EQ(cache.size(), 1u);
}

TEST_F(Trusting, RefusalsAreAskedAgainAfterAMinute) {
  TrustCache cache(trust);
  const std::string leaf = issue(make_authority(), kCart).certificate.der();
  EXPECT_EQ(cache.judge(leaf, kNow).verdict, TrustVerdict::UnknownCa);
  EXPECT_TRUE(cache.knows(leaf, kNow + seconds(59)));
  EXPECT_FALSE(cache.knows(leaf, kNow + seconds(60)));
  const std::string early = issue(authority, kCart, seconds(3600), kNow + seconds(65)).certificate.der();
  EXPECT_EQ(cache.judge(early, kNow).verdict, TrustVerdict::NotYetValid);
  EXPECT_EQ(cache.judge(early, kNow + seconds(10)).verdict, TrustVerdict::Ok);
}

TEST_F(Trusting, StrangersNeverPushOutAFriend) {
  TrustCache cache(trust, 2, 2);
  const std::string one = issue(authority, kCart).certificate.der(), two = issue(authority, kCart).certificate.der();
  EXPECT_EQ(cache.judge(one, kNow).verdict, TrustVerdict::Ok);
  EXPECT_EQ(cache.judge(two, kNow).verdict, TrustVerdict::Ok);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(cache.judge("stranger " + std::to_string(i), kNow).verdict, TrustVerdict::Malformed);
  EXPECT_TRUE(cache.knows(one, kNow));
  EXPECT_TRUE(cache.knows(two, kNow));
  EXPECT_EQ(cache.size(), 4u);
  EXPECT_EQ(cache.judge(one, kNow).verdict, TrustVerdict::Ok);  // used: `two` is the one to go
  EXPECT_EQ(cache.judge(issue(authority, kCart).certificate.der(), kNow).verdict, TrustVerdict::Ok);
  EXPECT_TRUE(cache.knows(one, kNow));
  EXPECT_FALSE(cache.knows(two, kNow));
}

TEST_F(Trusting, WhoHasNotBeenSeenForAWhileIsForgotten) {
  TrustCache cache(trust);
  const std::string staying = issue(authority, kCart).certificate.der();
  for (int minute = 0; minute < 300; minute += 5) {
    EXPECT_EQ(cache.judge(staying, kNow + std::chrono::minutes(minute)).verdict, TrustVerdict::Ok);
    EXPECT_EQ(cache.judge(issue(authority, kCart).certificate.der(), kNow + std::chrono::minutes(minute)).verdict,
              TrustVerdict::Ok);
    EXPECT_LE(cache.size(), 6u);
  }
  EXPECT_TRUE(cache.knows(staying, kNow + std::chrono::minutes(300)));
}

TEST_F(Trusting, ANewBundleForgetsTheOldJudgements) {
  TrustCache cache(trust);
  const std::string leaf = issue(authority, kCart).certificate.der();
  EXPECT_EQ(cache.judge(leaf, kNow).verdict, TrustVerdict::Ok);
  cache.set_trust(trust_in(make_authority()));
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.judge(leaf, kNow).verdict, TrustVerdict::UnknownCa);
}

}  // namespace
}  // namespace outrider::identity
