// What is agreed to in a handshake, as configured: each setting takes effect, and who is outside of it is refused and counted.

#include <gtest/gtest.h>

#include "tests/support/mesh.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

void only(SSL_CTX* context, int version) {
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
}

// --- a listener --------------------------------------------------------------------------------------------------------

struct TlsTerms : testing::Test {
  Certificates certificates;
  std::unique_ptr<Origin> origin = Origin::answering([](const Message&) { return ok("hello"); });
  std::unique_ptr<Proxy> proxy;
  void start(const std::string& terms) {
    proxy = std::make_unique<Proxy>(Proxy::edge({origin->text()}, "", certificates.listener(terms)));
  }
  // The cipher that a client like this one comes to; "" where it is refused.
  std::string cipher_of(TlsClient& client) {
    const auto stream = client.connect(proxy->address());
    return stream ? SSL_get_cipher_name(client.last) : "";
  }
  void expect_refused(double count, const std::string& why) {
    proxy->expect_metric(count, "outrider_tls_handshakes_total", "result=\"" + why + "\",side=\"client\"");
  }
};

TEST_F(TlsTerms, AListenersCiphersAreAllThatIsSpoken) {
  start("ciphers: \"TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384\"");
  TlsClient newer(certificates), older(certificates);
  only(newer.context(), TLS1_3_VERSION);
  only(older.context(), TLS1_2_VERSION);
  EXPECT_EQ(cipher_of(newer), "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(cipher_of(older), "ECDHE-ECDSA-AES256-GCM-SHA384");
  SSL_CTX_set_ciphersuites(newer.context(), "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256");
  SSL_CTX_set_cipher_list(older.context(), "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305");
  EXPECT_EQ(cipher_of(newer), "");
  expect_refused(1, "tls_no_shared_cipher");
  EXPECT_EQ(cipher_of(older), "");
  expect_refused(2, "tls_no_shared_cipher");
}

TEST_F(TlsTerms, AVersionOfWhichNoCipherIsNamedHasTheUsualOnes) {
  start("ciphers: ECDHE-ECDSA-AES256-SHA384");
  TlsClient newer(certificates), older(certificates);
  only(older.context(), TLS1_2_VERSION);
  EXPECT_EQ(cipher_of(newer), "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(cipher_of(older), "ECDHE-ECDSA-AES256-SHA384");
}

TEST_F(TlsTerms, TheOrderOfNamedCiphersIsOurs) {
  start("ciphers: \"TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256\"");
  TlsClient client(certificates);
  SSL_CTX_set_ciphersuites(client.context(), "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256");
  EXPECT_EQ(cipher_of(client), "TLS_CHACHA20_POLY1305_SHA256");
}

TEST_F(TlsTerms, AListenersCurvesAreAllThatIsAgreedTo) {
  start("curves: \"P-384:P-256\"");
  TlsClient client(certificates);
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    only(client.context(), version);
    SSL_CTX_set1_groups_list(client.context(), "X25519:P-384:P-256");
    const auto stream = client.connect(proxy->address());
    ASSERT_TRUE(stream) << client.refusal;
    EXPECT_EQ(SSL_get_negotiated_group(client.last), NID_secp384r1) << version;
  }
  SSL_CTX_set1_groups_list(client.context(), "X25519:P-521");
  only(client.context(), TLS1_3_VERSION);
  EXPECT_EQ(cipher_of(client), "");
  expect_refused(1, "tls_no_shared_curve");
  only(client.context(), TLS1_2_VERSION);
  EXPECT_EQ(cipher_of(client), "");
  expect_refused(1, "tls_no_shared_cipher");
}

TEST_F(TlsTerms, AListenersOldestVersionIsKept) {
  start("min: \"1.3\"");
  TlsClient client(certificates);
  EXPECT_NE(cipher_of(client), "");
  only(client.context(), TLS1_2_VERSION);
  EXPECT_EQ(cipher_of(client), "");
  expect_refused(1, "tls_version");
}

TEST_F(TlsTerms, EachNameOfAListenerHasItsOwn) {
  const std::string files = "cert: " + certificates.cert() + ", key: " + certificates.key();
  const std::string sites =
      "tls: [{" + files + "}, {sni: strict.test, ciphers: TLS_AES_256_GCM_SHA384, curves: P-384, " + files + "}]";
  proxy = std::make_unique<Proxy>(Proxy::edge({origin->text()}, "", sites));
  TlsClient client(certificates);
  EXPECT_EQ(cipher_of(client), "TLS_AES_128_GCM_SHA256");
  client.server_name = "strict.test";
  EXPECT_EQ(cipher_of(client), "TLS_AES_256_GCM_SHA384");
  SSL_CTX_set1_groups_list(client.context(), "X25519:P-256");
  EXPECT_EQ(cipher_of(client), "");
  expect_refused(1, "tls_no_shared_curve");
  SSL_CTX_set1_groups_list(client.context(), "P-384");
  SSL_CTX_set_ciphersuites(client.context(), "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(cipher_of(client), "");
  expect_refused(1, "tls_no_shared_cipher");
  client.server_name = "other.test";
  EXPECT_EQ(cipher_of(client), "TLS_AES_128_GCM_SHA256");
}

// --- a cluster -----------------------------------------------------------------------------------------------------------

struct TlsTermsUpstream : testing::Test {
  Certificates certificates;
  TlsServer server{certificates};
  Origin origin{server.behind([](Stream& connection) {
    while (connection.read_message()) connection.send(ok("fine"));
  })};
  // What a client hears of a cluster with these terms.
  int status_of(const std::string& terms) {
    Proxy proxy(Proxy::edge({origin.text()}, certificates.cluster("sni: localhost, " + terms) + ", retry: off"));
    const Message answer = request(proxy.address(), kGet);
    reason = answer.field("x-outrider-reason");
    if (!reason.empty()) proxy.expect_metric(1, "outrider_tls_handshakes_total", "result=\"" + reason + "\",side=\"endpoint\"");
    return answer.status();
  }
  std::string reason;
};

TEST_F(TlsTermsUpstream, ItsCiphersAreAllThatIsOffered) {
  SSL_CTX_set_ciphersuites(server.context(), "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(status_of("ciphers: \"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384\""), 200);
  EXPECT_EQ(status_of("ciphers: TLS_AES_128_GCM_SHA256"), 502);
  EXPECT_EQ(reason, "tls_no_agreement");
  only(server.context(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(server.context(), "ECDHE-ECDSA-AES256-GCM-SHA384");
  EXPECT_EQ(status_of("ciphers: ECDHE-ECDSA-AES256-GCM-SHA384"), 200);
  EXPECT_EQ(status_of("ciphers: ECDHE-ECDSA-AES128-GCM-SHA256"), 502);
  EXPECT_EQ(reason, "tls_no_agreement");
}

TEST_F(TlsTermsUpstream, ItsCurvesAreAllThatIsOffered) {
  SSL_CTX_set1_groups_list(server.context(), "P-384");
  EXPECT_EQ(status_of("curves: \"X25519:P-384\""), 200);
  EXPECT_EQ(status_of("curves: X25519"), 502);
  EXPECT_EQ(reason, "tls_no_agreement");
}

TEST_F(TlsTermsUpstream, ItsOldestVersionIsKept) {
  only(server.context(), TLS1_2_VERSION);
  EXPECT_EQ(status_of("min: \"1.2\""), 200);
  EXPECT_EQ(status_of("min: \"1.3\""), 502);
  EXPECT_EQ(reason, "tls_version");
}

// --- sidecars ------------------------------------------------------------------------------------------------------------

class TlsTermsOfIdentity : public Mesh {
 protected:
  // A sidecar of the service, with these terms.
  std::unique_ptr<Proxy> shop(const std::string& terms) {
    auto set = replica("one", std::to_string(app_->address().port()));
    set.push_back("identity.tls={" + terms + "}");
    return std::make_unique<Proxy>("version: 1\nmode: sidecar\n", set);
  }
  std::unique_ptr<Origin> app_ = app("one");
};

TEST_F(TlsTermsOfIdentity, AreOfBothSides) {
  const auto web = caller("web", "web", {"identity.tls={ciphers: TLS_AES_256_GCM_SHA384, curves: P-384}"});
  seed = registry_of(*web);
  const auto one = shop("ciphers: TLS_AES_256_GCM_SHA384, curves: P-384");
  until_served_by(*web, {"one"});
  TlsClient stranger{Certificates()};
  SSL_CTX_set_verify(stranger.context(), SSL_VERIFY_NONE, nullptr);
  stranger.name.clear();
  SSL_CTX_set_ciphersuites(stranger.context(), "TLS_AES_128_GCM_SHA256");
  EXPECT_FALSE(stranger.connect(one->address("inbound")));
  one->expect_metric(1, "outrider_tls_handshakes_total", "result=\"tls_no_shared_cipher\",side=\"client\"");
  SSL_CTX_set_ciphersuites(stranger.context(), "TLS_AES_256_GCM_SHA384");
  SSL_CTX_set1_groups_list(stranger.context(), "X25519");
  EXPECT_FALSE(stranger.connect(one->address("inbound")));
  one->expect_metric(1, "outrider_tls_handshakes_total", "result=\"tls_no_shared_curve\",side=\"client\"");
}

TEST_F(TlsTermsOfIdentity, WithNothingInCommonTwoSidecarsDoNotMeet) {
  const auto web = caller("web", "web", {"identity.tls={curves: X25519}"});
  seed = registry_of(*web);
  const auto one = shop("curves: P-384");
  until("a handshake that fails", [&] {
    (void)request(web->address("outbound"), kAsk);
    return web->metric("outrider_tls_handshakes_total", "result=\"tls_no_agreement\",side=\"endpoint\"") > 0;
  });
  EXPECT_GT(one->metric("outrider_tls_handshakes_total", "result=\"tls_no_shared_curve\",side=\"client\""), 0);
}

TEST_F(TlsTermsOfIdentity, AnOlderVersionIsSpokenWhereItIsAllowed) {
  const auto one = shop("min: \"1.2\", ciphers: ECDHE-ECDSA-AES256-GCM-SHA384");
  const auto handshake = [&](const char* list) {
    TlsClient client{Certificates()};
    SSL_CTX_set_verify(client.context(), SSL_VERIFY_NONE, nullptr);
    client.name.clear();
    only(client.context(), TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(client.context(), list);
    SSL_CTX_use_certificate_chain_file(client.context(), folder.path("web/tls.crt").c_str());
    SSL_CTX_use_PrivateKey_file(client.context(), folder.path("web/tls.key").c_str(), SSL_FILETYPE_PEM);
    auto stream = client.connect(one->address("inbound"));
    if (!stream) return client.refusal;
    stream->send(kAsk);
    const auto answer = stream->read_message();
    return answer ? answer->body : "no answer";
  };
  EXPECT_EQ(handshake("ECDHE-ECDSA-AES256-GCM-SHA384"), "one");
  EXPECT_NE(handshake("ECDHE-ECDSA-AES128-GCM-SHA256"), "one");
  one->expect_metric(1, "outrider_tls_handshakes_total", "result=\"tls_no_shared_cipher\",side=\"client\"");
}

}  // namespace
}  // namespace outrider::test
