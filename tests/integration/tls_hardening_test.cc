// What an edge listener offers of TLS by default, and what it does not: the properties testssl.sh looks at, in a second.

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <set>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

struct TlsHardening : testing::Test {
  Certificates certificates;
  TlsClient client{certificates};
  std::unique_ptr<Origin> origin = Origin::answering([](const Message&) { return ok("hello"); });
  Proxy proxy{Proxy::edge({origin->text()}, "", certificates.listener()), {"overload.threads=2"}};
  SSL_CTX* context() { return client.context(); }
  void only(int version) {
    SSL_CTX_set_min_proto_version(context(), version);
    SSL_CTX_set_max_proto_version(context(), version);
  }
};

TEST_F(TlsHardening, VersionsOlderThanTls12AreNotSpoken) {
  SSL_CTX_set_security_level(context(), 0);
  SSL_CTX_set_cipher_list(context(), "ALL:@SECLEVEL=0");
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    only(version);
    EXPECT_FALSE(client.connect(proxy.address())) << version;
  }
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    only(version);
    EXPECT_TRUE(client.connect(proxy.address())) << version;
  }
}

TEST_F(TlsHardening, CiphersAreAuthenticatedAndForwardSecret) {
  only(TLS1_2_VERSION);
  SSL_CTX_set_security_level(context(), 0);
  SSL_CTX_set_cipher_list(context(), "ALL:COMPLEMENTOFALL:@SECLEVEL=0");
  std::set<std::string> all, accepted;
  const auto* const known = SSL_CTX_get_ciphers(context());
  for (int i = 0; i < sk_SSL_CIPHER_num(known); ++i) all.insert(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(known, i)));
  ASSERT_GT(all.size(), 60u);
  for (const auto& cipher : all)
    if (SSL_CTX_set_cipher_list(context(), (cipher + ":@SECLEVEL=0").c_str()) == 1 && client.connect(proxy.address()))
      accepted.insert(cipher);
  EXPECT_EQ(accepted, (std::set<std::string>{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                             "ECDHE-ECDSA-CHACHA20-POLY1305"}));
}

TEST_F(TlsHardening, TheOrderOfCiphersIsOurs) {
  const auto preferred = [&](int version, const char* list) {
    only(version);
    EXPECT_EQ(version == TLS1_3_VERSION ? SSL_CTX_set_ciphersuites(context(), list) : SSL_CTX_set_cipher_list(context(), list),
              1);
    auto stream = client.connect(proxy.address());
    return stream ? std::string(SSL_get_cipher_name(client.last)) : std::string();
  };
  EXPECT_EQ(preferred(TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"),
            "ECDHE-ECDSA-AES128-GCM-SHA256");
  EXPECT_EQ(preferred(TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"), "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(preferred(TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"), "TLS_CHACHA20_POLY1305_SHA256")
      << "but who puts ChaCha20 first has no instructions for AES";
}

TEST_F(TlsHardening, CurvesAreTheCommonThree) {
  std::set<std::string> accepted;
  for (const char* curve : {"X25519", "P-256", "P-384", "P-521", "X448", "secp256k1", "brainpoolP256r1", "ffdhe2048"})
    if (SSL_CTX_set1_groups_list(context(), curve) == 1 && client.connect(proxy.address())) accepted.insert(curve);
  EXPECT_EQ(accepted, (std::set<std::string>{"X25519", "P-256", "P-384"}));
}

TEST_F(TlsHardening, NobodyRenegotiatesOrCompresses) {
  only(TLS1_2_VERSION);
  SSL_CTX_clear_options(context(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  auto stream = client.connect(proxy.address());
  ASSERT_TRUE(stream);
  EXPECT_EQ(SSL_get_current_compression(client.last), nullptr);
  EXPECT_EQ(SSL_get_secure_renegotiation_support(client.last), 1) << "its extension is spoken, so that nobody splices";
  ASSERT_EQ(SSL_renegotiate(client.last), 1);
  EXPECT_NE(SSL_do_handshake(client.last), 1);
  ERR_clear_error();
}

TEST_F(TlsHardening, NoTicketInvitesToEarlyData) {
  only(TLS1_3_VERSION);
  auto stream = client.connect(proxy.address());
  ASSERT_TRUE(stream);
  stream->send("GET /a HTTP/1.1\r\nHost: web\r\n\r\n");
  ASSERT_TRUE(stream->read_message());
  client.keep_session();
  EXPECT_EQ(SSL_SESSION_is_resumable(client.session), 1);
  EXPECT_EQ(SSL_SESSION_get_max_early_data(client.session), 0u);
  EXPECT_EQ(SSL_SESSION_get_ticket_lifetime_hint(client.session), 3600u);
}

std::string output_of(const std::string& command) {
  std::string out;
  FILE* const pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> part{};
  for (size_t n; pipe && (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;) out.append(part.data(), n);
  if (pipe) ::pclose(pipe);
  return out;
}

// As anybody would try it: by whichever worker takes the connection.
TEST_F(TlsHardening, OpensslResumesAtEveryWorker) {
  if (output_of("openssl version 2>/dev/null").empty()) GTEST_SKIP() << "there is no openssl";
  const TemporaryDirectory folder;
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    const std::string command =
        "printf 'GET /a HTTP/1.1\\r\\nHost: web\\r\\nConnection: close\\r\\n\\r\\n' | timeout 60 openssl s_client"
        " -ign_eof -connect " +
        proxy.address().text() + " " + version;
    const std::string session = folder.file(version);
    EXPECT_NE(output_of(command + " -sess_out " + session + " 2>&1").find("\nNew, "), std::string::npos);
    for (int i = 0; i < 8; ++i) {
      const std::string again = output_of(command + " -sess_in " + session + " 2>&1");
      EXPECT_NE(again.find("\nReused, "), std::string::npos) << version << "\n" << again;
      EXPECT_NE(again.find("hello"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace outrider::test
