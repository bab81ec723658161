#include "admin/pages.h"

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "admin/metrics_page.h"
#include "some_facts.h"
#include "stats/collector.h"
#include "stats/names.h"

namespace outrider::admin {
namespace {

rapidjson::Document parsed(const Reply& reply) {
  EXPECT_EQ(reply.type, "application/json");
  rapidjson::Document document;
  EXPECT_FALSE(document.Parse(reply.body.c_str()).HasParseError()) << reply.body;
  return document;
}

Ask asking(std::string query) {
  Ask ask;
  ask.query = std::move(query);
  return ask;
}

TEST(Ask, ParametersAreFoundWholeAndDecoded) {
  const Ask ask = asking("json&cluster=a%2Fb+c&cluster2=x&empty=&odd=%zz%4");
  EXPECT_TRUE(ask.has("json"));
  EXPECT_FALSE(ask.has("jso"));
  EXPECT_FALSE(ask.has("x"));
  EXPECT_EQ(ask.value("cluster"), "a/b c");
  EXPECT_EQ(ask.value("cluster2"), "x");
  EXPECT_EQ(ask.value("json"), "");
  EXPECT_EQ(ask.value("empty"), "");
  EXPECT_EQ(ask.value("odd"), "%zz%4");
}

TEST(Pages, LiveSays200Or503) {
  SomeFacts facts;
  EXPECT_EQ(live_page(facts).status, 200);
  facts.alive = false;
  EXPECT_EQ(live_page(facts).status, 503);
}

TEST(Pages, ReadyShowsEveryPartAndIs503WhenOneIsMissing) {
  SomeFacts facts;
  facts.parts = {{.name = "listeners", .ok = true, .detail = "2 of 2"},
                 {.name = "registration", .ok = true, .detail = "unsigned", .warning = true}};
  Reply reply = ready_page(facts, {});
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body,
            "ready\n"
            "  listeners     ok       2 of 2\n"
            "  registration  warning  unsigned\n");
  facts.parts.push_back({.name = "app", .ok = false, .detail = ""});
  reply = ready_page(facts, {});
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body,
            "not ready\n"
            "  listeners     ok       2 of 2\n"
            "  registration  warning  unsigned\n"
            "  app           no\n");
  reply = ready_page(facts, asking("json"));
  EXPECT_EQ(reply.status, 503);
  const auto document = parsed(reply);
  EXPECT_FALSE(document["ready"].GetBool());
  EXPECT_EQ(document["parts"].Size(), 3u);
  EXPECT_TRUE(document["parts"][1]["warning"].GetBool());
  EXPECT_STREQ(document["parts"][2]["name"].GetString(), "app");
}

TEST(Pages, ClustersShowEveryEndpointOnALineOfItsOwn) {
  SomeFacts facts;
  facts.cluster_views = two_clusters();
  const Reply reply = clusters_page(facts, {});
  EXPECT_NE(reply.body.find("\n        {\"address\": \"10.0.0.1:8080\", \"state\": \"ready\", \"why\": \"\", "
                            "\"since_s\": 12.346, \"weight\": 100, \"in_flight\": 3, \"requests\": 42, "
                            "\"ewma_ms\": 1.25, \"lease_left_s\": 9.5, \"zone\": \"a\", "),
            std::string::npos)
      << reply.body;
  const auto document = parsed(reply);
  ASSERT_EQ(document["clusters"].Size(), 2u);
  const auto& cart = document["clusters"][0];
  EXPECT_STREQ(cart["lb"].GetString(), "ewma");
  EXPECT_STREQ(cart["known"].GetString(), "yes");
  EXPECT_EQ(cart["ready"].GetInt(), 1);
  EXPECT_STREQ(cart["endpoints"][1]["state"].GetString(), "unhealthy");
  EXPECT_STREQ(cart["endpoints"][1]["why"].GetString(), "said \"no\"");
  EXPECT_TRUE(cart["endpoints"][1]["lease_left_s"].IsNull());
  EXPECT_EQ(document["clusters"][1]["endpoints"].Size(), 0u);
}

