// Certificates that are renewed while they are used, and several of them at one listener.

#include <gtest/gtest.h>

#include "tests/support/origin.h"
#include "tests/support/quiet.h"
#include "tests/support/tls.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

struct TlsFiles : testing::Test {
  Certificates certificates;
  std::unique_ptr<Origin> origin = Origin::answering([](const Message&) { return ok("hello"); });
  static bool served(Stream& stream) {
    stream.send(kGet);
    const auto answer = stream.read_message();
    return answer && answer->body == "hello";
  }
  static bool served_by(Proxy& proxy, const Certificates& shown) {
    TlsClient client(shown);
    auto stream = client.connect(proxy.address());
    return stream && served(*stream);
  }
  static void expect_reloads(Proxy& proxy, double n, const std::string& owner, const char* result) {
    proxy.expect_metric(n, "outrider_tls_reloads_total", "owner=\"" + owner + "\",result=\"" + result + "\"");
  }
};

TEST_F(TlsFiles, ANewCertificateIsShownAndConnectionsStay) {
  Proxy proxy(Proxy::edge({origin->text()}, "", certificates.listener()), {"overload.threads=2"});
  TlsClient client(certificates);
  auto stream = client.connect(proxy.address());
  ASSERT_TRUE(stream && served(*stream));
  const Certificates fresh({.at = std::chrono::system_clock::now() + std::chrono::seconds(30)});
  const double expiry = proxy.metric("outrider_tls_certificate_expiry_timestamp_seconds", "owner=\"listeners.edge.tls\"");
  certificates.become(fresh);
  expect_reloads(proxy, 1, "listeners.edge.tls", "success");
  EXPECT_TRUE(served_by(proxy, fresh));
  EXPECT_TRUE(served(*stream)) << "of before";
  proxy.expect_metric(2, "outrider_connections_total", "tls=\"terminated\"");
  EXPECT_GT(proxy.metric("outrider_tls_certificate_expiry_timestamp_seconds", "owner=\"listeners.edge.tls\""), expiry);
}

TEST_F(TlsFiles, WhatCannotBeUsedChangesNothing) {
  Proxy proxy(Proxy::edge({origin->text()}, "", certificates.listener()));
  Certificates before;
  before.become(certificates);
  const Certificates expired({.at = std::chrono::system_clock::now() - std::chrono::hours(48)});
  double failures = 0;
  const auto write = [&](const std::string& file, const std::string& bytes) {
    (void)identity::write_file(file, bytes, 0600);
    expect_reloads(proxy, ++failures, "listeners.edge.tls", "failure");
    EXPECT_TRUE(served_by(proxy, before));
  };
  write(certificates.key(), "no key");
  write(certificates.key(), *identity::read_file(expired.key()));    // of another certificate
  write(certificates.cert(), *identity::read_file(expired.cert()));  // its own, but it has expired
  certificates.become(before);
  expect_reloads(proxy, 1, "listeners.edge.tls", "success");
  EXPECT_TRUE(served_by(proxy, before));
}

TEST_F(TlsFiles, AClustersAuthorityIsReadAgain) {
  const Certificates fresh;
  TlsServer server(fresh);
  Origin encrypted(server.behind([](Stream& connection) {
    while (connection.read_message()) connection.send(ok("hello"));
  }));
  Proxy proxy(Proxy::edge({encrypted.text()}, certificates.cluster()));
  EXPECT_EQ(request(proxy.address(), kGet).status(), 502) << "an authority that is not trusted yet";
  certificates.become(fresh);
  expect_reloads(proxy, 1, "clusters.web.tls", "success");
  EXPECT_EQ(request(proxy.address(), kGet).status(), 200);
}

TEST_F(TlsFiles, OneListenerMayHaveSeveral) {
  const Certificates others({.names = {"other.test"}, .addresses = {}});
  const auto item = [](const Certificates& of, const std::string& more) {
    return "{cert: " + of.cert() + ", key: " + of.key() + more + "}";
  };
  Proxy proxy(
      Proxy::edge({origin->text()}, "", "tls: [" + item(certificates, "") + ", " + item(others, ", sni: \"*.test\"") + "]"));
  TlsClient client(certificates), stranger(others);
  auto stream = client.connect(proxy.address());
  ASSERT_TRUE(stream && served(*stream));
  stranger.name = stranger.server_name = "other.test";
  auto other = stranger.connect(proxy.address(), "h2");
  ASSERT_TRUE(other);
  EXPECT_EQ(stranger.protocol, "h2");
}

}  // namespace
}  // namespace outrider::test
