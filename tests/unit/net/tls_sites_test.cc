// What a server shows to whom: by the name that is asked for, by what a client can verify, and with what it vouches for it.

#include <gtest/gtest.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "meeting.h"
#include "net/tls_context.h"
#include "net/tls_staple.h"
#include "tests/support/tls.h"

namespace outrider::net {
namespace {

using identity::Authority;
using std::chrono::hours;

const WallTime kNow = std::chrono::system_clock::now();

struct Sites : testing::Test {
  Authority authority = *Authority::create(kNow);
  test::TemporaryDirectory folder;
  Context client = any_client();

  // Files NAME.crt and NAME.key, for that name.
  TlsServerSettings site(const std::string& name, std::vector<std::string> names = {}) {
    const auto issued = *authority.issue({*identity::WorkloadId::parse("spiffe://test/ns/default/sa/web"), {name}, {}}, kNow);
    (void)identity::write_file(folder.file(name + ".crt"), issued.certificate.pem(), 0600);
    (void)identity::write_file(folder.file(name + ".key"), issued.key.pem(), 0600);
    TlsServerSettings settings;
    settings.cert = {folder.file(name + ".crt")};
    settings.key = {folder.file(name + ".key")};
    settings.names = std::move(names);
    return settings;
  }
  std::shared_ptr<const TlsContext> serve(const std::vector<TlsServerSettings>& sites) {
    const auto made = TlsContext::server(sites);
    EXPECT_TRUE(made) << made.why();
    return *made;
  }
  // The first name of what is shown to who asks for that one.
  std::string shown(const TlsContext& server, const std::string& asked) {
    const Meeting meeting(server.raw(), client.get(), asked);
    X509* const raw = SSL_get1_peer_certificate(meeting.client);
    if (!raw) return "nothing";
    const auto names = identity::Certificate(std::shared_ptr<X509>(raw, X509_free)).dns_names();
    return names.empty() ? "nameless" : names[0];
  }
};

TEST_F(Sites, AreChosenByTheNameThatIsAskedFor) {
  const auto server =
      serve({site("a.test", {"a.test"}), site("any.b.test", {"*.b.test"}), site("c.b.test", {"c.b.test"}), site("others.test")});
  EXPECT_EQ(shown(*server, "a.test"), "a.test");
  EXPECT_EQ(shown(*server, "A.TEST"), "a.test");
  EXPECT_EQ(shown(*server, "x.b.test"), "any.b.test");
  EXPECT_EQ(shown(*server, "x.y.b.test"), "any.b.test");
  EXPECT_EQ(shown(*server, "c.b.test"), "c.b.test") << "the exact one goes before";
  for (const char* other : {"b.test", "xb.test", "a.test.evil", "z", ""})
    EXPECT_EQ(shown(*server, other), "others.test") << other;
}

TEST_F(Sites, TheFirstIsForAllOthersWhereNoneIs) {
  const auto server = serve({site("a.test", {"a.test"}), site("b.test", {"b.test"})});
  EXPECT_EQ(shown(*server, "b.test"), "b.test");
  EXPECT_EQ(shown(*server, "c.test"), "a.test");
  EXPECT_EQ(shown(*server, ""), "a.test");
}

TEST_F(Sites, HaveVersionsAndAuthoritiesOfTheirOwn) {
  auto strict = site("strict.test", {"strict.test"}), closed = site("closed.test", {"closed.test"});
  strict.terms.tls12 = false;
  (void)identity::write_file(folder.file("ca"), authority.certificate().pem(), 0600);
  closed.client_ca = folder.file("ca");
  const auto server = serve({site("open.test"), strict, closed});
  SSL_CTX_set_max_proto_version(client.get(), TLS1_2_VERSION);
  EXPECT_TRUE(Meeting(server->raw(), client.get(), "open.test").established);
  EXPECT_FALSE(Meeting(server->raw(), client.get(), "strict.test").established);
  EXPECT_FALSE(Meeting(server->raw(), client.get(), "closed.test").established) << "a certificate is asked for";
  const auto own = site("client.test");
  SSL_CTX_use_certificate_chain_file(client.get(), own.cert[0].c_str());
  SSL_CTX_use_PrivateKey_file(client.get(), own.key[0].c_str(), SSL_FILETYPE_PEM);
  EXPECT_TRUE(Meeting(server->raw(), client.get(), "closed.test").established);
}

// Else who has shown no certificate to one would have none to show to another.
TEST_F(Sites, WhatWasAgreedOnWithOneIsNotResumedWithAnother) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_CTX_set_max_proto_version(client.get(), version);
    auto closed = site("closed.test", {"closed.test"});
    (void)identity::write_file(folder.file("ca"), authority.certificate().pem(), 0600);
    closed.client_ca = folder.file("ca");
    const auto server = serve({site("open.test"), closed});
    const auto ticket = Meeting(server->raw(), client.get(), "open.test").session();
    EXPECT_TRUE(Meeting(server->raw(), client.get(), "open.test", ticket.get()).resumed()) << version;
    const Meeting other(server->raw(), client.get(), "closed.test", ticket.get());
    EXPECT_FALSE(other.established) << version;
  }
}

