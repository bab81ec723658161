// Sidecars that find each other: in this process, and as processes where one is to be killed.

#include <gtest/gtest.h>
#include <signal.h>

#include <array>

#include "tests/support/grpc.h"
#include "tests/support/mesh.h"

namespace outrider::test {
namespace {

TEST_F(Mesh, ReplicasAreFoundAndShareTheRequests) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a"), b = app("b"), c = app("c");
  const auto one = sidecar("one", *a), two = sidecar("two", *b), three = sidecar("three", *c);
  until_served_by(*web, {"a", "b", "c"});
  until("their registrations", [&] { return known_to(*web) == 3; });
  EXPECT_NE(web->get("/clusters").body.find("spiffe://mesh.local/ns/default/sa/shop"), std::string::npos);
  EXPECT_NE(web->get("/services").body.find("default/shop"), std::string::npos);
  web->expect_metric(3, "outrider_registry_records", "state=\"valid\"");
  web->expect_metric(1, "outrider_registry_info", "sealed=\"true\",signed=\"true\"");
  EXPECT_EQ(web->metric("outrider_registry_rejected_total"), 0);
}

TEST_F(Mesh, ServicesNobodyHereHasAskedForAreListedByName) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a");
  const auto one = sidecar("one", *a);
  std::string page;
  until("the list", [&] {
    page = web->get("/services").body;
    return has(page, "\"complete\": true") && has(page, "default/shop");
  });
  EXPECT_TRUE(has(page, "\"role\": \"listed\"")) << page;
  EXPECT_EQ(web->metric("outrider_registry_services"), 0) << "it is not followed";
  EXPECT_TRUE(has(one->get("/services").body, "\"role\": \"announced\""));
  EXPECT_EQ(web->metric("outrider_registry_rejected_total"), 0);
  EXPECT_EQ(web->metric("outrider_registry_unlisted_total"), 0);
}

// Call by call, not connection by connection; and who joins has its share of those that follow.
TEST_F(Mesh, CallsOfGrpcOnOneConnectionGoToAllReplicas) {
  const auto web = caller();
  seed = registry_of(*web);
  std::array<CountingEndpoint, 5> apps;
  std::vector<std::unique_ptr<Proxy>> sidecars;
  const auto join = [&] {
    const Origin& app = apps[sidecars.size()].endpoint.origin;
    sidecars.push_back(sidecar("replica" + std::to_string(sidecars.size()), app));
  };
  H2Peer client(web->address("outbound"));
  uint32_t stream = 1;
  const auto call = [&] {
    client.send(grpc_call(stream, {}, "shop"));
    const std::string mark = "HEADERS " + std::to_string(stream) + " end";
    const auto lines = client.read_until(mark);
    stream += 2;
    return lines.substr(std::min(lines.find(mark), lines.size()));
  };
  const auto called = [&](int count) {
    std::array<int, 5> before, seen;
    for (size_t i = 0; i < apps.size(); ++i) before[i] = apps[i].calls;
    for (int i = 0; i < count; ++i) EXPECT_TRUE(has(call(), "[grpc-status: 0]"));
    for (size_t i = 0; i < apps.size(); ++i) seen[i] = apps[i].calls - before[i];
    return seen;
  };
  for (int i = 0; i < 4; ++i) join();
  until("four registrations", [&] { return call(), known_to(*web) == 4; });
  const auto four = called(80);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(four[i], 20, 1) << i;
  join();
  until("the newcomer's first call", [&] { return call(), apps[4].calls > 0; });
  const auto five = called(100);
  for (int i = 0; i < 5; ++i) EXPECT_NEAR(five[i], 20, 1) << i;
}

TEST_F(Mesh, AnAppThatDoesNotAnswerIsNotRegisteredUntilItDoes) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a");
  const auto one = sidecar("one", *a);
  const auto gone = refusing_address();
  const Proxy two("version: 1\nmode: sidecar\n", replica("two", std::to_string(gone.port())));
  until_served_by(*web, {"a"});
  until("its registration", [&] { return known_to(*web) == 1; });
  a->stop();
  until("its withdrawal",
        [&] { return web->get("/clusters?cluster=default/shop").body.find("\"address\"") == std::string::npos; });
  const auto answer = request(web->address("outbound"), kAsk);
  EXPECT_EQ(answer.status(), 503);
}

