// Tokens of every kind that is taken, and everything somebody may try instead of one.

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "base/base64.h"
#include "filters/jwt/token.h"
#include "tests/support/seat.h"
#include "tests/unit/identity/pki.h"

namespace outrider::filters {
namespace {

using identity::Algorithm;
using test::complaint_of;
using test::made;
using test::Seat;

std::string url(std::string_view bytes) { return encode_base64(bytes, Base64::Url); }

// A key that signs, and what a set of keys says of it.
class Signer {
 public:
  Signer(std::string name, std::string id) : name_(std::move(name)), id_(std::move(id)) {
    EVP_PKEY* key = name_ == "ES256"   ? EVP_EC_gen("P-256")
                    : name_ == "RS256" ? EVP_RSA_gen(2048)
                                       : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    key_.reset(key, EVP_PKEY_free);
  }
  std::string jwk(const std::string& more = {}) const {
    std::string out = "{\"kid\": \"" + id_ + "\", " + more;
    if (name_ == "ES256")
      return out + "\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"" + number("qx") + "\", \"y\": \"" + number("qy") + "\"}";
    if (name_ == "RS256") return out + "\"kty\": \"RSA\", \"n\": \"" + number("n") + "\", \"e\": \"" + number("e") + "\"}";
    unsigned char raw[32];
    size_t size = sizeof raw;
    EVP_PKEY_get_raw_public_key(key_.get(), raw, &size);
    return out + "\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"" + url({reinterpret_cast<char*>(raw), size}) + "\"}";
  }
  std::string sign(const std::string& header, const std::string& payload) const {
    const std::string message = url(header) + "." + url(payload);
    identity::MdContext context(EVP_MD_CTX_new());
    EVP_DigestSignInit(context.get(), nullptr, name_ == "EdDSA" ? nullptr : EVP_sha256(), nullptr, key_.get());
    std::string signature(512, '\0');
    size_t size = signature.size();
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, identity::bytes_of(message),
                   message.size());
    signature.resize(size);
    return message + "." + url(name_ == "ES256" ? raw(signature) : signature);
  }
  std::string token(const std::string& payload) const {
    return sign("{\"alg\": \"" + name_ + "\", \"kid\": \"" + id_ + "\"}", payload);
  }

 private:
  std::string number(const char* name) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string bytes(name_ == "ES256" ? 32 : size_t(BN_num_bytes(value)), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), int(bytes.size()));
    BN_free(value);
    return url(bytes);
  }
  static std::string raw(const std::string& der) {
    const unsigned char* at = identity::bytes_of(der);
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, long(der.size()));
    std::string out(64, '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), reinterpret_cast<unsigned char*>(out.data()), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), reinterpret_cast<unsigned char*>(out.data()) + 32, 32);
    ECDSA_SIG_free(pair);
    return out;
  }
  std::string name_, id_;
  std::shared_ptr<EVP_PKEY> key_;
};

class Tokens : public testing::Test {
 protected:
  static std::string set_of(const std::string& keys) { return "{\"keys\": [" + keys + "]}"; }
  static std::shared_ptr<const KeySet> keys_of(const std::string& json) {
    auto set = KeySet::read(json);
    EXPECT_TRUE(set) << set.why() << json;
    return set ? *set : nullptr;
  }
  std::string judged(const std::string& token) const {
    const auto verdict = judge_token(token, *keys, rules, now);
    return verdict.refused ? verdict.refused : "good";
  }
  std::string claimed(const std::string& payload) const { return judged(ec.token(payload)); }

  const Signer ec{"ES256", "one"}, rsa{"RS256", "two"}, ed{"EdDSA", "three"}, stranger{"ES256", "one"};
  const WallTime now = WallTime(seconds(1'000'000));
  const std::string payload =
      "{\"iss\": \"id\", \"aud\": [\"web\", \"shop\"], \"sub\": \"anna\", \"exp\": 1000100, \"nbf\": 999900}";
  std::shared_ptr<const KeySet> keys = keys_of(set_of(ec.jwk() + "," + rsa.jwk() + "," + ed.jwk()));
  TokenRules rules{"id", {"shop"}, {Algorithm::EcdsaP256, Algorithm::RsaSha256, Algorithm::Ed25519}, milliseconds(1000), {}};
};

