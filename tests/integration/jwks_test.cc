// Keys of tokens that come from a URL.

#include <gtest/gtest.h>

#include <functional>
#include <mutex>

#include "tests/support/proxy.h"
#include "tests/support/signer.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

class KeysFromAUrl : public testing::Test {
 protected:
  // `keys`: the options of jwks, but for its url.
  void start(const std::string& url, const std::string& keys) {
    proxy_.reset();
    proxy_ = std::make_unique<Proxy>(Proxy::edge({origin_->text()}) + "filters: {edge: [{jwt: {jwks: {url: \"" + url + "\", " +
                                     keys + "}}}]}\n");
  }
  std::string url() const { return "http://" + issuer_->text() + "/keys?v=1"; }
  Message ask(const Signer* signer) {
    const std::string field = signer ? "Authorization: Bearer " + signer->token("{\"exp\": 99999999999}") + "\r\n" : "";
    return request(proxy_->address(), "GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n" + field + "\r\n");
  }
  std::string why(const Signer* signer) { return ask(signer).field("x-outrider-reason"); }
  void expect_fetched(const std::string& result) {
    await([&] { return fetches(result) > 0; });
  }
  double fetches(const std::string& result) { return proxy_->metric("outrider_downloads_total", "result=\"" + result + "\""); }
  void await(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done()) ASSERT_LT(std::chrono::steady_clock::now(), limit);
  }
  void publish(std::string answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  static std::string set_of(const Signer& signer) { return ok("{\"keys\": [" + signer.jwk() + "]}"); }
  Message asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  const Signer first_{"ES256", "1"}, second_{"EdDSA", "2"};
  std::mutex mutex_;
  std::string answer_ = set_of(first_);
  Message asked_;
  std::unique_ptr<Origin> issuer_ = Origin::answering([this](const Message& question) {
    const std::lock_guard lock(mutex_);
    asked_ = question;
    return answer_;
  });
  std::unique_ptr<Origin> origin_ = Origin::answering("here");
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(KeysFromAUrl, AreThereSoonAfterTheStart) {
  start(url(), "refresh: 1h");
  expect_fetched("success");
  EXPECT_EQ(ask(&first_).status(), 200);
  EXPECT_EQ(why(&second_), "unknown_key");
  EXPECT_EQ(why(nullptr), "no_token");
  EXPECT_EQ(asked().start, "GET /keys?v=1 HTTP/1.1");
  EXPECT_EQ(asked().field("host"), issuer_->text());
}

TEST_F(KeysFromAUrl, ANewKeyIsFetchedWhenATokenNamesIt) {
  start(url(), "refresh: 1h, retry: 20ms");
  expect_fetched("success");
  publish(set_of(second_));
  await([&] { return ask(&second_).status() == 200; });
  EXPECT_EQ(why(&first_), "unknown_key") << "it is not in the set any more";
}

TEST_F(KeysFromAUrl, TokensCannotMakeItAskAllTheTime) {
  start(url(), "refresh: 1h, retry: 1h");
  expect_fetched("success");
  for (int i = 0; i < 50; ++i) EXPECT_EQ(why(&second_), "unknown_key");
  EXPECT_EQ(issuer_->requests(), 1);
}

TEST_F(KeysFromAUrl, AreFetchedAgainAndAgain) {
  start(url(), "refresh: 20ms");
  publish(set_of(second_));
  await([&] { return issuer_->requests() >= 3 && ask(&second_).status() == 200; });
}

TEST_F(KeysFromAUrl, WhatWasThereStaysWhenTheyCannotBeHad) {
  start(url(), "refresh: 20ms, retry: 20ms, max_size: 1KiB");
  expect_fetched("success");
  const std::pair<const char*, std::string> troubles[] = {
      {"status", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"},
      {"malformed", ok("{\"keys\": []}")},
      {"too_large", ok(std::string(5000, ' '))},
  };
  for (const auto& [result, answer] : troubles) {
    publish(answer);
    expect_fetched(result);
    EXPECT_EQ(ask(&first_).status(), 200) << result;
  }
  issuer_->stop();
  expect_fetched("connection");
  EXPECT_EQ(ask(&first_).status(), 200);
}

TEST_F(KeysFromAUrl, BeforeTheyHaveComeNoTokenIsJudged) {
  start("http://" + refusing_address().text() + "/", "retry: 20ms");
  expect_fetched("connection");
  const Message answer = ask(&first_);
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.field("x-outrider-reason"), "no_keys");
  EXPECT_EQ(ask(nullptr).status(), 401);
  proxy_->expect_metric(1, "outrider_filter_denied_total", "filter=\"jwt\",reason=\"no_keys\"");
}

TEST_F(KeysFromAUrl, AnIssuerThatIsSilentIsNotWaitedForLong) {
  Origin silent([](Stream& connection) { connection.read_all(); });
  start("http://" + silent.text() + "/", "retry: 20ms, timeout: 20ms");
  expect_fetched("timeout");
  EXPECT_EQ(why(&first_), "no_keys");
  proxy_.reset();
}

TEST_F(KeysFromAUrl, AnIssuerMustBeWhoItsCertificateSays) {
  Certificates certificates, others;
  TlsServer server(certificates);
  Origin issuer(server.behind([&](Stream& connection) {
    while (connection.read_message())
      if (!connection.send(set_of(first_))) return;
  }));
  const std::string url = "https://localhost:" + std::to_string(issuer.address().port()) + "/";
  start(url, "ca: \"file:" + certificates.ca() + "\"");
  expect_fetched("success");
  EXPECT_EQ(ask(&first_).status(), 200);
  for (const std::string& keys : {"ca: \"file:" + others.ca() + "\", retry: 20ms", std::string("retry: 20ms")}) {
    start(url, keys);
    expect_fetched("connection");
    EXPECT_EQ(why(&first_), "no_keys") << keys;
  }
  proxy_.reset();
}

}  // namespace
}  // namespace outrider::test
