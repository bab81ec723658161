// What a reader of the file is told: every mistake, where it is, and what was meant.

#include "loading.h"

namespace outrider::config {
namespace {

TEST(Strict, TheAdminPagesAreForThisMachine) {
  for (const char* at : {"127.0.0.1:0", "127.0.0.9:1", "[::1]:15000", "unix:/run/a.sock", "off"})
    EXPECT_EQ(said({edge(), {"admin.address=" + std::string(at)}}), "") << at;
  for (const char* at : {":15000", "0.0.0.0:15000", "10.0.0.1:15000", "[::]:15000"})
    EXPECT_TRUE(said({edge(), {"admin.address=" + std::string(at)}}).find("can be reached from other machines") !=
                std::string::npos)
        << at;
}

TEST(Strict, AMistakeHasFileLineColumnPathAndWhatWasMeant) {
  EXPECT_EQ(
      said({edge("defaults:\n  cluster:\n    timeout: 250\n")}),
      "test.yaml:8:14: error: defaults.cluster.timeout: expected a duration with unit, got \"250\" (did you mean \"250ms\"?)\n");
}

TEST(Strict, AllMistakesAreReportedInOneRunInTheOrderOfTheFile) {
  OUTRIDER_NEEDS_DHT();
  EXPECT_EQ(
      said({"version: 1\n"
            "mode: egde\n"
            "service: {name: Web, port: 0, weight: -1}\n"
            "clusters:\n"
            "  cart:\n"
            "    lb: randm\n"
            "    outlier_detektion: {}\n"
            "    proxy_protocol: v3\n"
            "routs: {}\n"}),
      "test.yaml:2:7: error: mode: expected sidecar or edge, got \"egde\" (did you mean \"edge\"?)\n"
      "test.yaml:3:17: error: service.name: expected lower-case letters, digits and - (63 at most), got \"Web\" (did you mean \"web\"?)\n"
      "test.yaml:3:28: error: service.port: expected a number from 1 to 65535, got \"0\"\n"
      "test.yaml:3:39: error: service.weight: expected a number from 0 to 10000, got \"-1\"\n"
      "test.yaml:6:9: error: clusters.cart.lb: expected ewma, least_request, round_robin, random, ring_hash, maglev or adaptive, got \"randm\" (did you mean \"random\"?)\n"
      "test.yaml:7:5: error: clusters.cart.outlier_detektion: unknown key (did you mean \"outlier_detection\"?)\n"
      "test.yaml:8:21: error: clusters.cart.proxy_protocol: expected off, v1 or v2, got \"v3\" (did you mean \"v1\"?)\n"
      "test.yaml:9:1: error: routs: unknown key (did you mean \"routes\"?)\n");
}

TEST(Strict, WhoseWordIsTakenForAnAddressIsSaid) {
  const auto told = [](const std::string& value) {
    return said({"version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\", proxy_protocol: " + value +
                 "}}\nroutes: {edge: [{cluster: web}]}\nclusters: {web: {endpoints: [\"127.0.0.1:9001\"]}}\n"});
  };
  const std::string at = "test.yaml:3:", path = ": listeners.edge.proxy_protocol";
  for (const char* fine : {"off", "optional", "required", "{}", "{mode: optional}", "{trust: private}", "{mode: off, trust: []}",
                           "{trust: [private, 35.191.0.0/16, \"::1\"]}"})
    EXPECT_EQ(told(fine), "") << fine;
  EXPECT_EQ(
      told("requird"),
      at +
          "60: error: listeners.edge.proxy_protocol: expected off, optional or required, got \"requird\" (did you mean \"required\"?)\n");
  EXPECT_EQ(told("{trust: [10.0.0.1/8]}"),
            at + "69: error: listeners.edge.proxy_protocol.trust: \"10.0.0.1/8\" has bits behind its "
                 "prefix; 10.0.0.1 alone, or the network's first address?\n");
  EXPECT_NE(told("{trust: []}").find("error" + path + ".trust: nobody's header would be taken"), std::string::npos)
      << told("{trust: []}");
  EXPECT_NE(told("{trust: [0.0.0.0/0]}").find("warning" + path + ".trust: 0.0.0.0/0: whoever can reach this listener"),
            std::string::npos);
}

TEST(Strict, AKeyGivenTwiceIsAnErrorAndTheFirstCounts) {
  OUTRIDER_NEEDS_DHT();
  EXPECT_EQ(said({edge("admin: {address: off}\nadmin: {address: 3}\n")}),
            "test.yaml:7:1: error: duplicate key \"admin\" (first at line 6)\n");
  EXPECT_EQ(said({"version: 1\nservice: {name: a, port: 1, name: b}\nregistry: {bootstrap: \"a:1\"}\n"}),
            "test.yaml:2:29: error: duplicate key \"name\" (first at line 2)\n");
}

TEST(Strict, AnchorsAliasesMergeKeysAndTagsAreRefused) {
  EXPECT_EQ(said({edge("overload: &x {threads: 2}\nlifecycle: *x\n")}),
            "test.yaml:6:11: error: anchors (&name) are not accepted; what several items share goes into `defaults`\n"
            "test.yaml:7:12: error: aliases (*name) are not accepted; what several items share goes into `defaults`\n");
  EXPECT_EQ(said({edge("overload: {<<: {threads: 2}}\n")}),
            "test.yaml:6:12: error: overload.<<: merge keys are not accepted; what several items share goes into `defaults`\n");
  EXPECT_EQ(said({edge("overload: {threads: !int 2}\n")}), "test.yaml:6:21: error: tags (!name) are not accepted\n");
}

TEST(Strict, AWrongTypeIsNamedAndSoIsWhatWasFound) {
  EXPECT_EQ(said({edge("overload: {threads: [2]}\n")}),
            "test.yaml:6:21: error: overload.threads: expected a number, got a list\n");
  EXPECT_EQ(said({edge("overload: 2\n")}), "test.yaml:6:11: error: overload: expected a map, got \"2\"\n");
  EXPECT_EQ(said({edge("node: {labels: [a]}\n")}), "test.yaml:6:16: error: node.labels: expected a map of texts, got a list\n");
  EXPECT_EQ(said({edge("node: {labels: {a: [b]}}\n")}), "test.yaml:6:20: error: node.labels.a: expected a text, got a list\n");
  EXPECT_EQ(said({"version: 1\nservice: web\n"}), "test.yaml:2:10: error: service: expected a map, got \"web\"\n");
  EXPECT_EQ(said({"- version\n"}), "test.yaml:1:1: error: expected a map of keys, got a list\n");
  EXPECT_EQ(said({"version: 1\nlisteners: [a]\n"}),
            "test.yaml:2:12: error: listeners: expected a map of listeners by name, got a list\n");
}

TEST(Strict, ANumberHasBounds) {
  const auto threads = [](const std::string& text) { return said({edge("overload: {threads: " + text + "}\n")}); };
  EXPECT_EQ(threads("1"), "");
  EXPECT_EQ(threads("256"), "");
  for (const char* wrong : {"0", "257", "-1", "1.5", "1e2", "99999999999999999999", "two"})
    EXPECT_EQ(threads(wrong),
              "test.yaml:6:21: error: overload.threads: expected a number from 1 to 256, got \"" + std::string(wrong) + "\"\n");
}

TEST(Strict, ADurationHasAUnitAndBounds) {
  OUTRIDER_NEEDS_DHT();
  const auto lease = [](const std::string& text) {
    return said({"version: 1\nservice: {name: a, port: 1}\nregistry: {bootstrap: \"a:1\", lease: " + text + "}\n"});
  };
  const std::string place = "test.yaml:3:37: error: registry.lease: ";
  EXPECT_EQ(lease("20s"), "");
  EXPECT_EQ(lease("5m"), "");
  EXPECT_EQ(lease("60"), place + "expected a duration with unit, got \"60\" (did you mean \"60ms\"?)\n");
  EXPECT_EQ(lease("60sec"), place + "expected a duration with unit, got \"60sec\"\n");
  EXPECT_EQ(lease("19s"), place + "expected a duration from 20s to 10m, got \"19s\"\n");
  EXPECT_EQ(lease("20s1us"), place + "expected whole milliseconds, got \"20s1us\"\n");
}

TEST(Strict, ASizeHasAUnitAndBounds) {
  const auto buffer = [](const std::string& text) {
    return said({edge("defaults: {listener: {limits: {buffer: " + text + "}}}\n")});
  };
  const std::string place = "test.yaml:6:40: error: defaults.listener.limits.buffer: ";
  EXPECT_EQ(buffer("4KiB"), "");
  EXPECT_EQ(buffer("64MiB"), "");
  EXPECT_EQ(buffer("4096"), place + "expected a size with unit, got \"4096\" (did you mean \"4096B\"?)\n");
  EXPECT_EQ(buffer("1KiB"), place + "expected a size from 4KiB to 64MiB, got \"1KiB\"\n");
  EXPECT_EQ(buffer("4Kb"), place + "expected a size with unit, got \"4Kb\"\n");
}

TEST(Strict, APercentageHasItsSign) {
  EXPECT_EQ(
      said({edge("defaults: {cluster: {panic: 50}}\n")}),
      "test.yaml:6:29: error: defaults.cluster.panic: expected a percentage from 0% to 100%, got \"50\" (did you mean \"50%\"?)\n");
  EXPECT_EQ(said({edge("defaults: {cluster: {panic: 101%}}\n")}),
            "test.yaml:6:29: error: defaults.cluster.panic: expected a percentage from 0% to 100%, got \"101%\"\n");
}

TEST(Strict, OnAndTrueAreTheSameAndYesIsAskedAbout) {
  for (const char* on : {"on", "true"})
    EXPECT_TRUE(
        must_load({edge("telemetry: {metrics: {endpoint_metrics: " + std::string(on) + "}}\n")}).metrics.endpoint_metrics);
  for (const char* off : {"off", "false"})
    EXPECT_FALSE(
        must_load({edge("telemetry: {metrics: {endpoint_metrics: " + std::string(off) + "}}\n")}).metrics.endpoint_metrics);
  EXPECT_EQ(
      said({edge("telemetry: {metrics: {endpoint_metrics: yes}}\n")}),
      "test.yaml:6:41: error: telemetry.metrics.endpoint_metrics: expected on or off, got \"yes\" (did you mean \"on\"?)\n");
}

TEST(Strict, AnAddressHasAPortAndItsHostMayBeAName) {
  const auto endpoint = [](const std::string& text) {
    return said({"version: 1\nlisteners: {e: {address: \":0\"}}\nroutes: {e: [{cluster: w}]}\nclusters: {w: {endpoints: [\"" +
                 text + "\"]}}\n"});
  };
  const std::string place = "test.yaml:4:28: error: clusters.w.endpoints[0]: ";
  for (const char* fine : {"10.0.0.1:80", "[::1]:80", "unix:/run/x.sock", "localhost:80", "cart.example.com:80", "cart:80"})
    EXPECT_EQ(endpoint(fine), "") << fine;
  EXPECT_EQ(endpoint("10.0.0.1"), place + "expected host:port, got \"10.0.0.1\"\n");
  EXPECT_EQ(endpoint("10.0.0.1:0"), place + "expected host:port with a port up to 65535, got \"10.0.0.1:0\"\n");
  EXPECT_EQ(endpoint("10.0.0.256:80"), place + "expected host:port, got \"10.0.0.256:80\"\n");
  EXPECT_EQ(endpoint("::1:80"), place + "expected [IPv6 address]:port, got \"::1:80\"\n");
  EXPECT_EQ(endpoint("*.example.com:80"), place + "expected host:port, got \"*.example.com:80\"\n");
  EXPECT_EQ(said({"version: 1\nlisteners: {e: {address: 8080}}\nroutes: {e: [{respond: {}}]}\n"}),
            "test.yaml:2:26: error: listeners.e.address: expected ip:port or :port, got \"8080\" (did you mean \":8080\"?)\n");
}

TEST(Strict, WhatMutualTlsNeedsIsSaid) {
  const std::string listener = "version: 1\nlisteners: {e: {address: \":0\", tls: identity}}\nroutes: {e: [{respond: {}}]}\n";
  EXPECT_EQ(said({listener}), "test.yaml:2:37: error: listeners.e.tls: needs an identity: identity.dir is not set\n");
  EXPECT_EQ(said({listener + "identity: {dir: /tmp/id}\n"}), "");
  EXPECT_EQ(said({listener + "identity: {dir: /tmp/id, mtls: off}\n"}), "") << "clear text, as asked for";
}

TEST(Strict, OtherTrustDomainsAreOthers) {
  const auto trust = [](const std::string& value) {
    const std::string text = said({edge("identity: {dir: /tmp/id, trust: " + value + "}\n")});
    const size_t at = text.find("identity.trust: ");
    return at == text.npos ? text : text.substr(at);
  };
  EXPECT_EQ(trust("{partner.org: /run/partner.crt}"), "");
  EXPECT_EQ(trust("{mesh.local: /run/ca.crt}"),
            "identity.trust: is for other trust domains: the authorities of our own are in identity.dir\n");
  EXPECT_EQ(trust("{partner.org: \"\"}"), "identity.trust: partner.org: which file?\n");
  EXPECT_NE(trust("{\"Partner Org\": /run/partner.crt}"), "");
}

TEST(Strict, WhoMaySpeakForAServiceIsSaidByNameAndIdentity) {
  OUTRIDER_NEEDS_DHT();
  const auto owners = [](const std::string& value) {
    return said({"version: 1\nservice: {name: a, port: 1}\nregistry:\n  bootstrap: \"a:1\"\n  owners:\n    " + value + "\n"});
  };
  EXPECT_EQ(owners("{shop/cart: [\"shop/*\", spiffe://mesh.local/ns/ops/sa/cart], shop/web: ops/web}"), "");
  EXPECT_EQ(owners("cart: [shop/cart]"),
            "test.yaml:6:5: error: registry.owners.cart: expected namespace/service (lower-case letters, digits and -), got "
            "\"cart\"\n");
  EXPECT_EQ(owners("shop/Cart: [shop/cart]"),
            "test.yaml:6:5: error: registry.owners.shop/Cart: expected namespace/service (lower-case letters, digits and -), got "
            "\"shop/Cart\"\n");
  EXPECT_EQ(owners("shop/cart: [shop/cart, cart]"),
            "test.yaml:6:28: error: registry.owners.shop/cart: expected namespace/account, got \"cart\"\n");
  EXPECT_EQ(owners("shop/cart: []"),
            "test.yaml:6:16: error: registry.owners.shop/cart: who may speak for it? [\"*\"] is every identity\n");
  EXPECT_EQ(owners("shop/cart: {ops: cart}"),
            "test.yaml:6:16: error: registry.owners.shop/cart: expected identities, got a map\n");
  EXPECT_EQ(owners("[shop/cart]"),
            "test.yaml:6:5: error: registry.owners: expected a map of identities, by service, got a list\n");
}

TEST(Strict, WhatTlsToEndpointsNeedsIsSaid) {
  const auto tls = [](const std::string& value, const std::string& endpoint = "10.0.0.1:443") {
    const std::string text =
        said({"version: 1\nlisteners: {e: {address: \":0\"}}\nroutes: {e: [{cluster: w}]}\nclusters:\n  w:\n" +
              std::string("    endpoints: [\"") + endpoint + "\"]\n    tls: " + value + "\n"});
    return text.starts_with("test.yaml:7:") ? text.substr(text.find("clusters")) : text;
  };
  for (const char* fine : {"auto", "off", "{}", "{sni: a.test, ca: ca.crt, min: \"1.3\"}", "{cert: a.crt, key: a.key}",
                           "{ca: ca.crt, identity: [shop/cart, shop/*]}"})
    EXPECT_EQ(tls(fine), "") << fine;
  EXPECT_EQ(tls("{cert: a.crt}"), "clusters.w.tls: cert: and key: go together\n");
  EXPECT_EQ(tls("{identity: [shop/cart]}"),
            "clusters.w.tls: identity: needs ca: FILE, the authority that may say who somebody is\n");
  EXPECT_EQ(tls("{ca: ca.crt, identity: [cart]}"), "clusters.w.tls.identity: expected namespace/account, got \"cart\"\n");
  EXPECT_EQ(tls("{sni: \"a b\"}"), "clusters.w.tls.sni: expected a host's name, got \"a b\"\n");
  EXPECT_EQ(tls("{ca: ca.crt}", "unix:/run/a"), "clusters.w.tls: needs sni: HOST, whom the certificate of unix:/run/a is for\n");
  EXPECT_EQ(tls("identity"), "clusters.w.tls: expected auto or off, got \"identity\"\n");
}

TEST(Strict, CiphersAndCurvesAreThoseThatOpensslHas) {
  const auto terms = [](const std::string& value) { return said({edge("identity:\n  dir: /tmp/id\n  tls: {" + value + "}\n")}); };
  for (const char* fine :
       {"ciphers: TLS_AES_256_GCM_SHA384", "min: \"1.2\", ciphers: \"ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256\"",
        "curves: P-384", "curves: \"X25519:prime256v1:ffdhe2048\"", "ciphers: \"\", curves: \"\""})
    EXPECT_EQ(terms(fine), "") << fine;
  const std::string ciphers = "test.yaml:8:18: error: identity.tls.ciphers: ",
                    curves = "test.yaml:8:17: error: identity.tls.curves: ",
                    none = " is no cipher that OpenSSL has for TLS with certificates";
  EXPECT_EQ(terms("ciphers: TLS_AES_256_GCM_SHA385"),
            ciphers + "\"TLS_AES_256_GCM_SHA385\"" + none + " (did you mean \"TLS_AES_256_GCM_SHA384\"?)\n");
  EXPECT_EQ(terms("ciphers: \"TLS_AES_256_GCM_SHA384:RC4-SHA\""), ciphers + "\"RC4-SHA\"" + none + "\n");
  for (const std::string no_certificate :
       {"ADH-AES128-SHA256", "ECDHE-ECDSA-NULL-SHA", "PSK-AES128-GCM-SHA256", "HIGH", "@SECLEVEL=0"})
    EXPECT_EQ(terms("ciphers: \"" + no_certificate + "\"").substr(0, 45), ciphers.substr(0, 45)) << no_certificate;
  EXPECT_EQ(terms("ciphers: \"TLS_AES_256_GCM_SHA384::TLS_AES_128_GCM_SHA256\""),
            ciphers + "expected names with ':' between, got \"TLS_AES_256_GCM_SHA384::TLS_AES_128_GCM_SHA256\"\n");
  EXPECT_EQ(terms("ciphers: ECDHE-RSA-AES128-GCM-SHA256"),
            "test.yaml:8:18: warning: identity.tls.ciphers: has no effect: all of them are of TLS 1.2, and min is 1.3\n");
  EXPECT_EQ(terms("curves: P-385"), curves + "\"P-385\" is no curve that OpenSSL has for TLS (did you mean \"P-384\"?)\n");
  EXPECT_EQ(terms("curves: \"P-384:\""), curves + "\"\" is no curve that OpenSSL has for TLS\n");
  EXPECT_EQ(terms("curves: \"P-384:P-256:P-384\""),
            curves + "expected each name once, with ':' between, got \"P-384:P-256:P-384\"\n");
}

TEST(Strict, KeysThatBeginWithXAreTheUsersOwn) { EXPECT_EQ(said({edge("x-team: shop\nadmin: {x-why: {any: [thing]}}\n")}), ""); }

TEST(Strict, ANotYetDefaultThatPromisesSomethingIsWarnedAbout) {
  EXPECT_EQ(
      said({edge("identity: {mtls: strict}\ndefaults: {cluster: {circuit_breaker: {max_retries: budget}}}\n")}),
      "test.yaml:6:18: warning: identity.mtls: has no effect without an identity: identity.dir is not set\n"
      "test.yaml:7:40: warning: defaults.cluster.circuit_breaker.max_retries: has no effect: not supported yet in this version\n");
  EXPECT_EQ(said({edge("identity: {mtls: off}\nconfig: {watch: false, guard: off}\nadmin: {debug: on}\n")}), "");
}

TEST(Strict, AFileBeginsWithItsVersion) {
  const std::string missing = "test.yaml:1:1: error: version: missing: a file begins with version: 1\n";
  EXPECT_EQ(said({"admin: {address: off}\nservice: {name: a, port: 1}\n"}), missing);
  EXPECT_EQ(said({""}).substr(0, missing.size()), missing);
  EXPECT_EQ(said({"# nothing\n"}).substr(0, missing.size()), missing);
  EXPECT_EQ(said({"version: 2\nservice: {name: a, port: 1}\n"}), "test.yaml:1:10: error: version: expected 1, got \"2\"\n");
}

TEST(Strict, WhatIsNotYamlIsSaidWithItsPlace) {
  EXPECT_EQ(
      said({"version: 1\n a: b\n"}),
      "test.yaml:2:3: error: illegal map value (a key that is not indented like its neighbours, or a text with \": \" in it that needs quotes?)\n");
  EXPECT_EQ(said({"version: [1\n"}), "test.yaml:2:1: error: end of sequence flow not found\n");
  EXPECT_EQ(said({edge("---\nversion: 1\n")}).substr(0, 18), "test.yaml:7:1: err");
  EXPECT_EQ(said({std::string("version: 1\na\0b: c\n", 18)}), "test.yaml:2:2: error: not a text file: it has a NUL byte\n");
  EXPECT_EQ(said({"version: 1\nnode: {id: \xfc}\n"}), "test.yaml:2:12: error: not UTF-8\n");
  EXPECT_EQ(said({edge("node: {id: \"${LATIN}\"}\n"), {}, {{"LATIN", "\xfc"}}}),
            "test.yaml:6:12: error: environment variable LATIN is not UTF-8\n");
  EXPECT_EQ(said({edge("node: {id: \"\u00fc\"}\n")}), "");
}

TEST(Strict, SizeAndDepthAreBounded) {
  EXPECT_EQ(said({std::string(size_t(kMaxText) + 1, '#')}), "test.yaml:1:1: error: larger than 1 MiB\n");
  for (const std::string& deep : {std::string(100000, '['),
                                  [] {
                                    std::string t;
                                    for (int i = 0; i < 20000; ++i) t += "- ";
                                    return t;
                                  }(),
                                  [] {
                                    std::string t;
                                    for (int i = 0; i < 20000; ++i) t += "{a: ";
                                    return t;
                                  }(),
                                  [] {
                                    std::string t;
                                    for (int i = 0; i < 20000; ++i) t += "? ";
                                    return t;
                                  }()}) {
    const auto outcome = load(Given{deep});
    ASSERT_TRUE(has_error(outcome)) << deep.substr(0, 10);
    EXPECT_GT(outcome.complaints.front().line, 0u);
  }
  EXPECT_EQ(said({"version: 1\nx-deep: " + std::string(31, '[') + std::string(31, ']') + "\nservice: {name: a, port: 1}\n"})
                .find("error"),
            std::string::npos);
  EXPECT_EQ(said({"version: 1\nx-deep: " + std::string(32, '[') + std::string(32, ']') + "\n"}),
            "test.yaml:2:40: error: nested deeper than 32 levels\n");
}

TEST(Strict, AComplaintIsOneLineWhateverItQuotes) {
  EXPECT_EQ(said({edge("admin: {address: \"a\\nb\\tc\\x1bd\"}\n")}),
            "test.yaml:6:18: error: admin.address: expected ip:port or :port, got \"a\\nb\\tc\\x1bd\"\n");
}

TEST(Strict, AsJsonEveryComplaintIsAnObject) {
  EXPECT_EQ(print_json({}), "[]\n");
  EXPECT_EQ(
      print_json(load(Given{edge("overload: {threads: 0}\n")}).complaints),
      "[\n  {\"file\": \"test.yaml\", \"line\": 6, \"column\": 21, \"severity\": \"error\", \"path\": \"overload.threads\", "
      "\"message\": \"expected a number from 1 to 256, got \\\"0\\\"\"}\n]\n");
}

TEST(Strict, ARulesOwnTriesAreCheckedLikeAClusters) {
  const auto with = [](const std::string& rule) {
    return said(
        {"version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
         "clusters: {web: {endpoints: [\"127.0.0.1:9001\"]}}\nroutes:\n  edge: [{cluster: web, " +
         rule + "}]\n"});
  };
  EXPECT_EQ(with("retry: off, hedge: off"), "");
  EXPECT_EQ(with("retry: {attempts: 11}"),
            "test.yaml:6:43: error: routes.edge[0].retry.attempts: expected a number from 0 to 10, got \"11\"\n");
  EXPECT_EQ(with("retry: {atempts: 1}"),
            "test.yaml:6:33: error: routes.edge[0].retry.atempts: unknown key (did you mean \"attempts\"?)\n");
  EXPECT_EQ(with("hedge: {after: 50}").substr(0, 52), "test.yaml:6:40: error: routes.edge[0].hedge.after: e");
}

TEST(Strict, PassthroughLeadsToWhatWasCalledAndNowhereElse) {
  const std::string listener = "version: 1\nregistry: {kind: none}\nlisteners: {x: {address: \":1\", transparent: redirect}}\n";
  EXPECT_EQ(said({listener + "routes: {x: [{passthrough: original_dst}]}\n"}), "");
  EXPECT_EQ(said({listener + "routes: {x: [{passthrough: somewhere}]}\n"}),
            "test.yaml:4:28: error: routes.x[0].passthrough: expected original_dst, got \"somewhere\"\n");
  EXPECT_EQ(said({listener + "routes: {x: [{cluster: passthrough}]}\n"}),
            "test.yaml:4:24: error: routes.x[0].cluster: this cluster has no endpoints of its own; a rule leads there by "
            "passthrough: original_dst\n");
  EXPECT_EQ(
      said({listener + "routes: {x: [{passthrough: original_dst}]}\nclusters: {passthrough: {endpoints: [\"10.0.0.1:1\"]}}\n"}),
      "test.yaml:5:37: error: clusters.passthrough.endpoints: has no meaning here: passthrough: original_dst leads to the "
      "address that was called, and sends there what it was sent; take it out, or give this cluster another name\n");
  EXPECT_EQ(
      said(
          {"version: 1\nregistry: {kind: none}\nlisteners: {x: {address: \":1\"}}\nroutes: {x: [{passthrough: original_dst}]}\n"}),
      "test.yaml:4:14: warning: routes.x[0].passthrough: refuses everything: only what the kernel redirects here has a "
      "destination (listeners.x.transparent: redirect)\n");
  const std::string by_tproxy = "version: 1\nregistry: {kind: none}\nlisteners: {x: {address: \":1\", transparent: tproxy";
  const std::string onward = "}}\nroutes: {x: [{passthrough: original_dst}]}\n";
  EXPECT_EQ(said({by_tproxy + onward}), "");
  EXPECT_EQ(said({by_tproxy + ", direction: inbound" + onward}), "");
  EXPECT_EQ(said({by_tproxy + ", direction: outbound" + onward}),
            "test.yaml:3:16: error: listeners.x.transparent: tproxy is for what comes from other machines; what the app sends is "
            "redirected (transparent: redirect)\n");
}

}  // namespace
}  // namespace outrider::config
