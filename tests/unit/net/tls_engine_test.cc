// Both sides of TLS in memory: what is agreed on, and who is refused.

#include "net/tls_engine.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "net/tls_sessions.h"
#include "tests/support/tls.h"

namespace outrider::net {
namespace {

using std::chrono::hours;
using test::Certificates;

const std::string kBoth = "\x02h2\x08http/1.1";

std::shared_ptr<const TlsContext> server_of(const Certificates& certificates, const std::string& client_ca = {},
                                            std::vector<std::string> alpn = {}) {
  const auto made = TlsContext::server({{{certificates.cert()}, {certificates.key()}, true, client_ca, {}, std::move(alpn), {}}});
  EXPECT_TRUE(made) << made.why();
  return *made;
}

std::shared_ptr<const TlsContext> client_of(const TlsClientSettings& settings) {
  const auto made = TlsContext::client(settings);
  EXPECT_TRUE(made) << made.why();
  return *made;
}

// A client and a server, and what carries their records, so many bytes a step.
struct Pair {
  Pair(std::shared_ptr<const TlsContext> servers, const TlsPeer& peer, size_t piece = 100000)
      : step(piece), server(std::move(servers), blocks), client(peer, blocks) {}
  void carry(Buffer& from, Buffer& to) {
    if (from.empty()) return;
    const Buffer moved = from.take(step);
    to.append(moved.text());
  }
  // False: one of the two has refused; why() is what the client makes of it, once an alert has reached it.
  bool shake() {
    const auto late = [&](TlsEngine& engine, std::optional<Error>& error) {
      if (engine.established() || error) return;
      const auto over = engine.handshake();
      if (!over) error = over.error();
    };
    for (int i = 0; i < 20000 && !(client.established() && server.established()); ++i) {
      late(client, client_error);
      carry(client.output, server.input);
      late(server, server_error);
      carry(server.output, client.input);
      if ((client_error || server_error) && client.output.empty() && server.output.empty() && client.input.empty()) break;
    }
    return client.established() && server.established();
  }
  std::string pass(TlsEngine& from, TlsEngine& to, const std::string& bytes) {
    EXPECT_TRUE(from.write(bytes));
    std::string got;
    char part[4096];
    for (int i = 0; i < 100000 && got.size() < bytes.size(); ++i) {
      carry(from.output, to.input);
      const auto n = to.read(part);
      if (!n) return got;
      got.append(part, *n);
    }
    return got;
  }
  BlockPool blocks;
  size_t step;
  TlsEngine server, client;
  std::optional<Error> client_error, server_error;
};

struct Engines : testing::Test {
  Certificates certificates;
  std::shared_ptr<const TlsContext> server = server_of(certificates), client = client_of({.ca = certificates.ca()});
  TlsPeer peer(std::string name = "localhost") const { return {client, std::move(name), {}, nullptr}; }
  // What a client says of a server with that certificate.
  Error refusal(const Certificates& shown, std::string name, std::string* trouble = nullptr) {
    Pair pair(server_of(shown), peer(std::move(name)));
    EXPECT_FALSE(pair.shake());
    if (trouble) *trouble = pair.client.trouble();
    return pair.client_error.value_or(Error{});
  }
};

TEST_F(Engines, AgreeHoweverTheirRecordsAreCut) {
  for (const size_t piece : {1, 2, 3, 5, 6, 17, 100, 1000, 100000}) {
    Pair pair(server, peer(), piece);
    ASSERT_TRUE(pair.shake()) << piece;
    EXPECT_EQ(pair.client.version(), "TLSv1.3");
    EXPECT_EQ(pair.pass(pair.client, pair.server, "a question"), "a question");
    EXPECT_EQ(pair.pass(pair.server, pair.client, "an answer"), "an answer");
    pair.server.finish();
    char byte[1];
    while (!pair.server.output.empty()) pair.carry(pair.server.output, pair.client.input);
    EXPECT_EQ(*pair.client.read(byte), 0u);
    EXPECT_TRUE(pair.client.ended());
    EXPECT_FALSE(pair.server.ended());
  }
}

// The second record is broken, and nothing comes after it: that must be heard all the same.
TEST_F(Engines, GiveWhatIsWholeAndThenSayWhatIsNot) {
  Pair pair(server, peer());
  ASSERT_TRUE(pair.shake());
  ASSERT_TRUE(pair.client.write("whole"));
  pair.carry(pair.client.output, pair.server.input);
  ASSERT_TRUE(pair.client.write("broken"));
  std::string record(pair.client.output.text());
  record.back() ^= 1;
  pair.server.input.append(record);
  char room[100];
  const auto first = pair.server.read(room);
  ASSERT_TRUE(first);
  EXPECT_EQ(std::string_view(room, *first), "whole");
  EXPECT_TRUE(pair.server.has_input());
  const auto second = pair.server.read(room);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::Tls);
}

TEST_F(Engines, SpeakTheOlderVersionToo) {
  SSL_CTX_set_max_proto_version(server->raw(), TLS1_2_VERSION);
  Pair pair(server, peer(), 1);
  ASSERT_TRUE(pair.shake());
  EXPECT_EQ(pair.client.version(), "TLSv1.2");
  client = client_of({.ca = certificates.ca(), .terms = {.tls12 = false}});
  Pair strict(server, peer());
  EXPECT_FALSE(strict.shake());
  EXPECT_STREQ(strict.client_error->what, "tls_version");
}

TEST_F(Engines, ChooseAProtocolOfThoseOffered) {
  server = server_of(certificates, {}, {"h2", "http/1.1"});
  for (const auto& [offered, chosen] : {std::pair{kBoth, "h2"}, {std::string("\x08http/1.1"), "http/1.1"}, {std::string(), ""}}) {
    Pair pair(server, {client, "localhost", offered, nullptr});
    ASSERT_TRUE(pair.shake());
    EXPECT_EQ(pair.client.protocol(), chosen);
  }
  Pair stranger(server_of(certificates, {}, {"http/1.1"}), {client, "localhost", "\x02h2", nullptr});
  EXPECT_FALSE(stranger.shake());
  EXPECT_STREQ(stranger.client_error->what, "tls_no_shared_protocol");
  EXPECT_EQ(stranger.client_error->side, Side::Upstream);
  Pair silent(server_of(certificates), {client, "localhost", kBoth, nullptr});
  ASSERT_TRUE(silent.shake());
  EXPECT_EQ(silent.client.protocol(), "");
}

TEST_F(Engines, AskForNamesButNotForAddresses) {
  std::string asked;
  SSL_CTX_set_tlsext_servername_arg(server->raw(), &asked);
  SSL_CTX_set_tlsext_servername_callback(
      server->raw(), +[](SSL* ssl, int*, void* into) {
        const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        *static_cast<std::string*>(into) = name ? name : "nothing";
        return SSL_TLSEXT_ERR_OK;
      });
  Pair named(server, peer("localhost"));
  EXPECT_TRUE(named.shake());
  EXPECT_EQ(asked, "localhost");
  Pair numbered(server, peer("127.0.0.1"));
  EXPECT_TRUE(numbered.shake());
  EXPECT_EQ(asked, "nothing");
}

TEST_F(Engines, WhoIsForAnotherNameIsRefused) {
  std::string trouble;
  const Error why = refusal(certificates, "cart.example", &trouble);
  EXPECT_EQ(why.code, Code::Tls);
  EXPECT_EQ(why.side, Side::Upstream);
  EXPECT_STREQ(why.what, "tls_wrong_name");
  EXPECT_EQ(trouble, "its certificate is for localhost, 127.0.0.1, not for cart.example");
  EXPECT_STREQ(refusal(certificates, "127.0.0.2").what, "tls_wrong_name");
  EXPECT_STREQ(refusal(certificates, "::1").what, "tls_wrong_name");
  EXPECT_STREQ(refusal(certificates, "localhost.example").what, "tls_wrong_name");
}

TEST_F(Engines, ACertificateDoesNotFillALog) {
  std::vector<std::string> names;
  for (int i = 0; i < 200; ++i) names.push_back("a" + std::to_string(i) + ".test");
  const Certificates many({.names = names});
  client = client_of({.ca = many.ca()});
  std::string trouble;
  EXPECT_STREQ(refusal(many, "localhost", &trouble).what, "tls_wrong_name");
  EXPECT_EQ(trouble, "its certificate is for a0.test, a1.test, a2.test, a3.test ..., not for localhost");
}

// What a subject is called is not a host's name (RFC 9525 1.4.1).
TEST_F(Engines, ASubjectIsNotAName) {
  const Certificates nameless({.names = {}, .addresses = {}});
  ASSERT_EQ(identity::Certificate::load(nameless.cert())->front().subject(), "CN=web");
  client = client_of({.ca = nameless.ca()});
  std::string trouble;
  EXPECT_STREQ(refusal(nameless, "web", &trouble).what, "tls_wrong_name");
  EXPECT_EQ(trouble, "its certificate is for nobody, not for web");
}

TEST_F(Engines, WhoseTimeItIsNotIsRefused) {
  std::string trouble;
  const auto now = std::chrono::system_clock::now();
  const Certificates old({.at = now - hours(48)}), early({.at = now + hours(48)});
  client = client_of({.ca = old.ca()});
  EXPECT_STREQ(refusal(old, "localhost", &trouble).what, "tls_expired");
  EXPECT_TRUE(trouble.starts_with("its certificate expired at 20")) << trouble;
  client = client_of({.ca = early.ca()});
  EXPECT_STREQ(refusal(early, "localhost").what, "tls_not_yet_valid");
}

TEST_F(Engines, WhoseAuthorityIsUnknownIsRefused) {
  std::string trouble;
  const Certificates strangers;
  EXPECT_STREQ(refusal(strangers, "localhost", &trouble).what, "tls_unknown_ca");
  EXPECT_NE(trouble.find("is of an authority that is not trusted here (CN=outrider dev CA"), std::string::npos) << trouble;
}

// The name does not matter then: whoever has a name in DNS need not be the workload.
TEST_F(Engines, AnIdentityStandsInForTheName) {
  const TlsClientSettings wanted{.ca = certificates.ca(), .identities = {"shop/cart", "default/*"}, .home = "test"};
  client = client_of(wanted);
  Pair right(server, peer("cart.example"));
  EXPECT_TRUE(right.shake());
  Pair numbered(server, peer("10.0.0.1"));
  EXPECT_TRUE(numbered.shake());
  client = client_of({.ca = certificates.ca(), .identities = {"shop/cart"}, .home = "test"});
  std::string trouble;
  EXPECT_STREQ(refusal(certificates, "localhost", &trouble).what, "tls_wrong_identity");
  EXPECT_EQ(trouble, "its certificate is of spiffe://test/ns/default/sa/web, which is none of those expected");
  client = client_of({.ca = certificates.ca(), .identities = {"default/web"}, .home = "other"});
  EXPECT_STREQ(refusal(certificates, "localhost").what, "tls_wrong_identity");
  const Certificates strangers;
  client = client_of(wanted);
  EXPECT_STREQ(refusal(strangers, "localhost").what, "tls_unknown_ca");
}

TEST_F(Engines, AClientShowsItsCertificateWhereItIsAsked) {
  const auto asking = server_of(certificates, certificates.ca());
  Pair without(asking, peer());
  EXPECT_FALSE(without.shake());
  EXPECT_STREQ(without.server_error->what, "tls_no_certificate");
  // In TLS 1.3 a client is done before it hears of that.
  char byte[1];
  const auto heard = without.client.read(byte);
  ASSERT_FALSE(heard);
  EXPECT_STREQ(heard.error().what, "tls_no_certificate");
  EXPECT_EQ(without.client.trouble().rfind("it asks for a certificate of ours", 0), 0u) << without.client.trouble();
  client = client_of({.ca = certificates.ca(), .cert = certificates.cert(), .key = certificates.key()});
  Pair with(asking, peer());
  EXPECT_TRUE(with.shake());
  const Certificates strangers;
  client = client_of({.ca = certificates.ca(), .cert = strangers.cert(), .key = strangers.key()});
  Pair refused(asking, peer());
  EXPECT_FALSE(refused.shake());
  EXPECT_FALSE(refused.client.read(byte));
  EXPECT_EQ(refused.client.trouble().rfind("it refuses our certificate", 0), 0u) << refused.client.trouble();
}

TEST_F(Engines, WhatIsNoTlsIsSaidToBeNone) {
  BlockPool blocks;
  TlsEngine alone(peer(), blocks);
  ASSERT_TRUE(alone.handshake());
  alone.input.append("HTTP/1.1 400 Bad Request\r\n\r\n");
  const auto over = alone.handshake();
  ASSERT_FALSE(over);
  EXPECT_STREQ(over.error().what, "tls_not_tls");
  EXPECT_EQ(alone.trouble().rfind("it does not speak TLS", 0), 0u) << alone.trouble();
}

TEST_F(Engines, FilesThatDoNotFitAreNamed) {
  const Certificates others;
  const auto why = [](const TlsClientSettings& settings) { return TlsContext::client(settings).why(); };
  EXPECT_EQ(why({.ca = "/nowhere/ca.crt"}).rfind("/nowhere/ca.crt: ", 0), 0u);
  EXPECT_EQ(why({.ca = certificates.key()}).rfind(certificates.key() + ": ", 0), 0u);
  EXPECT_EQ(why({.cert = certificates.cert(), .key = others.key()}).rfind(others.key() + ": ", 0), 0u);
}

// --- resumption ------------------------------------------------------------------------------------------------------

struct Resumption : Engines {
  TlsSessions sessions;
  bool resumed() {
    Pair pair(server, {client, "localhost", {}, &sessions});
    EXPECT_TRUE(pair.shake());
    EXPECT_EQ(pair.pass(pair.server, pair.client, "behind the tickets"), "behind the tickets");
    return pair.client.resumed();  // and ends without a word
  }
};

TEST_F(Resumption, ATicketGoesWithTheFirstAnswerAndNotBefore) {
  Pair pair(server, {client, "localhost", {}, &sessions});
  ASSERT_TRUE(pair.shake());
  EXPECT_TRUE(pair.server.output.empty()) << "nobody is woken for a ticket alone";
  EXPECT_EQ(pair.pass(pair.client, pair.server, "a question"), "a question");
  EXPECT_TRUE(pair.server.output.empty());
  EXPECT_EQ(sessions.size(), 0u);
  EXPECT_EQ(pair.pass(pair.server, pair.client, "an answer"), "an answer");
  EXPECT_EQ(sessions.size(), 1u);
  EXPECT_EQ(pair.pass(pair.server, pair.client, "another"), "another");
  EXPECT_EQ(sessions.size(), 1u);
}

TEST_F(Resumption, ATicketServesOnce) {
  EXPECT_FALSE(resumed());
  EXPECT_EQ(sessions.size(), 1u);
  EXPECT_TRUE(resumed());
  EXPECT_EQ(sessions.size(), 1u) << "the new one";
  SSL_SESSION* const last = sessions.take(client);
  EXPECT_EQ(sessions.size(), 0u);
  EXPECT_FALSE(resumed());
  SSL_SESSION_free(last);
}

TEST_F(Resumption, ASessionOfTheOlderVersionServesAgain) {
  SSL_CTX_set_max_proto_version(server->raw(), TLS1_2_VERSION);
  EXPECT_FALSE(resumed());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(resumed());
}

TEST_F(Resumption, KeepsTheNewestFew) {
  SSL_CTX_set_num_tickets(server->raw(), 30);
  EXPECT_FALSE(resumed());
  EXPECT_EQ(sessions.size(), TlsSessions::kMost);
}

// What the older context had accepted, the newer one may not.
TEST_F(Resumption, ARenewedContextBeginsAnew) {
  EXPECT_FALSE(resumed());
  client = *TlsContext::client({.ca = certificates.ca()});
  EXPECT_FALSE(resumed());
  EXPECT_TRUE(resumed());
}

TEST_F(Resumption, AServerThatForgotIsGreetedAnew) {
  EXPECT_FALSE(resumed());
  server = server_of(certificates);  // with other keys for its tickets
  EXPECT_FALSE(resumed());
  EXPECT_TRUE(resumed());
}

}  // namespace
}  // namespace outrider::net
