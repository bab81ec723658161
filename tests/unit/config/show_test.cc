// The configuration in force, as text: complete, explained, and the same thing when it is loaded again.

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "loading.h"

namespace outrider::config {
namespace {

const std::string kFull = R"(version: 1
node: {id: me, zone: b, labels: {disk: ssd, "a b": "x: y # z"}}
service: {name: web, namespace: shop, version: v2, ports: [{name: http, port: 8080}], weight: 50, health: {http: /h, interval: 2s}}
identity: {trust_domain: corp.example, dir: "/run/id # not"}
registry: {bootstrap: ["seed-0:4222", "seed-1:4222"], key: /k, lease: 120s, valid: 15m, sign: off, owners: {shop/cart: ["shop/*", "*"], shop/web: ops/web}, shards: 4, snapshot: off, stale: {serve: 30m}, dns: off}
listeners:
  outbound: {address: "127.0.0.1:0", limits: {connections: 10, per_ip: 2}, http: {forwarded: {trust: 2}, max_body: 1MiB}}
  side: {address: ["127.0.0.1:0", "unix:/run/x.sock"], routes: [{match: {path: [/a, /b]}, cluster: cart}, {respond: {status: 404, body: "no\n\"such\"\tthing $${x}", headers: {x-a: "on"}}}], filters: off}
  again: {address: "127.0.0.1:0", routes: outbound}
  db: {address: "127.0.0.1:0", protocol: tcp, routes: {cluster: db}}
routes:
  outbound:
    - {name: first, match: {host: [a.example.com, "*.b.example.com"], prefix: /api}, cluster: cart, timeout: 1m30s}
    - {match: {host: old.example.com}, redirect: {scheme: https, host: new.example.com, path: /, status: 301}, filters: [{headers: off}]}
clusters:
  cart: {endpoints: ["10.0.0.1:80", {address: "10.0.0.2:80", weight: 1, zone: b, labels: {v: "2"}}], lb: least_request, lb_options: {choices: 3},
         health_check: {http: /healthz, expect: 200-204}, retry: {when: [connect_failure], attempts: 1}, pool: {idle_timeout: 4s}, slow_start: 30s}
  db: {endpoints: "10.0.0.3:5432", retry: off, circuit_breaker: {max_pending: 0}}
  ops/thing: {panic: 12.5%}
filters: {outbound: [{headers: {request: {set: {x-team: "null"}, remove: [a, b]}}}]}
overload: {threads: 2}
lifecycle: {ready_when: registry, drain: {delay: 0, time: 1s}, exit_with: none}
telemetry: {metrics: {address: "127.0.0.1:0", buckets: [0.5ms, 1ms, 1.5s], endpoint_metrics: on}, access_log: {format: text, to: stderr, sample: 12.5%}, log: {level: warn, format: json}}
admin: {address: "unix:/run/a.sock", health: off}
defaults: {cluster: {timeout: 3s}, listener: {timeouts: {idle: 1m}}, route: {timeout: 4s}}
)";

std::vector<Given> some() {
  return {
      {edge()},
      {"version: 1\nlisteners: {db: {address: \":5432\", protocol: tcp}}\nroutes: {db: [{cluster: db}]}\nclusters: {db: {endpoints: [\"10.0.0.1:5432\"]}}\n"},
      {kFull},
      {"version: 1\nservice: {name: web, port: 8080}\nregistry: {bootstrap: \"seed:4222\"}\n"},
      {"version: 1\nservice: {name: web, port: 8080}\nregistry: {kind: none}\ntelemetry: {access_log: json, metrics: off}\n"},
      {edge(), {"clusters.\"a.b\".endpoints=127.0.0.1:7", "node.labels={\"yes\": \"no\", \"~\": \"1\", \"$${x}\": \"${y}\"}"}},
      {edge(), {}, {{"OUTRIDER_TELEMETRY__LOG__LEVEL", "debug"}, {"HOSTNAME", "a: b"}}}};
}

TEST(Show, WhatIsShownLoadsToTheSameThing) {
  OUTRIDER_NEEDS_DHT();
  for (const Given& given : some()) {
    const auto d = must_load(given);
    for (const ShowOptions options : {ShowOptions{}, {.origin = true}, {.defaults = true}, {.origin = true, .defaults = true}}) {
      const std::string text = show(d, options);
      const auto again = must_load({text});
      EXPECT_EQ(show(again, {.defaults = true}), show(d, {.defaults = true})) << text;
      EXPECT_EQ(again.digest, d.digest);
      ASSERT_EQ(again.clusters.size(), d.clusters.size());
      for (size_t i = 0; i < d.clusters.size(); ++i)
        EXPECT_EQ(again.clusters[i].digest, d.clusters[i].digest) << d.clusters[i].name;
    }
  }
}

// Anything may be a secret that came in a variable, whatever the key.
TEST(Show, WhatCameFromAVariableIsShownAsThatVariable) {
  const std::string text =
      "version: 1\nmode: edge\nnode: {id: \"${ME}\", zone: \"a-${ME}\", labels: {x: \"${SECRET}\"}}\n"
      "listeners: {edge: {address: [\"${AT}\"], limits: {connections: \"${COUNT:-7}\"}}}\n"
      "routes: {edge: [{match: {host: \"${HOSTS}\"}, respond: {status: 200, body: \"${SECRET}\", headers: {x-a: \"${SECRET}\"}}}, {cluster: web}]}\n"
      "clusters: {web: {endpoints: \"${ENDPOINTS}\", timeout: \"${TIME}\"}}\n"
      "filters: {edge: [{headers: {request: {set: {authorization: \"Bearer ${SECRET}\"}}}}]}\n";
  const std::vector<std::pair<std::string, std::string>> environment{
      {"ME", "tell-nobody-me"}, {"SECRET", "tell-nobody"},    {"AT", "127.0.0.1:7777"},
      {"TIME", "777s"},         {"HOSTS", "a.tell-nobody,b"}, {"ENDPOINTS", "127.0.0.1:7771,127.0.0.1:7772"}};
  const auto d = must_load({text, {}, environment});
  EXPECT_EQ(d.clusters.at(0).endpoints.size(), 2u);
  for (const ShowOptions options : {ShowOptions{}, {.origin = true}, {.defaults = true}}) {
    const std::string shown = show(d, options);
    for (const char* secret : {"tell-nobody", "7777", "777s", "7771"}) EXPECT_EQ(shown.find(secret), shown.npos) << shown;
    EXPECT_NE(shown.find("Bearer ${SECRET}"), shown.npos) << shown;
    const auto again = must_load({shown, {}, environment});
    EXPECT_EQ(again.digest, d.digest) << shown;
    EXPECT_EQ(again.clusters.at(0).endpoints.size(), 2u);
  }
}

// Which secret it is can be seen, and that it has changed; what it is cannot.
TEST(Show, ASecretInAFileIsShownByItsDigestAndReadsBack) {
  const std::string folder = std::filesystem::temp_directory_path() / ("outrider-secret-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const std::string file = folder + "/keys";
  const auto write = [&](const std::string& content) { std::ofstream(file) << content; };
  write("tell-nobody");
  const auto d = must_load({edge("filters: {edge: [{api_key: {keys: \"file:" + file + "\"}}]}\n")});
  for (const ShowOptions options : {ShowOptions{}, {.origin = true}, {.defaults = true}}) {
    const std::string shown = show(d, options);
    EXPECT_NE(shown.find("\"<file:" + file + " sha256:dad1>\""), shown.npos) << shown;
    EXPECT_EQ(shown.find("tell-nobody"), shown.npos) << shown;
    EXPECT_EQ(must_load({shown}).digest, d.digest) << shown;
  }
  write("another");
  EXPECT_EQ(show(d).find("sha256:dad1"), std::string::npos);
  std::filesystem::remove_all(folder);
  EXPECT_NE(show(d).find("\"<file:" + file + " unreadable>\""), std::string::npos) << show(d);
  EXPECT_EQ(must_load({show(d)}).digest, d.digest);
}

TEST(Show, AComplaintNamesTheVariableAndNotItsValue) {
  EXPECT_EQ(said({edge("lifecycle: {drain: {time: \"${SECRET}\"}}\n"), {}, {{"SECRET", "tell-nobody"}}}),
            "test.yaml:6:27: error: lifecycle.drain.time: expected a duration with unit, got \"${SECRET}\"\n");
  EXPECT_EQ(said({edge("admin: {address: \"${SECRET}\"}\n"), {}, {{"SECRET", "tell-nobody"}}}).find("tell-nobody"),
            std::string::npos);
}

TEST(Show, WhatNobodySaidIsLeftOutUnlessAskedFor) {
  const auto d = must_load({edge("overload: {threads: 2}\n")});
  EXPECT_EQ(show(d).find("lifecycle"), std::string::npos);
  EXPECT_NE(show(d).find("threads: 2\n"), std::string::npos);
  EXPECT_NE(show(d, {.defaults = true}).find("exit_with: auto\n"), std::string::npos);
}

TEST(Show, OriginSaysWhereEachValueCameFrom) {
  const auto d = must_load({edge("telemetry: {log: {level: debug}}\n"),
                            {"overload.threads=2"},
                            {{"OUTRIDER_ADMIN__HEALTH", "off"}, {"POD_NAME", "p"}}});
  const std::string text = show(d, {.origin = true, .defaults = true});
  const auto origin_of = [&](const std::string& line) {
    const size_t at = text.find(line);
    if (at == text.npos) return "nowhere: " + text;
    const size_t mark = text.find("# ", at);
    return text.substr(mark + 2, text.find('\n', mark) - mark - 2);
  };
  EXPECT_EQ(origin_of("level: debug"), "test.yaml:6");
  EXPECT_EQ(origin_of("threads: 2"), "--set overload.threads=2");
  EXPECT_EQ(origin_of("health: off"), "environment OUTRIDER_ADMIN__HEALTH");
  EXPECT_EQ(origin_of("id: p"), "environment POD_NAME");
  EXPECT_EQ(origin_of("forwarded: replace"), "preset edge");
  EXPECT_EQ(origin_of("exit_with: auto"), "default");
}

TEST(Show, ASidecarsClearTextUnsealedAndUnsignedAreSaid) {
  OUTRIDER_NEEDS_DHT();
  const std::string text =
      show(must_load({"version: 1\nservice: {name: web, port: 8080}\nregistry: {bootstrap: \"seed:4222\"}\n"}));
  EXPECT_NE(text.find("# Traffic between sidecars is clear text"), std::string::npos);
  EXPECT_NE(text.find("# Registry packets are not sealed"), std::string::npos);
  EXPECT_NE(text.find("# The registration is not signed"), std::string::npos);
  const std::string sealed = show(must_load(
      {"version: 1\nservice: {name: web, port: 8080}\nregistry: {bootstrap: \"seed:4222\", key: /k}\nidentity: {dir: /run/id}\n"}));
  EXPECT_EQ(sealed.find("not sealed"), std::string::npos);
  EXPECT_EQ(sealed.find("not signed"), std::string::npos);
}

TEST(Show, TheDigestFollowsWhatIsInForceAndNothingElse) {
  const auto d = must_load({edge()});
  EXPECT_EQ(must_load({"# a comment\n" + edge("x-note: 1\n")}).digest, d.digest);
  EXPECT_EQ(must_load({edge("overload: {threads: auto}\n")}).digest, d.digest);
  EXPECT_NE(must_load({edge("overload: {threads: 2}\n")}).digest, d.digest);
  EXPECT_EQ(must_load({edge("defaults: {cluster: {connect_timeout: 1000ms}}\n")}).clusters[0].digest, d.clusters[0].digest);
  EXPECT_NE(must_load({edge("defaults: {cluster: {connect_timeout: 1001ms}}\n")}).clusters[0].digest, d.clusters[0].digest);
}

}  // namespace
}  // namespace outrider::config