TEST_F(Tokens, AreTakenFromEveryKindOfKey) {
  for (const Signer* signer : {&ec, &rsa, &ed}) {
    EXPECT_EQ(judged(signer->token(payload)), "good");
    EXPECT_EQ(judged(signer->token("{}")), "no_expiry");
  }
}

TEST_F(Tokens, OfAnotherKeyOrWithOtherBytesAreRefused) {
  EXPECT_EQ(judged(stranger.token(payload)), "bad_signature");
  EXPECT_EQ(judged(Signer("ES256", "four").token(payload)), "unknown_key");
  for (const Signer* signer : {&ec, &rsa, &ed}) {
    const std::string token = signer->token(payload);
    const size_t first = token.find('.'), second = token.find('.', first + 1);
    const std::string other = url("{\"iss\": \"id\", \"aud\": \"shop\", \"sub\": \"root\", \"exp\": 1000100}");
    EXPECT_EQ(judged(token.substr(0, first + 1) + other + token.substr(second)), "bad_signature");
    EXPECT_EQ(judged(token.substr(0, second + 1)), "bad_signature") << "no signature";
    EXPECT_EQ(judged(token.substr(0, second + 1) + url(std::string(64, '\0'))), "bad_signature");
    EXPECT_EQ(judged(token + "AAAA"), "bad_signature");
  }
}

// What a token says of how it is to be checked is not believed.
TEST_F(Tokens, DoNotChooseHowTheyAreChecked) {
  const std::string at = url(payload);
  EXPECT_EQ(judged(url("{\"alg\": \"none\"}") + "." + at + "."), "algorithm");
  EXPECT_EQ(judged(url("{\"alg\": \"None\", \"kid\": \"one\"}") + "." + at + "."), "algorithm");
  for (const char* name : {"HS256", "ES384", "RS512", "PS256", "es256", ""})
    EXPECT_EQ(judged(ec.sign("{\"alg\": \"" + std::string(name) + "\", \"kid\": \"one\"}", payload)), "algorithm") << name;
  EXPECT_EQ(judged(ec.sign("{\"alg\": \"RS256\", \"kid\": \"one\"}", payload)), "unknown_key") << "the key is of another kind";
  EXPECT_EQ(judged(ec.sign("{\"alg\": \"ES256\", \"kid\": \"one\", \"crit\": [\"b64\"], \"b64\": false}", payload)), "malformed");
  EXPECT_EQ(judged(stranger.sign("{\"alg\": \"ES256\", \"jwk\": " + stranger.jwk() + "}", payload)), "bad_signature");
  EXPECT_EQ(judged(ec.sign("{\"alg\": \"none\", \"alg\": \"ES256\"}", payload)), "malformed") << "said twice";
  EXPECT_EQ(judged(ec.sign("{\"alg\": \"ES256\", \"kid\": 1}", payload)), "malformed");
  EXPECT_EQ(judged(ec.sign("{\"alg\": \"ES256\"}", payload)), "good") << "without an id the keys of that kind are asked";
  rules.algorithms = {Algorithm::RsaSha256};
  EXPECT_EQ(judged(ec.token(payload)), "algorithm");
  EXPECT_EQ(judged(rsa.token(payload)), "good");
}