TEST(Pages, ClustersCanBeAskedForOneAndKnowWhichThereAreNot) {
  SomeFacts facts;
  facts.cluster_views = two_clusters();
  const auto document = parsed(clusters_page(facts, asking("cluster=billing")));
  ASSERT_EQ(document["clusters"].Size(), 1u);
  EXPECT_STREQ(document["clusters"][0]["name"].GetString(), "billing");
  EXPECT_EQ(clusters_page(facts, asking("cluster=nobody")).status, 404);
}

TEST(Pages, ServicesAndRegistryAreJson) {
  SomeFacts facts;
  facts.service_views = {{"cart", "watched", "yes", 3, 1, 0.5}, {"web", "announced", "yes", 1, 0, {}}};
  const auto services = parsed(services_page(facts, {}));
  ASSERT_EQ(services["services"].Size(), 2u);
  EXPECT_EQ(services["services"][0]["instances"].GetInt(), 3);
  EXPECT_EQ(services["services"][0]["age_s"].GetDouble(), 0.5);
  EXPECT_TRUE(services["services"][1]["age_s"].IsNull());
  EXPECT_TRUE(services["complete"].GetBool());
  facts.services_read = false;
  EXPECT_FALSE(parsed(services_page(facts, {}))["complete"].GetBool());
  EXPECT_EQ(services_page(facts, asking("service=nobody")).status, 404);

  facts.registry_view.kind = "dht";
  facts.registry_view.sealed = true;
  facts.registry_view.peers = 7;
  facts.registry_view.seeds = {{"127.0.0.1:4222", "good"}};
  facts.registry_view.announced = {{"web", "127.0.0.1:1", 5, 20}};
  const auto registry = parsed(registry_page(facts));
  EXPECT_TRUE(registry["sealed"].GetBool());
  EXPECT_FALSE(registry["signed"].GetBool());
  EXPECT_EQ(registry["peers"].GetInt(), 7);
  EXPECT_STREQ(registry["seeds"][0]["state"].GetString(), "good");
  EXPECT_EQ(registry["announced"][0]["sequence"].GetInt(), 5);
}

TEST(Pages, AuthorizationSaysVerdictAndRule) {
  const SomeFacts facts;
  const auto ask = [&](std::string query) {
    Ask what;
    what.query = std::move(query);
    return authorization_page(facts, what);
  };
  EXPECT_EQ(ask("from=web&to=shop&method=GET&path=/").body,
            "{\"verdict\": \"allowed\", \"rule\": \"allow[0]\", \"mode\": \"enforce\", \"file\": \"web.yaml\", \"line\": 7}\n");
  EXPECT_NE(ask("from=web&to=shop").body.find("\"denied\""), std::string::npos);
  const auto wrong = ask("from=web");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.body, "to whom?\n");
}

TEST(Pages, RouteSaysRuleClusterAndEndpoints) {
  const SomeFacts facts;
  Ask what;
  what.query = "method=GET&url=http://a/&headers=x-a:%201%0AX-B:2%0Anonsense";
  const auto json = parsed(route_page(facts, what));
  EXPECT_STREQ(json["route"].GetString(), "edge-1");
  EXPECT_EQ(json["line"].GetInt(), 9);
  EXPECT_STREQ(json["cluster"].GetString(), "cart");
  EXPECT_STREQ(json["host"].GetString(), "x-a=1;X-B=2;");
  EXPECT_STREQ(json["endpoints"][0]["state"].GetString(), "ready");
  EXPECT_FALSE(json.HasMember("status"));
  what.query = "method=GET";
  EXPECT_EQ(route_page(facts, what).status, 400);
}

