// Where values come from: file, environment, flags, --set, and which of them wins.

#include "loading.h"

namespace outrider::config {
namespace {

Given flags(std::vector<Setting> settings, std::vector<std::string> set = {}) {
  Given given;
  given.file = false;
  given.flags = std::move(settings);
  given.set = std::move(set);
  return given;
}

std::vector<Setting> operator+(std::vector<Setting> a, const std::vector<Setting>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Sources, FiveLinesMakeASidecar) {
  OUTRIDER_NEEDS_DHT();
  const auto d =
      must_load({"version: 1\n"
                 "service:   {name: web, port: 8080}\n"
                 "registry:  {bootstrap: [\"seed.mesh:4222\"]}\n"
                 "identity:  {dir: /run/identity}\n"
                 "telemetry: {access_log: json}\n"});
  EXPECT_EQ(d.mode, Mode::Sidecar);
  EXPECT_EQ(d.service.name, "web");
  EXPECT_EQ(d.service.name_space, "default");
  ASSERT_EQ(d.service.ports.size(), 1u);
  EXPECT_EQ(d.service.ports[0].port, 8080);
  EXPECT_EQ(d.registry.kind, Registry::Kind::Dht);
  EXPECT_EQ(d.registry.bootstrap, std::vector<std::string>{"seed.mesh:4222"});
  EXPECT_EQ(d.identity.dir, "/run/identity");
  EXPECT_EQ(d.identity.spiffe_id, "spiffe://mesh.local/ns/default/sa/web");
  EXPECT_EQ(d.access_log.format, AccessLog::Format::Json);
  ASSERT_EQ(d.listeners.size(), 2u);
  EXPECT_EQ(d.listeners[0].name, "outbound");
  EXPECT_EQ(d.listeners[1].name, "inbound");
}

TEST(Sources, ServiceAndBootstrapFlagsMakeASidecar) {
  OUTRIDER_NEEDS_DHT();
  const auto d = must_load(flags(service_flag("web:8080") + bootstrap_flag("seed.mesh:4222,other.mesh:4222")));
  EXPECT_EQ(d.mode, Mode::Sidecar);
  EXPECT_EQ(d.service.name, "web");
  EXPECT_EQ(d.service.ports.at(0).port, 8080);
  EXPECT_EQ(d.registry.bootstrap, (std::vector<std::string>{"seed.mesh:4222", "other.mesh:4222"}));
  EXPECT_EQ(d.listeners.size(), 2u);
}

TEST(Sources, ListenAndToFlagsMakeAnEdgeWithoutARegistry) {
  const auto d = must_load(flags(listen_flags(":8080", "127.0.0.1:9001,127.0.0.1:9002")));
  EXPECT_EQ(d.mode, Mode::Edge);
  EXPECT_EQ(d.registry.kind, Registry::Kind::None);
  ASSERT_EQ(d.listeners.size(), 1u);
  EXPECT_EQ(d.listeners[0].name, "edge");
  EXPECT_EQ(d.listeners[0].addresses, std::vector<std::string>{":8080"});
  ASSERT_EQ(d.clusters.size(), 1u);
  EXPECT_EQ(d.clusters[0].name, "web");
  ASSERT_EQ(d.clusters[0].endpoints.size(), 2u);
  EXPECT_EQ(d.clusters[0].endpoints[1].address, "127.0.0.1:9002");
  EXPECT_TRUE(said(flags(listen_flags(":8080", "127.0.0.1:9001"))).empty());
}

TEST(Sources, SetReachesEveryKeyOnTheOneLineFormsToo) {
  const auto d = must_load(
      flags(listen_flags(":8080", "127.0.0.1:9001"), {"defaults.cluster.lb=random", "listeners.edge.limits.connections=5",
                                                      "telemetry.metrics.address=off", "overload.connections=7"}));
  EXPECT_EQ(d.overload.connections, 7u);
  EXPECT_EQ(d.clusters[0].lb, Cluster::Balancer::Random);
  EXPECT_EQ(d.listeners[0].max_connections, 5u);
  EXPECT_EQ(d.metrics.address, "");
}

TEST(Sources, AFlagsMistakeNamesTheFlag) {
  OUTRIDER_NEEDS_DHT();
  EXPECT_EQ(said(flags(listen_flags("8080", "127.0.0.1:9001"))),
            "--listen 8080: error: listeners.edge.address: expected ip:port or :port, got \"8080\" (did you mean \":8080\"?)\n");
  EXPECT_EQ(said(flags(listen_flags(":8080", "127.0.0.1"))),
            "--to 127.0.0.1: error: clusters.web.endpoints: expected host:port, got \"127.0.0.1\"\n");
  EXPECT_EQ(said(flags(service_flag("web") + bootstrap_flag("a:1"))),
            "--service web: error: service.port: missing: the port the application listens on\n");
  EXPECT_EQ(said(flags(service_flag("web:http") + bootstrap_flag("a:1"))),
            "--service web:http: error: service.port: expected a number from 1 to 65535, got \"http\"\n");
  EXPECT_EQ(said(flags(service_flag("web:1") + bootstrap_flag("a"))),
            "--bootstrap a: error: registry.bootstrap: expected host:port, got \"a\"\n");
}

TEST(Sources, NothingAtAllIsAnErrorThatSaysWhatIsMissing) {
  EXPECT_EQ(said(flags({})), "command line: error: nothing to do: no service and no listeners\n");
}

TEST(Sources, TheEnvironmentAloneMakesASidecar) {
  OUTRIDER_NEEDS_DHT();
  Given given;
  given.file = false;
  given.environment = {
      {"OUTRIDER_SERVICE__NAME", "web"}, {"OUTRIDER_SERVICE__PORT", "8080"}, {"OUTRIDER_REGISTRY__BOOTSTRAP", "seed.mesh:4222"}};
  const auto d = must_load(given);
  EXPECT_EQ(d.service.name, "web");
  EXPECT_EQ(d.registry.bootstrap, std::vector<std::string>{"seed.mesh:4222"});
}

TEST(Sources, AVariableNamesAKeyWithDoubleUnderscores) {
  const auto d = must_load({edge(),
                            {},
                            {{"OUTRIDER_CLUSTERS__WEB__RETRY__ATTEMPTS", "5"},
                             {"OUTRIDER_MODE", "edge"},
                             {"OUTRIDER_TELEMETRY__LOG", "{level: debug, format: json}"},
                             {"OUTRIDER_SOMETHING", "else"},
                             {"OUTRIDER_ADMIN__HEALTH", ""}}});
  EXPECT_EQ(d.clusters[0].tries.retry.attempts, 5u);
  EXPECT_EQ(d.log.level, Log::Level::Debug);
  EXPECT_TRUE(d.log.json);
  EXPECT_EQ(d.admin.health, ":15021");  // an empty variable is as good as none
}

TEST(Sources, AVariablesMistakeNamesTheVariable) {
  EXPECT_EQ(said({edge(), {}, {{"OUTRIDER_OVERLOAD__THREDS", "2"}}}),
            "environment OUTRIDER_OVERLOAD__THREDS: error: overload.threds: unknown key (did you mean \"threads\"?)\n");
  EXPECT_EQ(said({edge(), {}, {{"OUTRIDER_OVERLOAD__THREADS", "two"}}}),
            "environment OUTRIDER_OVERLOAD__THREADS: error: overload.threads: expected a number from 1 to 256, got \"two\"\n");
}

TEST(Sources, AVariableFindsNamesItCannotSpell) {
  const auto d =
      must_load({"version: 1\nlisteners: {Edge-1: {address: \":0\"}}\nroutes: {Edge-1: [{cluster: web}]}\n"
                 "clusters: {web: {endpoints: [\"127.0.0.1:9001\"]}}\n",
                 {},
                 {{"OUTRIDER_LISTENERS__EDGE_1__LIMITS__CONNECTIONS", "7"}}});
  ASSERT_EQ(d.listeners.size(), 1u);
  EXPECT_EQ(d.listeners[0].max_connections, 7u);
}

TEST(Sources, PodVariablesAreDefaultsThatAFileOverrules) {
  const std::vector<std::pair<std::string, std::string>> pod{
      {"POD_NAME", "web-0"}, {"POD_IP", "10.1.2.3"}, {"POD_NAMESPACE", "shop"}, {"HOSTNAME", "h"}, {"OUTRIDER_ZONE", "b"}};
  auto d = must_load({"version: 1\nservice: {name: web, port: 1}\n", {}, pod});
  EXPECT_EQ(d.node.id, "web-0");
  EXPECT_EQ(d.node.address, "10.1.2.3");
  EXPECT_EQ(d.node.zone, "b");
  EXPECT_EQ(d.service.name_space, "shop");
  EXPECT_EQ(d.identity.spiffe_id, "spiffe://mesh.local/ns/shop/sa/web");
  d = must_load({"version: 1\nnode: {id: me}\nservice: {name: web, namespace: ops, port: 1}\n", {}, pod});
  EXPECT_EQ(d.node.id, "me");
  EXPECT_EQ(d.service.name_space, "ops");
}

// defaults <- preset <- defaults.* <- item <- environment <- flags, --set
TEST(Sources, EachSourceOverrulesTheOneBeforeIt) {
  Given given{
      "version: 1\nmode: edge\nlisteners: {a: {address: \":0\"}}\nroutes: {a: [{cluster: web}]}\nclusters: {web: {endpoints: [\"127.0.0.1:1\"]}}\n"};
  const auto timeout = [&] { return must_load(given).clusters.at(0).timeout; };
  EXPECT_EQ(timeout(), milliseconds(15000));  // the preset's; 0 without one
  given.text += "defaults: {cluster: {timeout: 1s}}\n";
  EXPECT_EQ(timeout(), milliseconds(1000));
  given.text.replace(given.text.find("[\"127.0.0.1:1\"]"), 15, "[\"127.0.0.1:1\"], timeout: 2s");
  EXPECT_EQ(timeout(), milliseconds(2000));
  given.environment.emplace_back("OUTRIDER_CLUSTERS__WEB__TIMEOUT", "3s");
  EXPECT_EQ(timeout(), milliseconds(3000));
  given.set = {"clusters.web.timeout=4s"};
  EXPECT_EQ(timeout(), milliseconds(4000));
  given.set.push_back("clusters.web.timeout=5s");
  EXPECT_EQ(timeout(), milliseconds(5000));
}

TEST(Sources, MapsMergeDeepAndListsReplace) {
  const auto d = must_load(
      {"version: 1\nmode: edge\nlisteners: {a: {address: [\":1\", \":2\"], timeouts: {idle: 1s}}}\nroutes: {a: [{cluster: web}]}\n"
       "clusters: {web: {endpoints: [\"127.0.0.1:1\"]}}\n",
       {"listeners.a.address=:3", "listeners.a.timeouts.request=9s"}});
  EXPECT_EQ(d.listeners[0].addresses, std::vector<std::string>{":3"});
  EXPECT_EQ(d.listeners[0].idle, milliseconds(1000));
  EXPECT_EQ(d.listeners[0].request, milliseconds(9000));
  EXPECT_EQ(d.listeners[0].request_headers, milliseconds(5000));  // the preset's, beside them
}

TEST(Sources, ANameWithDotsStandsInQuotes) {
  const auto d = must_load({edge(), {"clusters.\"a.b\".endpoints=127.0.0.1:7"}});
  ASSERT_TRUE(d.cluster("a.b"));
  EXPECT_EQ(d.cluster("a.b")->endpoints.at(0).address, "127.0.0.1:7");
}

TEST(Sources, WhatIsNoSettingIsSaid) {
  EXPECT_EQ(said({edge(), {"overload.threads"}}), "--set overload.threads: error: expected PATH=VALUE\n");
  EXPECT_EQ(said({edge(), {"=1"}}),
            "--set =1: error: expected a path of keys (clusters.web.lb); a list is set whole, got \"\"\n");
  EXPECT_EQ(
      said({edge(), {"routes.edge[0].cluster=x"}}),
      "--set routes.edge[0].cluster=x: error: expected a path of keys (clusters.web.lb); a list is set whole, got \"routes.edge[0].cluster\"\n");
  EXPECT_EQ(said({edge(), {"overload={threads: 2"}}),
            "--set overload={threads: 2: error: overload: a key must be plain text (or is a bracket not closed?)\n");
}

TEST(Sources, VariablesStandInScalarsOfAFile) {
  const auto id = [](const std::string& text, std::vector<std::pair<std::string, std::string>> environment = {}) {
    return must_load({edge("node: {id: \"" + text + "\"}\n"), {}, std::move(environment)}).node.id;
  };
  EXPECT_EQ(id("${A}-x", {{"A", "1"}}), "1-x");
  EXPECT_EQ(id("${A:-none}"), "none");
  EXPECT_EQ(id("${A:-none}", {{"A", ""}}), "none");
  EXPECT_EQ(id("${A:-${B:-deep}}"), "deep");
  EXPECT_EQ(id("${A:-${B}}", {{"B", "2"}}), "2");
  EXPECT_EQ(id("$${A} $A"), "${A} $A");
  EXPECT_EQ(said({edge("node: {id: \"${NOPE}\"}\n")}),
            "test.yaml:6:12: error: environment variable NOPE is not set (${NOPE:-default} gives it a default)\n");
  EXPECT_EQ(said({edge("node: {id: \"${A\"}\n")}), "test.yaml:6:12: error: \"${\" without its \"}\"\n");
  EXPECT_EQ(said({edge("node: {id: \"${1x}\"}\n")}), "test.yaml:6:12: error: \"1x\" is no name of a variable\n");
}

TEST(Sources, AFileThatCannotBeReadSaysWhy) {
  Sources sources;
  sources.file = "/nowhere/outrider.yaml";
  EXPECT_EQ(print(load(sources).complaints), "/nowhere/outrider.yaml: error: cannot be read: No such file or directory\n");
  sources.file = "/";
  EXPECT_EQ(print(load(sources).complaints), "/: error: cannot be read: is a folder\n");
}

}  // namespace
}  // namespace outrider::config