TEST_F(Tokens, HaveATimeAnIssuerAndAnAudience) {
  EXPECT_EQ(claimed("{\"iss\": \"id\", \"aud\": \"shop\", \"exp\": 1000000}"), "good") << "clocks differ";
  EXPECT_EQ(claimed("{\"iss\": \"id\", \"aud\": \"shop\", \"exp\": 999999}"), "expired");
  EXPECT_EQ(claimed("{\"iss\": \"id\", \"aud\": \"shop\", \"exp\": 999999.5}"), "good");
  EXPECT_EQ(claimed("{\"iss\": \"id\", \"aud\": \"shop\", \"exp\": -1}"), "expired");
  EXPECT_EQ(claimed("{\"iss\": \"id\", \"aud\": \"shop\", \"exp\": 2000000, \"nbf\": 1000001}"), "good");
  EXPECT_EQ(claimed("{\"iss\": \"id\", \"aud\": \"shop\", \"exp\": 2000000, \"nbf\": 1000002}"), "not_yet_valid");
  EXPECT_EQ(claimed("{\"iss\": \"id\", \"aud\": \"shop\"}"), "no_expiry");
  EXPECT_EQ(claimed("{\"iss\": \"di\", \"aud\": \"shop\", \"exp\": 2000000}"), "wrong_issuer");
  EXPECT_EQ(claimed("{\"aud\": \"shop\", \"exp\": 2000000}"), "wrong_issuer");
  EXPECT_EQ(claimed("{\"iss\": \"id\", \"aud\": \"web\", \"exp\": 2000000}"), "wrong_audience");
  EXPECT_EQ(claimed("{\"iss\": \"id\", \"aud\": [], \"exp\": 2000000}"), "wrong_audience");
  EXPECT_EQ(claimed("{\"iss\": \"id\", \"aud\": [1, {\"shop\": 1}], \"exp\": 2000000}"), "wrong_audience");
  EXPECT_EQ(claimed("{\"iss\": \"id\", \"exp\": 2000000}"), "wrong_audience");
  rules.issuer.clear();
  rules.audience.clear();
  EXPECT_EQ(claimed("{\"exp\": 2000000}"), "good");
}

TEST_F(Tokens, WithoutFormAreRefused) {
  for (const char* text : {"", ".", "..", "a.b", "a.b.c", "a.b.c.d.e", "e30.e30.", "e30=.e30.e30"})
    EXPECT_EQ(judged(text), "malformed") << text;
  EXPECT_EQ(judged(std::string(20000, 'a')), "malformed");
  for (const char* text : {"", "[]", "1", "{\"exp\": \"2000000\"}", "{\"exp\": 1e300}", "{\"exp\": 1, \"exp\": 2000000}",
                           "{\"exp\": 2000000} x", "{\"iss\": \"id\", \"exp\": 2000000, \"nbf\": null}"})
    EXPECT_EQ(claimed(text), "malformed") << text;
  EXPECT_EQ(claimed("{\"a\": " + std::string(5000, '[') + std::string(5000, ']') + ", \"exp\": 1}"), "expired")
      << "deep, and no recursion";
}

TEST_F(Tokens, SayWhoComesInHeadersOfTheirOwn) {
  rules.claims = {{"x-user", "sub"}, {"x-groups", "groups"}, {"x-level", "level"}, {"x-evil", "evil"}, {"x-none", "none"}};
  const auto verdict = judge_token(
      ec.token(
          "{\"iss\": \"id\", \"aud\": \"shop\", \"exp\": 2000000, \"sub\": \"anna\", \"groups\": [\"a\", \"b\"], \"level\": 7, \"evil\": \"a\\r\\nb: c\"}"),
      *keys, rules, now);
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(verdict.claims, (Pairs{{"x-user", "anna"}, {"x-groups", "a,b"}, {"x-level", "7"}}));
}

TEST_F(Tokens, KeysOfOtherKindsAreLeftOut) {
  const std::string others = "{\"kty\": \"oct\", \"k\": \"AAAA\"}, {\"kty\": \"EC\", \"crv\": \"P-384\"}, {}, ";
  EXPECT_EQ(keys_of(set_of(others + ec.jwk()))->size(), 1u);
  EXPECT_EQ(keys_of(set_of(ec.jwk("\"use\": \"sig\", \"alg\": \"ES256\", ")))->size(), 1u);
  EXPECT_NE(KeySet::read(set_of(ec.jwk("\"use\": \"enc\", "))).why().find("no key that can be used"), std::string::npos);
  EXPECT_NE(KeySet::read(set_of(ec.jwk("\"alg\": \"RS256\", "))).why().find("no key that can be used"), std::string::npos);
  EXPECT_NE(KeySet::read(set_of("")).why().find("no key that can be used"), std::string::npos);
  EXPECT_NE(KeySet::read(set_of(ec.jwk("\"kty\": \"RSA\", "))).why().find("twice"), std::string::npos);
  for (const char* text : {"", "[]", "{}", "{\"keys\": {}}", "{\"keys\": [1]}"})
    EXPECT_NE(KeySet::read(text).why().find("no set of keys"), std::string::npos) << text;
  const std::string off = "{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"" + url(std::string(32, 'a')) + "\", \"y\": \"" +
                          url(std::string(32, 'b')) + "\"}";
  EXPECT_EQ(keys_of(set_of(off + "," + ec.jwk()))->size(), 1u) << "no point of the curve";
}