TEST(Pages, StatSumsRoutesAndGivesQuantiles) {
  SomeFacts facts;
  stats::Catalog catalog;
  auto shard = catalog.make_shard();
  auto requests = [&](const char* route, const char* code, const char* flag = "none") {
    return catalog.slot(stats::names::kRequests,
                        {{"direction", "outbound"}, {"route", route}, {"cluster", "cart"}, {"code", code}, {"flag", flag}});
  };
  shard->add(requests("a", "200"), 90);
  shard->add(requests("b", "204"), 5);
  shard->add(requests("b", "404"), 3);
  shard->add(requests("b", "503"), 1);
  shard->add(requests("b", "other", "upstream_reset"), 1);
  const stats::Slot duration =
      catalog.slot(stats::names::kRequestDuration, {{"direction", "outbound"}, {"route", "a"}, {"cluster", "cart"}});
  for (uint64_t i = 1; i <= 100; ++i) shard->observe(duration, i * 1000);
  shard->add(catalog.slot(stats::names::kClusterRetries, {{"cluster", "cart"}, {"reason", "connect_failure"}}), 2);
  shard->sub(catalog.slot(stats::names::kRequestsInFlight, {{"direction", "outbound"}, {"cluster", "cart"}}), 1);
  catalog.slot(stats::names::kRequests, {{"direction", "inbound"}, {"cluster", "app"}, {"code", "200"}});
  shard->add(catalog.slot(stats::names::kPeerRequests, {{"direction", "inbound"}, {"peer", "shop/web"}, {"code", "200"}}), 7);

  const auto document = parsed(stat_page(facts, catalog, {}));
  ASSERT_EQ(document["traffic"].Size(), 2u);
  EXPECT_TRUE(document["traffic"][0]["success_ratio"].IsNull());
  EXPECT_TRUE(document["traffic"][0]["p50_ms"].IsNull());
  const auto& out = document["traffic"][1];
  EXPECT_STREQ(out["direction"].GetString(), "outbound");
  EXPECT_EQ(out["requests"].GetInt(), 100);
  EXPECT_DOUBLE_EQ(out["success_ratio"].GetDouble(), 0.98);
  EXPECT_EQ(out["codes"]["2xx"].GetInt(), 95);
  EXPECT_EQ(out["codes"]["4xx"].GetInt(), 3);
  EXPECT_EQ(out["codes"]["other"].GetInt(), 1);
  EXPECT_EQ(out["in_flight"].GetInt(), -1);
  EXPECT_NEAR(out["p50_ms"].GetDouble(), 50, 50 * 0.06);
  EXPECT_NEAR(out["p99_ms"].GetDouble(), 99, 99 * 0.06);
  EXPECT_EQ(document["upstream"][0]["retries"].GetInt(), 2);
  ASSERT_EQ(document["routes"].Size(), 3u);
  EXPECT_STREQ(document["routes"][1]["route"].GetString(), "a");
  EXPECT_EQ(document["routes"][1]["requests"].GetInt(), 90);
  EXPECT_EQ(document["routes"][2]["failures"].GetInt(), 2);
  EXPECT_EQ(document["peers"][0]["requests"].GetInt(), 7);
  EXPECT_FALSE(out.HasMember("buckets"));
  const auto counted = parsed(stat_page(facts, catalog, asking("buckets")));
  uint64_t count = 0;
  for (const auto& bucket : counted["traffic"][1]["buckets"].GetArray()) count += bucket[1].GetUint64();
  EXPECT_EQ(count, 100u);
  EXPECT_EQ(parsed(stat_page(facts, catalog, asking("cluster=app")))["traffic"].Size(), 1u);
}

