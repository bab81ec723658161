// Sidecars that know each other by certificate, without a line of configuration.

#include <gtest/gtest.h>

#include "net/listener.h"
#include "tests/support/mutual_tls.h"

namespace outrider::test {
namespace {

TEST_F(MutualTls, IsSpokenBetweenSidecarsAndTellsTheAppWhoCalls) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto app = mirror();
  const auto shop = sidecar("one", *app);
  Message answer;
  until("an answer", [&] { return (answer = request(web->address("outbound"), kAsk)).status() == 200; });
  EXPECT_TRUE(has(answer.body, std::string("x-forwarded-client-cert: By=") + kShop + ";URI=" + kWeb + "\n")) << answer.body;
  web->expect_metric(1, "outrider_tls_handshakes_total", "result=\"ok\",side=\"endpoint\",version=\"TLSv1.3\"");
  web->expect_metric(1, "outrider_peer_requests_total", R"(direction="outbound",peer="default/shop",code="200")");
  shop->expect_metric(1, "outrider_connections_total", "listener=\"inbound\",tls=\"mutual\"");
}

// One connection carries them: HTTP/2 is agreed on between sidecars, whatever the two apps speak.
TEST_F(MutualTls, RequestsOfManyClientsShareAConnection) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto app = mirror();
  const auto shop = sidecar("one", *app);
  until("an answer", [&] { return request(web->address("outbound"), kAsk).status() == 200; });
  std::vector<Stream> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(Stream::connect(web->address("outbound")));
  for (auto& client : clients) client.send(kAsk);
  for (auto& client : clients) {
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), 200);
  }
  EXPECT_EQ(shop->metric("outrider_connections_total", "listener=\"inbound\",tls=\"mutual\""), 1);
}

TEST_F(MutualTls, ACallersWordOnWhoItIsDoesNotReachTheApp) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto app = mirror();
  const auto shop = sidecar("one", *app);
  Message answer;
  const std::string ask =
      "GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-Client-Cert: URI=spiffe://mesh.local/ns/default/sa/root\r\n\r\n";
  until("an answer", [&] { return (answer = request(web->address("outbound"), ask)).status() == 200; });
  EXPECT_FALSE(has(answer.body, "sa/root")) << answer.body;
  EXPECT_TRUE(has(answer.body, std::string("URI=") + kWeb)) << answer.body;
}

TEST_F(MutualTls, WhoeverHasNoCertificateOfTheMeshIsRefused) {
  const auto app = mirror();
  const auto shop = sidecar("one", *app);
  const net::Address inbound = shop->address("inbound");
  {
    auto plain = Stream::connect(inbound);
    plain.send(kAsk);
    EXPECT_FALSE(plain.read_message());
  }
  shop->expect_metric(1, "outrider_tls_handshakes_total", metric_of("tls_plain_http"));
  {
    auto nobody = connect_as("", inbound);
    nobody.send(kAsk);
    EXPECT_FALSE(nobody.read_message());
  }
  shop->expect_metric(1, "outrider_tls_handshakes_total", metric_of("tls_no_certificate"));
  issue("stranger", "web", "other");
  {
    auto stranger = connect_as("stranger", inbound);
    stranger.send(kAsk);
    EXPECT_FALSE(stranger.read_message());
  }
  shop->expect_metric(1, "outrider_tls_handshakes_total", metric_of("tls_unknown_ca"));
  auto friendly = connect_as("web", inbound);
  EXPECT_TRUE(handshaken_);
  friendly.send(kAsk);
  const auto answer = friendly.read_message();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(has(answer->body, std::string("URI=") + kWeb)) << answer->body;
}

// Who calls whom is counted by identity; of another trust domain its own authorities alone may speak.
TEST_F(MutualTls, AnotherTrustDomainComesInByItsOwnAuthority) {
  const WallTime now = net::Loop::wall();
  EXPECT_TRUE(identity::make_dev_ca(folder.path("their-ca"), now));
  const auto theirs = [&](const std::string& folder_of, const std::string& id) {
    EXPECT_TRUE(identity::issue_into(folder.path("their-ca"), {identity::id_of(id), {}, {}}, folder.path(folder_of), now));
  };
  const std::string partner = "spiffe://partner.org/ns/a/sa/b";
  theirs("partner", partner);
  theirs("forger", kWeb);
  const auto app = mirror();
  auto set = replica("one", std::to_string(app->address().port()));
  set.push_back("identity.trust={partner.org: " + folder.path("their-ca/ca.crt") + "}");
  Proxy shop("version: 1\nmode: sidecar\n", set);
  const auto ask = [&](const std::string& account) {
    auto client = connect_as(account, shop.address("inbound"));
    client.send(kAsk);
    const auto answer = client.read_message();
    return answer ? answer->body : std::string();
  };
  EXPECT_TRUE(has(ask("partner"), ";URI=" + partner + "\n"));
  EXPECT_TRUE(has(ask("web"), std::string(";URI=") + kWeb + "\n"));
  EXPECT_EQ(ask("forger"), "");
  shop.expect_metric(1, "outrider_tls_handshakes_total", metric_of("tls_unknown_ca"));
  shop.expect_metric(1, "outrider_peer_requests_total", "direction=\"inbound\",peer=\"" + partner + "\",code=\"200\"");
  shop.expect_metric(1, "outrider_peer_requests_total", R"(direction="inbound",peer="default/web",code="200")");
  EXPECT_GT(shop.metric("outrider_identity_ca_expiry_timestamp_seconds", "trust_domain=\"partner.org\""), 0);
}