TEST_F(Sites, TicketsOutliveARenewal) {
  const auto before = serve({site("a.test")});
  const auto ticket = Meeting(before->raw(), client.get()).session();
  const auto after = TlsContext::server({site("a.test")}, before.get());
  ASSERT_TRUE(after) << after.why();
  EXPECT_TRUE(Meeting((*after)->raw(), client.get(), {}, ticket.get()).resumed());
  auto closed = site("a.test");
  (void)identity::write_file(folder.file("ca"), authority.certificate().pem(), 0600);
  closed.client_ca = folder.file("ca");
  const auto vouched = TlsContext::server({closed}, before.get());
  ASSERT_TRUE(vouched) << vouched.why();
  EXPECT_FALSE(Meeting((*vouched)->raw(), client.get(), {}, ticket.get()).resumed()) << "of those who must show a certificate";
}

// --- two certificates for one name -----------------------------------------------------------------------------------

void write_rsa(const std::string& cert, const std::string& key) {
  EVP_PKEY* const pair = EVP_RSA_gen(2048);
  X509* const made = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
  X509_gmtime_adj(X509_getm_notBefore(made), -60);
  X509_gmtime_adj(X509_getm_notAfter(made), 3600);
  X509_set_pubkey(made, pair);
  X509_sign(made, pair, EVP_sha256());
  BIO* out = BIO_new_file(cert.c_str(), "w");
  PEM_write_bio_X509(out, made);
  BIO_free(out);
  out = BIO_new_file(key.c_str(), "w");
  PEM_write_bio_PrivateKey(out, pair, nullptr, nullptr, 0, nullptr, nullptr);
  BIO_free(out);
  X509_free(made);
  EVP_PKEY_free(pair);
}

TEST_F(Sites, ARsaCertificateIsForThoseWhoCanVerifyNoOther) {
  auto both = site("a.test");
  write_rsa(folder.file("rsa.crt"), folder.file("rsa.key"));
  both.cert.push_back(folder.file("rsa.crt"));
  both.key.push_back(folder.file("rsa.key"));
  const auto server = serve({both});
  const auto kind = [&] {
    const Meeting meeting(server->raw(), client.get());
    return EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(meeting.client)));
  };
  EXPECT_EQ(kind(), EVP_PKEY_EC);
  SSL_CTX_set1_sigalgs_list(client.get(), "RSA-PSS+SHA256:RSA+SHA256");
  EXPECT_EQ(kind(), EVP_PKEY_RSA);
  SSL_CTX_set_max_proto_version(client.get(), TLS1_2_VERSION);
  EXPECT_EQ(kind(), EVP_PKEY_RSA);
}