TEST(Pages, OverviewHasWhatThePageForBrowsersLooksAtEachSecond) {
  SomeFacts facts;
  facts.parts.push_back({.name = "overload", .ok = true, .detail = "level 1", .warning = true});
  facts.process_view = {.mode = "sidecar",
                        .config = "abc",
                        .overload_level = 1,
                        .overload = "level 1, memory",
                        .certificates = {{"identity", "spiffe://a/ns/b/sa/c", 86400.4}}};
  stats::Catalog catalog;
  auto shard = catalog.make_shard();
  const auto requests = [&](const char* code, const char* flag) {
    return catalog.slot(stats::names::kRequests,
                        {{"direction", "outbound"}, {"route", "a"}, {"cluster", "cart"}, {"code", code}, {"flag", flag}});
  };
  shard->add(requests("200", "none"), 7);
  shard->add(requests("503", "no_endpoint"), 2);
  shard->add(requests("__other__", "__other__"), 1);  // nobody knows of what is counted together
  const auto duration =
      catalog.slot(stats::names::kRequestDuration, {{"direction", "outbound"}, {"route", "a"}, {"cluster", "cart"}});
  for (const uint64_t us : {1000, 1000, 250'000}) shard->observe(duration, us);
  shard->add(catalog.slot(stats::names::kClusterPending, {{"cluster", "cart"}}), 4);
  const auto peer = [&](const char* code) {
    return catalog.slot(stats::names::kPeerRequests, {{"direction", "inbound"}, {"peer", "shop/web"}, {"code", code}});
  };
  shard->add(peer("200"), 5);
  shard->add(peer("500"), 1);

  const auto json = parsed(overview_page(facts, catalog, {"/", "/overview"}));
  EXPECT_STREQ(json["name"].GetString(), "web");
  EXPECT_STREQ(json["version"].GetString(), "0.1.0");
  EXPECT_DOUBLE_EQ(json["uptime_s"].GetDouble(), 3725.25);
  EXPECT_STREQ(json["mode"].GetString(), "sidecar");
  EXPECT_STREQ(json["config"].GetString(), "abc");
  EXPECT_EQ(json["overload"]["level"].GetInt(), 1);
  EXPECT_STREQ(json["overload"]["why"].GetString(), "level 1, memory");
  EXPECT_STREQ(json["certificates"][0]["what"].GetString(), "spiffe://a/ns/b/sa/c");
  EXPECT_EQ(json["certificates"][0]["left_s"].GetDouble(), 86400);
  EXPECT_TRUE(json["ready"].GetBool());
  EXPECT_TRUE(json["parts"][1]["warning"].GetBool());
  const auto& cart = json["traffic"][0];
  EXPECT_EQ(cart["requests"].GetInt(), 10);
  EXPECT_EQ(cart["failures"].GetInt(), 2);
  ASSERT_EQ(cart["duration_ms"].Size(), 2u);
  EXPECT_NEAR(cart["duration_ms"][0][0].GetDouble(), 1, 0.06);
  EXPECT_EQ(cart["duration_ms"][0][1].GetInt(), 2);
  EXPECT_NEAR(cart["duration_ms"][1][0].GetDouble(), 250, 15);
  EXPECT_EQ(json["upstream"][0]["pending"].GetInt(), 4);
  EXPECT_STREQ(json["peers"][0]["peer"].GetString(), "shop/web");
  EXPECT_EQ(json["peers"][0]["requests"].GetInt(), 6);
  EXPECT_EQ(json["peers"][0]["failures"].GetInt(), 1);
  EXPECT_STREQ(json["pages"][1].GetString(), "/overview");
}

TEST(Pages, ClustersSayHowLongAnswersTookWhereThatIsAsked) {
  SomeFacts facts;
  facts.cluster_views = two_clusters();
  auto& one = facts.cluster_views[0].endpoints[0];
  one.errors = 3;
  one.unanswered = 2;
  one.first_byte_ms = {{0.5, 10}, {12.3456, 1}};
  const auto short_form = parsed(clusters_page(facts, {}));
  EXPECT_EQ(short_form["clusters"][0]["endpoints"][0]["errors"].GetInt(), 3);
  EXPECT_EQ(short_form["clusters"][0]["endpoints"][0]["unanswered"].GetInt(), 2);
  EXPECT_FALSE(short_form["clusters"][0]["endpoints"][0].HasMember("first_byte_ms"));
  const auto json = parsed(clusters_page(facts, asking("times")));
  const auto& times = json["clusters"][0]["endpoints"][0]["first_byte_ms"];
  ASSERT_EQ(times.Size(), 2u);
  EXPECT_EQ(times[1][0].GetDouble(), 12.346);
  EXPECT_EQ(times[1][1].GetInt(), 1);
  EXPECT_EQ(json["clusters"][0]["endpoints"][1]["first_byte_ms"].Size(), 0u);
}

TEST(Pages, IndexSaysWhoHowMuchAndWhereToGo) {
  SomeFacts facts;
  facts.cluster_views = two_clusters();
  const Reply reply = index_page(facts);
  EXPECT_TRUE(reply.body.starts_with("outrider 0.1.0  web  up 1 h 2 min\n2 clusters, 1 of 2 endpoints ready\n"));
  for (const char* page : {"/ready", "/clusters", "/services", "/registry", "/stat", "/config", "/drain"})
    EXPECT_NE(reply.body.find(page), std::string::npos) << page;
}

TEST(Pages, DrainAndQuitReachTheServerOnce) {
  SomeFacts facts;
  EXPECT_EQ(drain_page(facts).status, 202);
  EXPECT_EQ(quit_page(facts).status, 202);
  EXPECT_EQ(facts.drains, 1);
  EXPECT_EQ(facts.quits, 1);
}

TEST(EndpointSamples, CountEveryStateAndEndpointsOnlyWhenAsked) {
  SomeFacts facts;
  facts.cluster_views = two_clusters();
  for (bool each : {false, true}) {
    stats::Catalog catalog;
    stats::Collector collector(catalog);
    collector.add_source([&](stats::Samples& samples) { endpoint_samples(facts, each, samples); });
    collector.prepare();
    std::map<std::string, std::vector<prometheus::ClientMetric>> families;
    for (auto& family : collector.Collect()) families[family.name] = family.metric;
    const auto& endpoints = families[stats::names::kClusterEndpoints.name];
    ASSERT_EQ(endpoints.size(), 12u);
    double all = 0;
    for (const auto& metric : endpoints) all += metric.gauge.value;
    EXPECT_EQ(all, 2);
    EXPECT_EQ(endpoints[0].label[1].value, "ready");
    EXPECT_EQ(endpoints[0].gauge.value, 1);
    EXPECT_EQ(families.count(stats::names::kEndpointLatency.name), size_t(each));
    if (!each) continue;
    EXPECT_EQ(families[stats::names::kEndpointRequests.name][0].counter.value, 42);
    EXPECT_DOUBLE_EQ(families[stats::names::kEndpointLatency.name][0].gauge.value, 0.00125);
  }
}

TEST(Pages, AServiceIsFoundWithoutItsNamespaceAndAMissingOneIsToldWhatThereIs) {
  SomeFacts facts;
  facts.cluster_views = two_clusters();
  facts.cluster_views[0].name = "shop/cart";
  facts.cluster_views.push_back({.name = "shop/typo", .labelled = false});
  EXPECT_EQ(parsed(clusters_page(facts, asking("cluster=cart")))["clusters"][0]["name"], "shop/cart");
  EXPECT_EQ(clusters_page(facts, asking("cluster=op/cart")).status, 404);
  EXPECT_EQ(clusters_page(facts, asking("cluster=art")).body, "There is no cluster art here. There are: shop/cart, billing.\n");
}

TEST(Pages, ATcpConnectionThatEndedWellIsASuccess) {
  SomeFacts facts;
  stats::Catalog catalog;
  auto shard = catalog.make_shard();
  const auto ended = [&](const char* flag) {
    return catalog.slot(stats::names::kRequests,
                        {{"direction", "edge"}, {"route", "r"}, {"cluster", "db"}, {"code", "other"}, {"flag", flag}});
  };
  shard->add(ended("none"), 3);
  shard->add(ended("connect_failure"), 1);
  EXPECT_DOUBLE_EQ(parsed(stat_page(facts, catalog, {}))["traffic"][0]["success_ratio"].GetDouble(), 0.75);
  EXPECT_EQ(stat_page(facts, catalog, asking("cluster=cache")).status, 404);
}

}  // namespace
}  // namespace outrider::admin