TEST_F(MutualTls, ACertificateThatEndsSoonIsSaidWhereReadinessIs) {
  const WallTime now = net::Loop::wall();
  EXPECT_TRUE(identity::issue_into(folder.path("ca"), {identity::id_of(kShop), {}, {}, seconds(100)}, folder.path("shop"), now));
  const auto app = mirror();
  auto set = replica("one", std::to_string(app->address().port()));
  set.push_back("identity.warn_before=99%");
  Proxy shop("version: 1\nmode: sidecar\n", set);
  EXPECT_TRUE(has(shop.get("/ready").body, "tls.crt: ends ")) << shop.get("/ready").body;
}

// Where the registration leads, somebody else answers, with a valid certificate of the mesh.
TEST_F(MutualTls, AnAddressWhereAnotherIdentityAnswersGetsNoRequest) {
  const auto web = caller();
  seed = registry_of(*web);
  std::atomic<int> stolen{0};
  const auto take = [&](Stream& connection) {
    const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    SSL_CTX_use_certificate_chain_file(context.get(), folder.path("seed/tls.crt").c_str());
    SSL_CTX_use_PrivateKey_file(context.get(), folder.path("seed/tls.key").c_str(), SSL_FILETYPE_PEM);
    SSL* const ssl = SSL_new(context.get());
    SSL_set_fd(ssl, connection.fd());
    char byte;
    if (SSL_accept(ssl) == 1 && SSL_read(ssl, &byte, 1) > 0) ++stolen;
    ERR_clear_error();
    SSL_free(ssl);
  };
  // A port that is free at both addresses.
  std::vector<std::unique_ptr<Origin>> thieves;
  std::string inbound;
  for (int i = 0; i < 100 && inbound.empty(); ++i) {
    thieves.push_back(std::make_unique<Origin>(take));
    const auto beside = "127.0.0.2:" + std::to_string(thieves.back()->address().port());
    const auto fd = net::open_listener(*net::Address::parse(beside));
    if (fd) ::close(*fd), inbound = beside;
  }
  const auto app = mirror();
  auto set = replica("one", std::to_string(app->address().port()));
  set.push_back("listeners.inbound.address=" + inbound);
  const Proxy shop("version: 1\nmode: sidecar\n", set);  // says that it is at 127.0.0.1
  Message answer;
  until("the attempt", [&] {
    answer = request(web->address("outbound"), kAsk);
    return web->metric("outrider_tls_handshakes_total", "result=\"tls_wrong_identity\",side=\"endpoint\"") > 0;
  });
  EXPECT_NE(answer.status(), 200);
  EXPECT_EQ(stolen, 0);
}

TEST_F(MutualTls, RenewedCertificatesAreUsedAndNoRequestFails) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto app = Origin::answering("a");
  const auto shop = sidecar("one", *app);
  until_served_by(*web, {"a"});
  Traffic traffic(web->address("outbound"));
  until("load", [&] { return traffic.by("a") > 0; });
  issue("shop", "shop");
  issue("web", "web");
  shop->expect_metric(1, "outrider_identity_rotations_total", metric_of("success"));
  web->expect_metric(1, "outrider_identity_rotations_total", metric_of("success"));
  const int then = traffic.answers();
  until("load afterwards", [&] { return traffic.answers() > then + 100; });
  traffic.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
}

TEST_F(MutualTls, ACertificateThatCannotBeUsedLeavesTheOneThereWas) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto app = Origin::answering("a");
  const auto shop = sidecar("one", *app);
  until_served_by(*web, {"a"});
  EXPECT_TRUE(identity::write_file(folder.path("shop/tls.crt"), "no certificate\n", 0600));
  shop->expect_metric(1, "outrider_identity_rotations_total", metric_of("failure"));
  auto fresh = connect_as("web", shop->address("inbound"));
  EXPECT_TRUE(handshaken_);
  EXPECT_EQ(request(web->address("outbound"), kAsk).status(), 200);
}

