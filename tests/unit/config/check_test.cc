// What one key cannot know.

#include "config/check.h"

#include "loading.h"

namespace outrider::config {
namespace {

const std::string kWeb = "clusters: {web: {endpoints: [\"127.0.0.1:9001\"]}}\n";

std::string two(const std::string& a, const std::string& b, const std::string& more = {}) {
  return said({"version: 1\nlisteners:\n  a: {address: \"" + a + "\"}\n  b: {address: \"" + b +
               "\"}\nroutes:\n  a: [{cluster: web}]\n  b: [{cluster: web}]\n" + kWeb + more});
}

TEST(Ports, TwoListenersOnOnePortAreAnErrorThatNamesBothKeys) {
  EXPECT_EQ(two(":80", ":80"), "test.yaml:4:16: error: listeners.b.address: :80 is taken by listeners.a.address (:80, line 3)\n");
  EXPECT_EQ(two("127.0.0.1:80", "0.0.0.0:80"),
            "test.yaml:4:16: error: listeners.b.address: 0.0.0.0:80 is taken by listeners.a.address (127.0.0.1:80, line 3)\n");
  EXPECT_EQ(two("unix:/run/x", "unix:/run/x"),
            "test.yaml:4:16: error: listeners.b.address: unix:/run/x is taken by listeners.a.address (unix:/run/x, line 3)\n");
}

TEST(Ports, DifferentAddressesMayShareAPortAndPortZeroIsWhateverIsFree) {
  EXPECT_EQ(two("127.0.0.1:80", "127.0.0.2:80"), "");
  EXPECT_EQ(two("0.0.0.0:80", "[::1]:80"), "");
  EXPECT_EQ(two("127.0.0.1:0", "127.0.0.1:0"), "");
  EXPECT_EQ(two("unix:/run/x", "unix:/run/y"), "");
}

TEST(Ports, AdminHealthAndMetricsTakePartWithTheirDefaults) {
  EXPECT_EQ(two(":1", ":15020"),
            "test.yaml:4:16: error: listeners.b.address: :15020 is taken by telemetry.metrics.address (:15020)\n");
  EXPECT_EQ(two(":1", ":2", "admin: {health: \":1\"}\n"),
            "test.yaml:9:17: error: admin.health: :1 is taken by listeners.a.address (:1, line 3)\n");
  EXPECT_EQ(two(":1", ":15020", "telemetry: {metrics: off}\n"), "");
}

TEST(Rules, ARuleThatNeverMatchesIsAWarningThatNamesTheOther) {
  EXPECT_EQ(
      said(
          {"version: 1\nlisteners: {a: {address: \":1\"}}\nroutes:\n  a:\n    - {match: {prefix: /}, cluster: web}\n    - {match: {prefix: /cart}, cluster: web}\n" +
           kWeb}),
      "test.yaml:6:7: warning: routes.a[1]: never matches; routes.a[0] (line 5) already takes prefix \"/\"\n");
}

TEST(Rules, ARuleForEverythingTakesTlsWhereItMayGetIt) {
  const auto warned = [](const std::string& listener) {
    return said({"version: 1\nlisteners: {a: {address: \":1\", " + listener +
                 "}}\nroutes: {a: [{cluster: web}, {match: {sni: x.test}, cluster: tls}]}\n" +
                 "clusters: {web: {endpoints: [\"127.0.0.1:9001\"]}, tls: {endpoints: [\"127.0.0.1:9002\"]}}\n"});
  };
  const std::string never =
      "test.yaml:3:30: warning: routes.a[1]: never matches; routes.a[0] (line 3) already takes everything\n";
  EXPECT_EQ(warned("direction: edge"), "");
  EXPECT_EQ(warned("direction: outbound"), never);
  EXPECT_EQ(warned("protocol: tls"), never);
}

TEST(Rules, TlsThatIsPassedThroughShowsItsNameAlone) {
  const auto one = [](const std::string& listener, const std::string& rule) {
    return said({"version: 1\nlisteners: {a: {address: \":1\", " + listener + "}}\nroutes: {a: [" + rule + "]}\n" + kWeb});
  };
  const std::string at = "test.yaml:3:14: error: routes.a[0]";
  EXPECT_EQ(one("protocol: tls", "{match: {sni: [a.test, \"*.b.test\"]}, cluster: web}"), "");
  EXPECT_EQ(one("protocol: auto", "{match: {sni: \"*\"}, cluster: web}"), "");
  EXPECT_EQ(one("protocol: auto", "{match: {sni: a.test, prefix: /a}, cluster: web}"),
            at + ".match: a rule with sni cannot see hosts and paths\n");
  EXPECT_EQ(one("protocol: tls", "{match: {host: a.test}, cluster: web}"),
            at + ".match: a tls listener cannot see hosts and paths\n");
  EXPECT_EQ(one("protocol: tls", "{redirect: {scheme: https}}"), at + ": a tls listener can only lead to a cluster\n");
  EXPECT_EQ(one("protocol: auto", "{match: {sni: a.test}, respond: {status: 404}}"),
            at + ": a rule with sni can only lead to a cluster\n");
  EXPECT_EQ(one("protocol: tcp", "{match: {sni: a.test}, cluster: web}"),
            at + ".match.sni: is seen by listeners with protocol: tls or auto alone\n");
  EXPECT_EQ(one("tls: {cert: a, key: b}", "{match: {sni: a.test}, cluster: web}"),
            at + ".match.sni: is for TLS that is passed through, and this listener ends it: match host\n");
  EXPECT_EQ(
      one("protocol: tls, tls: {cert: a, key: b}", "{cluster: web}"),
      "test.yaml:2:16: error: listeners.a.tls: protocol: tls passes TLS through and needs no certificate; take one of the two out\n");
  EXPECT_EQ(one("protocol: tls", "{match: {sni: \"a:1\"}, cluster: web}"),
            "test.yaml:3:28: error: routes.a[0].match.sni: expected a host without port, or \"*.\" and a domain, got \"a:1\"\n");
}

TEST(Rules, WhatIsEncryptedIsNotShownToFilters) {
  EXPECT_EQ(said({"version: 1\nlisteners: {a: {address: \":1\"}}\nfilters: {a: [{headers: {}}]}\n"
                  "routes: {a: [{match: {sni: a.test}, cluster: web}]}\n" +
                  kWeb}),
            "");
  EXPECT_EQ(said({"version: 1\nlisteners: {a: {address: \":1\"}}\n"
                  "routes: {a: [{match: {sni: a.test}, cluster: web, filters: [{headers: {}}]}]}\n" +
                  kWeb}),
            "test.yaml:3:14: error: routes.a[0]: a rule with sni has no filters\n");
}

TEST(Rules, AClusterThatTlsIsPassedOnToSpeaksNoHttp) {
  const auto document =
      must_load({"version: 1\nlisteners: {a: {address: \":1\"}}\nroutes: {a: [{match: {sni: a.test}, cluster: web}]}\n" + kWeb});
  EXPECT_EQ(document.cluster("web")->protocol, Protocol::Tcp);
}

TEST(Rules, OpaquePortsNeedSomewhereToGo) {
  const auto listener = [](const std::string& more) {
    return said({"version: 1\nlisteners: {a: {address: \":25\", detect: {opaque_ports: [25, 3306]}" + more +
                 "}}\nroutes: {a: [{cluster: web}]}\n" + kWeb});
  };
  EXPECT_EQ(listener(", direction: inbound"), "");
  EXPECT_EQ(
      listener(""),
      "test.yaml:2:16: warning: listeners.a.detect.opaque_ports: has no effect: all that is not HTTP must lead to one cluster "
      "(protocol: auto, direction inbound or outbound, and one rule for everything)\n");
  EXPECT_EQ(said({"version: 1\nlisteners: {a: {address: \":25\", detect: {opaque_ports: [0]}}}\nroutes: {a: [{cluster: web}]}\n" +
                  kWeb}),
            "test.yaml:2:57: error: listeners.a.detect.opaque_ports: expected a port from 1 to 65535, got \"0\"\n");
}

TEST(Rules, ATableOrChainNobodyHasIsAnError) {
  EXPECT_EQ(said({edge("filters: {egde: []}\n")}),
            "test.yaml:6:11: error: filters.egde: no listener has this chain (did you mean \"edge\"?); listeners: edge\n");
  EXPECT_EQ(said({"version: 1\nlisteners: {a: {address: \":1\", routes: b}}\n" + kWeb}),
            "test.yaml:2:16: error: listeners.a: no rules: add routes.a\n"
            "test.yaml:2:40: error: listeners.a.routes: unknown name \"b\"; there is no routes.b\n");
}

TEST(Rules, AClusterNobodyKnowsIsAnErrorWithoutARegistry) {
  EXPECT_EQ(
      said({"version: 1\nlisteners: {a: {address: \":1\"}}\nroutes: {a: [{cluster: wbe}]}\n" + kWeb}),
      "test.yaml:3:24: error: routes.a[0].cluster: unknown cluster \"wbe\" (did you mean \"web\"?), and there is no registry to look it up in\n");
}

TEST(Rules, ARuleHasOneAction) {
  const auto one = [](const std::string& rule) {
    return said({"version: 1\nlisteners: {a: {address: \":1\"}}\nroutes: {a: [" + rule + "]}\n" + kWeb});
  };
  EXPECT_EQ(one("{match: {prefix: /}}"),
            "test.yaml:3:14: error: routes.a[0]: a rule needs one action: cluster, split, redirect, respond or passthrough\n");
  EXPECT_EQ(one("{cluster: web, respond: {}}"),
            "test.yaml:3:14: error: routes.a[0]: a rule has one action, not both cluster and respond\n");
  EXPECT_EQ(one("{}"), "test.yaml:3:14: error: routes.a[0]: an empty rule: it needs an action\n");
  EXPECT_EQ(
      one("{redirect: {status: 308}}"),
      "test.yaml:3:25: error: routes.a[0].redirect: sends the client where it already is: give scheme, host, port, prefix or path\n");
  EXPECT_EQ(
      one("{match: {path: /a}, redirect: {prefix: /b}}"),
      "test.yaml:3:53: error: routes.a[0].redirect.prefix: takes the place of the prefix that matched, and this rule matches a path: give redirect.path\n");
  EXPECT_EQ(one("{redirect: {path: /, status: 200}}"),
            "test.yaml:3:43: error: routes.a[0].redirect.status: expected a number from 300 to 399, got \"200\"\n");
  EXPECT_EQ(one("{redirect: {path: /, status: 304}}"),
            "test.yaml:3:43: error: routes.a[0].redirect.status: expected 301, 302, 303, 307 or 308, got \"304\"\n");
}

TEST(Rules, ATcpListenerSeesNoHostsAndPaths) {
  EXPECT_EQ(
      said({"version: 1\nlisteners: {a: {address: \":1\", protocol: tcp}}\nroutes: {a: [{match: {host: x}, cluster: web}]}\n" +
            kWeb}),
      "test.yaml:3:14: error: routes.a[0].match: a tcp listener cannot see hosts and paths\n");
}

TEST(Rules, AClusterSpeaksOneProtocol) {
  EXPECT_EQ(
      said(
          {"version: 1\nlisteners: {a: {address: \":1\", protocol: tcp}, b: {address: \":2\"}}\nroutes: {a: [{cluster: web}], b: [{cluster: web}]}\n" +
           kWeb}),
      "test.yaml:4:17: error: clusters.web: HTTP and plain bytes (of a tcp or tls listener, or by sni) lead here; a cluster speaks one protocol: make it two\n");
}

TEST(Rules, AServiceNobodyCouldReachIsAnError) {
  OUTRIDER_NEEDS_DHT();
  EXPECT_EQ(
      said({edge("service: {name: web, port: 1}\nregistry: {bootstrap: \"a:1\"}\n")}),
      "test.yaml:6:10: error: service: nobody could reach it: no listener has direction: inbound (mode: sidecar has one; or set service.register: off)\n");
}

TEST(Rules, WithoutTheDhtARegistryIsAnErrorAndAServiceThatNobodyIsToldOfAWarning) {
  if (OUTRIDER_DHT) GTEST_SKIP() << "built with the DHT";
  const std::string why = kNoDht;
  EXPECT_EQ(said({edge("registry: {kind: dht}\n")}),
            "test.yaml:6:18: error: registry.kind: " + why + "; expected kubernetes or none\n");
  EXPECT_EQ(said({edge("registry: {bootstrap: \"a:1\"}\n")}),
            "test.yaml:6:11: error: registry: " + why + "; only kind: kubernetes or none is possible\n");
  EXPECT_EQ(said({edge("registry: {kind: none}\n")}), "");
  EXPECT_EQ(said({"version: 1\nservice: {name: web, port: 1}\n"}),
            "test.yaml:2:10: warning: service: " + why + ": nobody is told of it\n");
}

TEST(Rules, AnEmptyBootstrapIsAWarning) {
  OUTRIDER_NEEDS_DHT();
  EXPECT_EQ(said({"version: 1\nservice: {name: web, port: 1}\n"}),
            "test.yaml:1:1: warning: registry.bootstrap: empty: this proxy finds others only once they come to it\n");
}

}  // namespace
}  // namespace outrider::config