// --- OCSP ------------------------------------------------------------------------------------------------------------

struct Staples : Sites {
  // What the authority says of the certificate in that file, valid from `from` to `until`.
  std::string response(const std::string& cert, int status, seconds from, seconds until) {
    const auto leaf = (*identity::Certificate::load(cert))[0];
    OCSP_BASICRESP* const basic = OCSP_BASICRESP_new();
    OCSP_CERTID* const id = OCSP_cert_to_id(EVP_sha1(), leaf.raw(), authority.certificate().raw());
    ASN1_TIME* const begin = X509_gmtime_adj(nullptr, from.count());
    ASN1_TIME* const end = X509_gmtime_adj(nullptr, until.count());
    OCSP_basic_add1_status(basic, id, status, 0, begin, begin, end);
    OCSP_basic_sign(basic, authority.certificate().raw(), authority.key().raw(), EVP_sha256(), nullptr, 0);
    OCSP_RESPONSE* const whole = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    unsigned char* bytes = nullptr;
    const int n = i2d_OCSP_RESPONSE(whole, &bytes);
    std::string out(reinterpret_cast<const char*>(bytes), size_t(n));
    OPENSSL_free(bytes);
    OCSP_RESPONSE_free(whole);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(begin);
    ASN1_TIME_free(end);
    return out;
  }
  TlsServerSettings own = site("a.test");
  void write(const std::string& bytes) { (void)identity::write_file(Staple::path(own.cert[0]), bytes, 0600); }
  std::string remark() {
    const auto server = serve({own});
    EXPECT_EQ(Meeting(server->raw(), client.get()).staple(), "") << "nothing is shown that is not right";
    return server->remarks().empty() ? "" : server->remarks()[0];
  }
};

TEST_F(Staples, AreShownFromTheFileBesideTheCertificate) {
  const std::string good = response(own.cert[0], V_OCSP_CERTSTATUS_GOOD, seconds(-60), hours(24));
  EXPECT_EQ(remark(), "");
  write(good);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_CTX_set_max_proto_version(client.get(), version);
    EXPECT_TRUE(Meeting(serve({own})->raw(), client.get()).staple() == good) << version;
  }
  own.staple = false;
  EXPECT_EQ(remark(), "");
}

TEST_F(Staples, OfEachSiteGoWithItsCertificate) {
  const auto other = site("b.test", {"b.test"});
  const std::string good = response(other.cert[0], V_OCSP_CERTSTATUS_GOOD, seconds(-60), hours(24));
  (void)identity::write_file(Staple::path(other.cert[0]), good, 0600);
  const auto server = serve({own, other});
  EXPECT_EQ(Meeting(server->raw(), client.get(), "a.test").staple(), "");
  EXPECT_TRUE(Meeting(server->raw(), client.get(), "b.test").staple() == good);
}

TEST_F(Staples, WhatIsNotOfUseIsNotShownAndSaidWhy) {
  const std::string file = Staple::path(own.cert[0]);
  write("no DER");
  EXPECT_EQ(remark(), file + ": is no response of OCSP, or one of failure, and is not shown");
  write(response(own.cert[0], V_OCSP_CERTSTATUS_GOOD, hours(-48), hours(-24)));
  EXPECT_EQ(remark(), file + ": is out of date, and is not shown");
  write(response(own.cert[0], V_OCSP_CERTSTATUS_UNKNOWN, seconds(-60), hours(24)));
  EXPECT_EQ(remark(), file + ": says of " + own.cert[0] + " that it is unknown, and is not shown");
  write(response(site("b.test").cert[0], V_OCSP_CERTSTATUS_GOOD, seconds(-60), hours(24)));
  EXPECT_EQ(remark(), file + ": says nothing of " + own.cert[0] + ", and is not shown");
}

}  // namespace
}  // namespace outrider::net