TEST_F(MutualTls, SwitchedOffTheRegistrationAsksForClearText) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto app = mirror();
  auto set = replica("one", std::to_string(app->address().port()));
  set.push_back("identity.mtls=off");
  const Proxy shop("version: 1\nmode: sidecar\n", set);
  Message answer;
  const std::string ask =
      "GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-Client-Cert: URI=spiffe://mesh.local/ns/default/sa/root\r\n\r\n";
  until("an answer", [&] { return (answer = request(web->address("outbound"), ask)).status() == 200; });
  EXPECT_FALSE(has(answer.body, "x-forwarded-client-cert")) << answer.body;
  EXPECT_EQ(web->metric("outrider_tls_handshakes_total"), 0);
}

TEST_F(MutualTls, PermissiveClearTextGoesInBesideSidecarsAndIsCounted) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto app = mirror();
  auto set = replica("one", std::to_string(app->address().port()));
  set.push_back("identity.mtls=permissive");
  Proxy shop("version: 1\nmode: sidecar\n", set);
  Message answer;
  until("an answer", [&] { return (answer = request(web->address("outbound"), kAsk)).status() == 200; });
  EXPECT_TRUE(has(answer.body, std::string("URI=") + kWeb)) << answer.body;
  const auto plain =
      request(shop.address("inbound"),
              "GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-Client-Cert: URI=spiffe://mesh.local/ns/default/sa/root\r\n\r\n");
  EXPECT_EQ(plain.status(), 200);
  EXPECT_FALSE(has(plain.body, "x-forwarded-client-cert") || has(plain.body, "sa/root")) << plain.body;
  shop.expect_metric(1, "outrider_connections_total", "listener=\"inbound\",tls=\"mutual\"");
  shop.expect_metric(1, "outrider_connections_total", "listener=\"inbound\",tls=\"none\"");
  shop.expect_metric(0, "outrider_connections_active", "listener=\"inbound\",tls=\"none\"");
}

// Bytes of any protocol, a server's first word included.
TEST_F(MutualTls, CarriesTcp) {
  const auto web =
      caller("web", "web", {"listeners.db.address=127.0.0.1:0", "listeners.db.protocol=tcp", "routes.db=[{cluster: shop}]"});
  seed = registry_of(*web);
  Origin app([](Stream& connection) {
    connection.send("220 ready\r\n");
    connection.send(connection.read_some(100));
    connection.read_all();
  });
  auto set = replica("one", "");
  set.pop_back();
  set.push_back("service.ports=[{port: " + std::to_string(app.address().port()) + ", protocol: tcp}]");
  Proxy shop("version: 1\nmode: sidecar\n", set);
  Stream client;
  until("a greeting", [&] {
    client = Stream::connect(web->address("db"));
    return client.read_until("\n") == "220 ready\r\n";
  });
  client.send("ping");
  EXPECT_EQ(client.read_exactly(4), "ping");
  client.finish_sending();
  EXPECT_TRUE(client.at_end());
  EXPECT_GT(shop.metric("outrider_connections_total", "listener=\"inbound\",tls=\"mutual\""), 0);
}

// A service of HTTP is none for bytes, whatever a sidecar may ask for.
TEST_F(MutualTls, OfferingBytesAloneToAServiceOfHttpIsStillHttp) {
  const auto app = mirror();
  auto set = replica("one", std::to_string(app->address().port()));
  set.push_back("listeners.inbound.protocol=http");
  Proxy shop("version: 1\nmode: sidecar\n", set);
  auto client = connect_as("web", shop.address("inbound"), "\x08outrider");
  ASSERT_TRUE(handshaken_);
  client.send("\r\n" + kAsk);
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(has(answer->body, std::string("URI=") + kWeb)) << answer->start << answer->body;
}

TEST_F(MutualTls, ATcpConnectionIsJudgedToo) {
  Origin app([](Stream& connection) { connection.send("220 ready\r\n"); });
  auto set = replica("one", "");
  set.pop_back();
  set.push_back("service.ports=[{port: " + std::to_string(app.address().port()) + ", protocol: tcp}]");
  set.push_back("authorization.deny=[{from: [default/seed]}]");
  Proxy shop("version: 1\nmode: sidecar\n", set);
  EXPECT_EQ(connect_as("web", shop.address("inbound")).read_until("\n"), "220 ready\r\n");
  EXPECT_FALSE(connect_as("seed", shop.address("inbound")).read_until("\n"));
  shop.expect_metric(1, "outrider_authorization_total", R"(verdict="denied",rule="deny[0]",mode="enforce")");
}

