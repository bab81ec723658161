// Tokens of every kind that is taken, and everything somebody may try instead of one.

#include <gtest/gtest.h>

#include "base/base64.h"
#include "filters/jwt/token.h"
#include "tests/support/seat.h"
#include "tests/support/signer.h"
#include "tests/unit/identity/pki.h"

namespace outrider::filters {
namespace {

using identity::Algorithm;
using test::complaint_of;
using test::made;
using test::Seat;
using test::Signer;

std::string url(std::string_view bytes) { return encode_base64(bytes, Base64::Url); }

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

TEST_F(JwtFilter, KeysOfAUrlAreAskedForAgainWhenOneIsMissing) {
  const auto filter = made("jwt", "{jwks: \"https://id.example.com/jwks\", claims: {x-user: sub}, require: off}");
  const auto feed = filter->feed();
  ASSERT_EQ(feed->load(), "");
  ASSERT_NE(feed->download(), nullptr);
  EXPECT_EQ(feed->download()->url.host, "id.example.com");
  EXPECT_EQ(ask(*filter, ""), "passed as ");
  EXPECT_EQ(ask(*filter, "Bearer " + ec.token(fresh())), "503 jwt no_keys");
  EXPECT_FALSE(feed->wanted());
  EXPECT_EQ(feed->take(set_of(ec.jwk())), "");
  EXPECT_EQ(ask(*filter, "Bearer " + ec.token(fresh())), "passed as anna");
  EXPECT_FALSE(feed->wanted());
  EXPECT_EQ(ask(*filter, "Bearer " + ed.token(fresh())), "401 jwt unknown_key");
  EXPECT_TRUE(feed->wanted());
  EXPECT_FALSE(feed->wanted()) << "it was said once";
  EXPECT_NE(feed->take("{}"), "");
  EXPECT_EQ(ask(*filter, "Bearer " + ec.token(fresh())), "passed as anna") << "what was there before stays";
}

TEST_F(JwtFilter, ComplainsAboutWhatItDoesNotUnderstand) {
  EXPECT_EQ(complaint_of("jwt", "{}"), "jwks: missing");
  EXPECT_EQ(complaint_of("jwt", "{jwks: \"https://id.example.com/jwks\"}"), "");
  EXPECT_EQ(complaint_of("jwt",
                         "{jwks: {url: \"http://127.0.0.1:8080/jwks\", ca: file:/x, refresh: 1h, retry: 5s, timeout: 1s, "
                         "max_size: 1MiB}}"),
            "");
  EXPECT_NE(complaint_of("jwt", "{jwks: \"https://user@id/jwks\"}").find("jwks: expected http"), std::string::npos);
  EXPECT_EQ(complaint_of("jwt", "{jwks: {refresh: 5m}}"), "jwks.url: missing");
  EXPECT_NE(complaint_of("jwt", "{jwks: {url: \"https://id/\", ca: /x}}").find("jwks.ca: expected file:/path"),
            std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: {url: \"https://id/\", refresh: 0}}").find("jwks.refresh: expected"), std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: {url: \"https://id/\", timeout: 1h}}").find("jwks.timeout: expected"), std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: {url: \"https://id/\", max_size: 1GiB}}").find("jwks.max_size: expected"),
            std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: {url: \"https://id/\", cache: 5m}}").find("jwks.cache: unknown key"), std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: \"file:/x\", algorithms: [HS256]}").find("algorithms: expected ES256"),
            std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: \"file:/x\", algorithms: none}").find("algorithms: expected ES256"), std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: \"file:/x\", skew: 1h}").find("skew: expected"), std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: \"file:/x\", claims: {host: sub}}").find("claims: \"host\" is"), std::string::npos);
  EXPECT_NE(complaint_of("jwt", "{jwks: \"file:/x\", issuers: a}").find("issuers: unknown key"), std::string::npos);
}

}  // namespace
}  // namespace outrider::filters