class JwtFilter : public Tokens {
 protected:
  std::string ask(const filter::Filter& filter, const std::string& authorization) {
    Seat seat;
    if (!authorization.empty()) seat.request().headers.add("Authorization", authorization);
    for (const char* name : {"X-User", "X-Payload"}) seat.request().headers.add(name, "spoofed");
    filter.on_request(seat);
    challenge = std::string(seat.response().headers.value("www-authenticate"));
    payload_sent = seat.field("x-payload");
    return seat.said.empty() ? "passed as " + seat.field("x-user") : seat.said;
  }
  std::string fresh() const { return "{\"sub\": \"anna\", \"aud\": \"shop\", \"exp\": 99999999999}"; }
  std::string challenge, payload_sent;
  identity::TemporaryFolder folder;
};

TEST_F(JwtFilter, TellsTheServiceWhoComesAndNobodyElseCan) {
  const auto filter = made("jwt", "{jwks: \"file:" + folder.write("jwks", set_of(ec.jwk())) +
                                      "\", audience: shop, claims: {x-user: sub}, forward: x-payload}");
  ASSERT_EQ(filter->feed()->load(), "");
  EXPECT_EQ(ask(*filter, "Bearer " + ec.token(fresh())), "passed as anna");
  EXPECT_EQ(payload_sent, url(fresh()));
  EXPECT_EQ(ask(*filter, ""), "401 jwt no_token");
  EXPECT_EQ(challenge, "Bearer realm=\"outrider\"");
  EXPECT_EQ(ask(*filter, "Basic YTpi"), "401 jwt no_token");
  EXPECT_EQ(ask(*filter, "Bearer x"), "401 jwt malformed");
  EXPECT_EQ(challenge, "Bearer realm=\"outrider\", error=\"invalid_token\", error_description=\"malformed\"");
  EXPECT_EQ(ask(*filter, "bearer " + ec.token("{\"aud\": \"web\", \"exp\": 99999999999}")), "403 jwt wrong_audience");
}

TEST_F(JwtFilter, WhereATokenIsNotRequiredAWrongOneIsStillRefused) {
  const auto filter =
      made("jwt", "{jwks: \"file:" + folder.write("jwks", set_of(ec.jwk())) + "\", require: off, claims: {x-user: sub}}");
  ASSERT_EQ(filter->feed()->load(), "");
  EXPECT_EQ(ask(*filter, ""), "passed as ") << "nobody says who it is";
  EXPECT_EQ(ask(*filter, "Bearer " + stranger.token(fresh())), "401 jwt bad_signature");
}

TEST_F(JwtFilter, KeysAreRotatedByWritingTheFile) {
  const auto filter = made("jwt", "{jwks: \"file:" + folder.write("jwks", set_of(ec.jwk())) + "\", claims: {x-user: sub}}");
  ASSERT_EQ(filter->feed()->load(), "");
  folder.write("jwks", set_of(rsa.jwk() + "," + ed.jwk()));
  filter->feed()->look();
  EXPECT_EQ(ask(*filter, "Bearer " + ed.token(fresh())), "passed as anna");
  EXPECT_EQ(ask(*filter, "Bearer " + ec.token(fresh())), "401 jwt unknown_key");
}

TEST_F(JwtFilter, ComplainsAboutWhatItDoesNotUnderstand) {
  EXPECT_EQ(complaint_of("jwt", "{}"), "jwks: missing");
  EXPECT_NE(complaint_of("jwt", "{jwks: \"https://id.example.com/jwks\"}").find("jwks: keys come from a file so far"),
            std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: \"file:/x\", algorithms: [HS256]}").find("algorithms: expected ES256"),
            std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: \"file:/x\", algorithms: none}").find("algorithms: expected ES256"), std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: \"file:/x\", skew: 1h}").find("skew: expected"), std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: \"file:/x\", claims: {host: sub}}").find("claims: \"host\" is"), std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: \"file:/x\", issuers: a}").find("issuers: unknown key"), std::string::npos);
}

}  // namespace
}  // namespace outrider::filters