TEST_F(MutualTls, RulesSayWhoMayAskForWhat) {
  const auto app = mirror();
  auto set = replica("one", std::to_string(app->address().port()));
  set.push_back("authorization.allow=[{from: [default/web], to: {prefix: /api}}]");
  set.push_back("authorization.deny=[{from: [\"*\"], to: {method: [DELETE]}}]");
  set.push_back("listeners.inbound.detect.timeout=1ms");  // who asks later than that is no tunnel, which would be denied
  Proxy shop("version: 1\nmode: sidecar\n", set);
  const auto ask = [&](const std::string& account, const std::string& line) {
    auto client = connect_as(account, shop.address("inbound"));
    client.send(line + " HTTP/1.1\r\nHost: shop\r\n\r\n");
    const auto answer = client.read_message();
    if (!answer) return std::string("nothing");
    return std::to_string(answer->status()) + " " + answer->field("x-outrider-reason");
  };
  EXPECT_EQ(ask("web", "GET /api/x?y"), "200 ");
  EXPECT_EQ(ask("web", "GET /"), "403 not_allowed");
  EXPECT_EQ(ask("web", "GET /api/../x"), "403 not_allowed") << "judged as the app will see it";
  EXPECT_EQ(ask("web", "DELETE /api/x"), "403 deny[0]");
  EXPECT_EQ(ask("seed", "GET /api/x"), "403 not_allowed");
  shop.expect_metric(1, "outrider_authorization_total", R"(verdict="allowed",rule="allow[0]",mode="enforce")");
  shop.expect_metric(1, "outrider_authorization_total", R"(verdict="denied",rule="deny[0]",mode="enforce")");
  shop.expect_metric(3, "outrider_authorization_total", R"(verdict="denied",rule="default",mode="enforce")");
}

TEST_F(MutualTls, InShadowWhatWouldBeDeniedIsLetThroughAndCounted) {
  const auto app = mirror();
  auto set = replica("one", std::to_string(app->address().port()));
  set.push_back("authorization.mode=shadow");
  set.push_back("authorization.allow=[{from: [default/other]}]");
  Proxy shop("version: 1\nmode: sidecar\n", set);
  auto client = connect_as("web", shop.address("inbound"));
  client.send(kAsk);
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), 200);
  shop.expect_metric(1, "outrider_authorization_total", R"(verdict="denied",rule="default",mode="shadow")");
}

// An app that speaks TLS by itself to whom it knows: what is no sidecar's hello goes through as it is.
TEST_F(MutualTls, PermissiveTheAppsOwnTlsGoesThroughAsItIs) {
  const Certificates certificates;
  TlsServer server(certificates);
  Origin app(server.behind([](Stream& connection) { connection.send(connection.read_some(100)); }));
  auto set = replica("one", std::to_string(app.address().port()));
  set.push_back("identity.mtls=permissive");
  Proxy shop("version: 1\nmode: sidecar\n", set);
  auto client = connect_as("web", shop.address("inbound"));
  ASSERT_TRUE(handshaken_);
  client.send("ping");
  EXPECT_EQ(client.read_exactly(4), "ping");
  EXPECT_EQ(server.clients, 0) << "nobody has asked for a certificate";
}

// FEATURES row 29.
TEST_F(MutualTls, ARuleMayAskWhoCalls) {
  const auto app = mirror();
  auto set = replica("one", std::to_string(app->address().port()));
  set.push_back(
      "routes.inbound=[{match: {source: {identity: [default/web]}}, cluster: local, response_headers: {set: {x-rule: web}}}, "
      "{match: {source: {identity: [\"default/*\"]}, prefix: /open}, respond: {status: 418}}, {respond: {status: 404}}]");
  Proxy shop("version: 1\nmode: sidecar\n", set);
  const auto ask = [&](const std::string& account, const std::string& path) {
    auto client = connect_as(account, shop.address("inbound"));
    client.send("GET " + path + " HTTP/1.1\r\nHost: shop\r\n\r\n");
    const auto answer = client.read_message();
    return answer ? std::to_string(answer->status()) + answer->field("x-rule") : std::string("nothing");
  };
  EXPECT_EQ(ask("web", "/"), "200web");
  EXPECT_EQ(ask("seed", "/"), "404");
  EXPECT_EQ(ask("seed", "/open"), "418");
}

}  // namespace
}  // namespace outrider::test