TEST_F(Mesh, AWithdrawalUnderLoadFailsNoRequest) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a"), b = app("b");
  const auto one = sidecar("one", *a);
  auto two = sidecar("two", *b);
  until_served_by(*web, {"a", "b"});
  Traffic traffic(web->address("outbound"));
  until("load at both", [&] { return traffic.by("a") > 0 && traffic.by("b") > 0; });
  EXPECT_EQ(two->end(), 0);
  const int then = traffic.answers();
  until("load afterwards", [&] { return traffic.answers() > then + 100; });
  traffic.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
  EXPECT_EQ(known_to(*web), 1u);
  EXPECT_EQ(web->metric("outrider_registry_records", "state=\"tombstone\""), 1);
}

TEST_F(Mesh, AProcessThatIsToldToStopWithdrawsAndPassesOnItsEnd) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a"), b = app("b");
  const auto one = sidecar("one", *a);
  const auto two = process("run", "two", replica("two", std::to_string(b->address().port())));
  until_served_by(*web, {"a", "b"});
  Traffic traffic(web->address("outbound"));
  until("load at both", [&] { return traffic.by("a") > 0 && traffic.by("b") > 0; });
  two->signal(SIGTERM);
  EXPECT_EQ(two->wait(), 0);
  const int then = traffic.answers();
  until("load afterwards", [&] { return traffic.answers() > then + 100; });
  traffic.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
  until("its withdrawal", [&] { return known_to(*web) == 1; });
}

TEST_F(Mesh, AKilledSidecarFailsNoRequest) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto a = app("a"), b = app("b");
  const auto one = sidecar("one", *a);
  const auto two = process("run", "two", replica("two", std::to_string(b->address().port())));
  until_served_by(*web, {"a", "b"});
  Traffic traffic(web->address("outbound"));
  until("load at both", [&] { return traffic.by("a") > 0 && traffic.by("b") > 0; });
  two->kill();
  const int then = traffic.answers();
  until("load afterwards", [&] { return traffic.answers() > then + 300; });
  traffic.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
}

TEST_F(Mesh, WithoutItsBootstrapNodeTrafficGoesOnAndNewcomersJoinThroughAnyOther) {
  const auto first = process("dht", "seed", common("seed", "seed"));
  seed = registry_of("seed");
  const auto a = app("a"), b = app("b");
  const auto web = caller();
  const auto one = sidecar("one", *a);
  until_served_by(*web, {"a"});
  for (Proxy* each : {web.get(), one.get()}) each->expect_metric(2, "outrider_registry_peers");
  Traffic traffic(web->address("outbound"));
  first->kill();
  seed = registry_of(*one);
  const auto two = sidecar("two", *b);
  until("load at the newcomer", [&] { return traffic.by("b") > 0; });
  traffic.stop();
  EXPECT_EQ(traffic.failures(), std::vector<std::string>{});
}

TEST_F(Mesh, WithoutAnIdentityRegistrationIsUnsignedWhichIsSaidAndRefusedByThoseWhoHaveOne) {
  also = {"registry.node_ids=free"};  // or nobody with an identity would as much as listen
  const auto web = caller();
  seed = registry_of(*web);
  const auto plain = caller("plain", "");
  const auto a = app("a");
  const Proxy one("version: 1\nmode: sidecar\n", replica("one", std::to_string(a->address().port()), ""));
  until_served_by(*plain, {"a"});
  EXPECT_NE(plain->get("/ready").body.find("records not signed"), std::string::npos) << plain->get("/ready").body;
  plain->expect_metric(1, "outrider_registry_info", "signed=\"false\"");
  until("a refusal", [&] {
    EXPECT_NE(request(web->address("outbound"), kAsk).status(), 200);
    return web->metric("outrider_registry_rejected_total", "reason=\"no_certificate\"") > 0;
  });
  EXPECT_EQ(known_to(*web), 0u);
}

TEST_F(Mesh, WithoutAnIdentityNobodyWhoHasOneListensWhichBothSidesSay) {
  const auto web = caller();
  seed = registry_of(*web);
  const auto plain = caller("plain", "");
  until("a refusal", [&] { return web->metric("outrider_registry_rejected_total", "reason=\"no_certificate\"") > 0; });
  until("the reason", [&] { return has(plain->get("/registry").body, "it does not prove its id"); });
  EXPECT_EQ(web->metric("outrider_registry_peers"), 0);
}

}  // namespace
}  // namespace outrider::test
