// What a mode stands for.

#include "loading.h"

namespace outrider::config {
namespace {

const std::string kSidecar = "version: 1\nservice: {name: web, port: 8080}\nregistry: {bootstrap: \"seed:4222\"}\n";

TEST(Presets, AServiceMakesASidecarAndNoServiceAnEdge) {
  OUTRIDER_NEEDS_DHT();
  EXPECT_EQ(must_load({kSidecar}).mode, Mode::Sidecar);
  EXPECT_EQ(must_load({edge()}).mode, Mode::Edge);
  EXPECT_EQ(
      must_load({kSidecar + "mode: edge\nlisteners: {in: {address: \":1\", direction: inbound, routes: [{cluster: web}]}}\n"})
          .mode,
      Mode::Edge);
}

TEST(Presets, ASidecarListensForItsAppAndForOthers) {
  OUTRIDER_NEEDS_DHT();
  const auto d = must_load({kSidecar});
  ASSERT_EQ(d.listeners.size(), 2u);
  EXPECT_EQ(d.listeners[0].name, "outbound");
  EXPECT_EQ(d.listeners[0].addresses, (std::vector<std::string>{"127.0.0.1:15001", "[::1]:15001"}));
  EXPECT_EQ(d.listeners[0].direction, Direction::Outbound);
  EXPECT_EQ(d.listeners[1].name, "inbound");
  EXPECT_EQ(d.listeners[1].addresses, std::vector<std::string>{"[::]:15006"});
  EXPECT_EQ(d.listeners[1].direction, Direction::Inbound);
  EXPECT_TRUE(d.listeners[0].transparent && d.listeners[1].transparent);
  EXPECT_EQ(d.admin.address, "127.0.0.1:15000");
  EXPECT_EQ(d.admin.health, ":15021");
  EXPECT_EQ(d.metrics.address, ":15020");
}

TEST(Presets, ASidecarsInboundLeadsToTheServiceAndItsOutboundToWhomTheHostNames) {
  OUTRIDER_NEEDS_DHT();
  const auto d = must_load({kSidecar});
  ASSERT_EQ(d.listeners[0].routes.size(), 1u);
  EXPECT_EQ(d.listeners[0].routes[0].action, Route::Action::ByHost);
  ASSERT_EQ(d.listeners[1].routes.size(), 1u);
  EXPECT_EQ(d.listeners[1].routes[0].cluster, kLocalCluster);
  const Cluster* local = d.cluster(kLocalCluster);
  ASSERT_TRUE(local);
  EXPECT_EQ(local->endpoints.at(0).address, "127.0.0.1:8080");
  EXPECT_EQ(local->slow_start, milliseconds(0));
}

TEST(Presets, WhatIsRedirectedToASidecarAndIsForNobodyItKnowsGoesOn) {
  OUTRIDER_NEEDS_DHT();
  const auto d = must_load({kSidecar});
  const Route& out = d.listeners[0].routes.at(0);
  EXPECT_TRUE(out.onward && d.listeners[0].passes_bytes_on());
  EXPECT_EQ(out.home_port, 0);
  const Route& in = d.listeners[1].routes.at(0);
  EXPECT_TRUE(in.onward && in.home_port == 8080);
  const Cluster* passthrough = d.cluster(kPassthroughCluster);
  ASSERT_TRUE(passthrough);
  EXPECT_EQ(passthrough->discovery, Cluster::Discovery::OriginalDst);
  EXPECT_EQ(passthrough->connect_timeout, milliseconds(10000));
  EXPECT_FALSE(must_load({kSidecar + "listeners: {inbound: {transparent: off}}\n"}).listeners[1].routes.at(0).onward);
}

TEST(Presets, WithoutARegistryRedirectedConnectionsGoOnAllTheSame) {
  const auto d = must_load({"version: 1\nservice: {name: web, port: 8080}\nregistry: {kind: none}\n"});
  const Route& out = d.listeners.at(0).routes.at(0);
  EXPECT_TRUE(out.onward);
  EXPECT_EQ(out.action, Route::Action::Passthrough);
  const auto tcp =
      must_load({"version: 1\nregistry: {kind: none}\nlisteners: {db: {address: \":1\", direction: outbound, "
                 "protocol: tcp, transparent: redirect}}\n"});
  EXPECT_EQ(tcp.listeners.at(0).routes.at(0).action, Route::Action::Passthrough);
  EXPECT_TRUE(tcp.cluster(kPassthroughCluster));
}

// Bytes pass where nobody was to look at requests first.
TEST(Presets, FiltersOfWhatComesInAreNotGoneRoundByBytes) {
  const auto passes = [](const std::string& direction, const std::string& filters) {
    const auto d = must_load(
        {"version: 1\nregistry: {kind: none}\nlisteners: {x: {address: \":1\", transparent: redirect, direction: " + direction +
         filters + "}}\nroutes: {x: [{passthrough: original_dst}]}\n"});
    return d.listeners.at(0).passes_bytes_on();
  };
  const std::string filters = ", filters: [{headers: {request: {set: {a: b}}}}]";
  EXPECT_TRUE(passes("inbound", ""));
  EXPECT_FALSE(passes("inbound", filters));
  EXPECT_TRUE(passes("outbound", filters));
}

// Do no harm: what would have worked without the proxy works.
TEST(Presets, ASidecarHasNoTimeoutAndNoBodyLimit) {
  OUTRIDER_NEEDS_DHT();
  const auto d = must_load({kSidecar + "clusters: {cart: {}}\n"});
  EXPECT_EQ(d.cluster("cart")->timeout, milliseconds(0));
  EXPECT_EQ(d.cluster("cart")->service, "default/cart");
  for (const Listener& listener : d.listeners) {
    EXPECT_EQ(listener.max_body, 0u);
    EXPECT_EQ(listener.request, milliseconds(0));
    EXPECT_TRUE(listener.http10);
    EXPECT_EQ(listener.forwarded, Listener::Forwarded::Append);
  }
  EXPECT_TRUE(d.cluster("cart")->tries.retry.connect_failure);
  EXPECT_EQ(d.cluster("cart")->lb, Cluster::Balancer::Ewma);
}

TEST(Presets, AnEdgeIsTighter) {
  const auto d = must_load({edge()});
  const Listener& listener = d.listeners.at(0);
  EXPECT_EQ(listener.max_body, 10u << 20);
  EXPECT_EQ(listener.forwarded, Listener::Forwarded::Replace);
  EXPECT_EQ(listener.escaped_slash, Listener::Slash::Decode);
  EXPECT_EQ(listener.request_headers, milliseconds(5000));
  EXPECT_EQ(d.clusters.at(0).timeout, milliseconds(15000));
}

TEST(Presets, WhatAPresetSaysIsADefaultToo) {
  OUTRIDER_NEEDS_DHT();
  const auto d =
      must_load({kSidecar + "listeners: {inbound: {address: \"127.0.0.1:1\"}}\nclusters: {local: {connect_timeout: 5s}}\n"});
  ASSERT_EQ(d.listeners.size(), 2u);
  EXPECT_EQ(d.listeners[1].addresses, std::vector<std::string>{"127.0.0.1:1"});
  EXPECT_EQ(d.listeners[1].direction, Direction::Inbound);
  EXPECT_EQ(d.cluster(kLocalCluster)->connect_timeout, milliseconds(5000));
  EXPECT_EQ(d.cluster(kLocalCluster)->endpoints.at(0).address, "127.0.0.1:8080");
}

TEST(Presets, ConfiguredClustersAreFoundByTheirHostNames) {
  OUTRIDER_NEEDS_DHT();
  const auto d = must_load({kSidecar + "clusters: {cart: {}, ops/db: {}}\n"});
  const auto& routes = d.listeners.at(0).routes;
  ASSERT_EQ(routes.size(), 3u);
  EXPECT_EQ(routes[0].hosts, (std::vector<std::string>{"cart", "cart.default", "cart.default.mesh"}));
  EXPECT_EQ(routes[1].hosts, (std::vector<std::string>{"db.ops", "db.ops.mesh"}));
}

TEST(Presets, ATcpServiceIsRelayed) {
  OUTRIDER_NEEDS_DHT();
  const auto d = must_load(
      {"version: 1\nservice: {name: db, ports: [{port: 5432, protocol: tcp}]}\nregistry: {bootstrap: \"seed:4222\"}\n"});
  EXPECT_EQ(d.listeners.at(1).protocol, Protocol::Tcp);
  EXPECT_EQ(d.cluster(kLocalCluster)->protocol, Protocol::Tcp);
}

TEST(Presets, WhatATcpListenerLeadsToIsTcpAndNotOfferedByHost) {
  OUTRIDER_NEEDS_DHT();
  const auto d = must_load(
      {kSidecar +
       "listeners: {db: {address: \"127.0.0.1:5432\", protocol: tcp, direction: outbound}}\nroutes: {db: [{cluster: postgres}]}\n"
       "clusters: {postgres: {endpoints: [\"10.0.0.1:5432\"]}}\n"});
  EXPECT_EQ(d.cluster("postgres")->protocol, Protocol::Tcp);
  EXPECT_EQ(d.cluster("postgres")->timeout, milliseconds(0));
  for (const Route& route : d.listeners.at(0).routes) EXPECT_NE(route.cluster, "postgres");
}

TEST(Presets, ATimeoutThatIsNotTheClustersOwnDoesNotCutATcpConnection) {
  const auto timeout = [](const std::string& own, const std::string& more = {}) {
    return must_load({"version: 1\nlisteners: {db: {address: \":5432\", protocol: tcp}}\nroutes: {db: [{cluster: db}]}\n"
                      "clusters: {db: {endpoints: [\"10.0.0.1:5432\"]" +
                      own + "}}\n" + more})
        .clusters.at(0)
        .timeout;
  };
  EXPECT_EQ(timeout(""), milliseconds(0));
  EXPECT_EQ(timeout("", "defaults: {cluster: {timeout: 5s}}\n"), milliseconds(0));
  EXPECT_EQ(timeout(", timeout: 1h"), milliseconds(3600000));
}

TEST(Presets, ARegistryNodeNeedsNoListener) {
  OUTRIDER_NEEDS_DHT();
  Sources sources;
  sources.registry_only = true;
  sources.set = {"registry.bind=127.0.0.1:0"};
  const auto outcome = load(sources);
  ASSERT_TRUE(outcome.document) << print(outcome.complaints);
  EXPECT_TRUE(outcome.document->listeners.empty());
  sources.set = {"registry.kind=none"};
  EXPECT_EQ(print(load(sources).complaints),
            "--set registry.kind=none: error: registry.kind: a registry node needs a registry: expected dht\n");
}

// What `defaults.route` says holds for rules that nobody wrote, too.
TEST(Presets, ImpliedRulesHaveTheDefaultsOfRules) {
  OUTRIDER_NEEDS_DHT();
  const auto d =
      must_load({kSidecar + "clusters: {cart: {retry: {when: 503, attempts: 7}}}\n"
                            "defaults: {cluster: {retry: {when: 502}}, route: {timeout: 3s, access_log: off, priority: low, "
                            "retry: {attempts: 5}, hedge: {after: 20ms}}}\n"});
  for (const Listener& listener : d.listeners)
    for (const Route& route : listener.routes) {
      EXPECT_EQ(route.timeout, milliseconds(3000)) << route.name;
      EXPECT_FALSE(route.logged) << route.name;
      EXPECT_EQ(route.priority, Priority::Low) << route.name;
      ASSERT_EQ(route.tries.size(), 1u) << route.name;
      EXPECT_EQ(route.tries[0].retry.attempts, 5u) << route.name;
      EXPECT_EQ(route.tries[0].hedge.after, milliseconds(20)) << route.name;
      EXPECT_EQ(route.tries[0].retry.statuses.test(103), route.cluster == "cart") << route.name;
      EXPECT_EQ(route.tries[0].retry.statuses.test(102), route.cluster != "cart") << route.name;
    }
}

TEST(Presets, WhatARuleDoesNotSayOfItsTriesIsItsClusters) {
  const auto of = [](const std::string& rule, const std::string& cluster) {
    const auto d =
        must_load({"version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: web, " +
                   rule + "}]}\nclusters: {web: {endpoints: [\"127.0.0.1:9001\"], " + cluster + "}}\n"});
    return d.listeners.at(0).routes.at(0).tries.at(0);
  };
  EXPECT_TRUE(of("retry: {attempts: 1}", "hedge: {after: 20ms}").hedge.on);
  EXPECT_FALSE(of("retry: {attempts: 1}", "hedge: off").hedge.on);
  EXPECT_FALSE(of("retry: {attempts: 1}, hedge: off", "hedge: {after: 20ms}").hedge.on);
  EXPECT_EQ(of("hedge: {}", "retry: {attempts: 7}").retry.attempts, 7u);
  EXPECT_TRUE(of("hedge: {}", "hedge: off").hedge.on);
  EXPECT_EQ(of("hedge: {after: p90}", "hedge: {after: 20ms}").hedge.after, milliseconds(0));
  EXPECT_EQ(of("hedge: {min_requests: 5}", "hedge: {after: 20ms}").hedge.after, milliseconds(20));
  EXPECT_EQ(of("retry: off", "retry: {when: 503}").retry.attempts, 0u);
  EXPECT_EQ(of("retry: {attempts: 2}", "retry: off").retry.attempts, 2u);
  EXPECT_EQ(of("retry: {when: 5xx}", "retry: {when: 503}").retry.statuses.count(), 100u);
}

}  // namespace
}  // namespace outrider::config
