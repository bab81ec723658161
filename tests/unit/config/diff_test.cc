// What another configuration does to traffic, in sentences.

#include "config/diff.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "loading.h"
#include "tests/support/seed.h"

namespace outrider::config {
namespace {

using Severity = Difference::Severity;

const std::string kClusters =
    "clusters: {web: {endpoints: [\"127.0.0.1:9001\"]}, cart: {endpoints: [\"127.0.0.1:9002\"]}, cart-2: {endpoints: [\"127.0.0.1:9003\"]}}\n";

// One edge listener with these rules, a flow list.
std::string rules(const std::string& rules, const std::string& more = {}) {
  return "version: 1\nlisteners: {edge: {address: \"127.0.0.1:8080\"}}\nroutes: {edge: [" + rules + "]}\n" + more + kClusters;
}

// "severity sentence", a line each.
std::string told(const std::string& before, const std::string& after) {
  std::string out;
  for (const Difference& each : diff(must_load({before}), must_load({after})))
    out += std::string(name_of(each.severity)) + " " + each.sentence + "\n";
  return out;
}

TEST(Diff, TheSameInOtherWordsIsNoDifference) {
  EXPECT_EQ(told(edge(), "# said otherwise\n" + edge("overload: {threads: auto}\nx-mine: 1\n")), "");
  EXPECT_EQ(told(edge("defaults: {cluster: {timeout: 3s}}\n"), edge("defaults: {cluster: {timeout: 3000ms}}\n")), "");
  const std::string by_default =
      "version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: web}]}\ndefaults: {cluster: {lb: random}}\nclusters: {web: {endpoints: [\"127.0.0.1:9001\"]}}\n";
  const std::string by_item =
      "version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: {cluster: web}}\nclusters: {web: {endpoints: \"127.0.0.1:9001\", lb: random}}\n";
  EXPECT_EQ(told(by_default, by_item), "");
  for (const auto& entry : std::filesystem::directory_iterator(std::string(OUTRIDER_SOURCE_DIR) + "/config/examples")) {
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    EXPECT_EQ(told(text.str(), text.str()), "") << entry.path();
  }
}

TEST(Diff, WhatIsShownOfADocumentIsNotDifferentFromIt) {
  const std::string text = edge("telemetry: {access_log: json}\nfilters: {edge: [{rate_limit: {rate: 5/s}}]}\n");
  EXPECT_EQ(told(text, show(must_load({text}), {.origin = true})), "");
}

TEST(Diff, ARulesTarget) {
  const std::string one = "{match: {prefix: /cart, method: [POST]}, cluster: cart}, {cluster: web}";
  EXPECT_EQ(told(rules(one), rules("{match: {prefix: /cart, method: [POST]}, split: {cart: 95, cart-2: 5}}, {cluster: web}")),
            "changes POST /cart now goes to cart-2 (5 %) beside cart\n");
  EXPECT_EQ(told(rules("{split: {cart: 95, cart-2: 5}}"), rules("{split: {cart: 80, cart-2: 20}}")),
            "changes everything: cart 95 % -> 80 % and cart-2 5 % -> 20 %\n");
  EXPECT_EQ(told(rules("{split: {cart: 95, cart-2: 5}}"), rules("{cluster: cart-2}")),
            "changes everything goes to cart-2 alone now, no longer to cart (95 %)\n");
  EXPECT_EQ(told(rules(one), rules("{match: {prefix: /cart, method: [POST]}, respond: {status: 503}}, {cluster: web}")),
            "breaks POST /cart is now answered here with 503 instead of cart\n");
  EXPECT_EQ(told(rules(one), rules("{match: {prefix: /cart, method: [POST]}, redirect: {scheme: https}}, {cluster: web}")),
            "changes POST /cart now goes to a redirect (308) to https://the same host instead of cart\n");
}

TEST(Diff, ARuleThatIsGoneSaysWhoTakesItsRequests) {
  const std::string all =
      "{match: {prefix: /a}, cluster: cart}, {match: {prefix: /b}, cluster: cart-2}, {match: {prefix: /}, cluster: web}";
  EXPECT_EQ(told(rules(all), rules("{match: {prefix: /b}, cluster: cart-2}, {match: {prefix: /}, cluster: web}")),
            "changes rule edge[0] is gone: what it took (/a) now falls to edge[1] (prefix /) and goes to web instead of cart\n");
  EXPECT_EQ(
      told(rules(all), rules("{match: {prefix: /a}, cluster: cart}, {match: {prefix: /b}, cluster: cart-2}")),
      "breaks rule edge[2] is gone: what it took (everything) is taken by no rule as a whole: what none of them takes is refused\n");
  EXPECT_EQ(told(rules("{match: {prefix: /a}, cluster: web}, {cluster: web}"), rules("{cluster: web}")),
            "note rule edge[0] is gone: what it took falls to edge[0] (everything), which leads to the same\n");
}

TEST(Diff, ANewRuleSaysWhoTookItsRequests) {
  EXPECT_EQ(told(rules("{cluster: web}"), rules("{match: {prefix: /a}, cluster: cart}, {cluster: web}")),
            "changes /a now goes to cart (new rule edge[0]) instead of web (edge[0])\n");
  EXPECT_EQ(told(rules("{match: {prefix: /a}, cluster: cart}"),
                 rules("{match: {prefix: /a}, cluster: cart}, {match: {host: x.test}, cluster: web}")),
            "note x.test now goes to web (new rule edge[1]); no rule took all of it before\n");
}

// Not as if everything behind it were different.
TEST(Diff, ARuleThatMovesIsOneDifferenceAndOnlyBadWhereItTakesWhatOthersTook) {
  const std::string a = "{match: {prefix: /a}, cluster: cart}", b = "{match: {prefix: /b}, cluster: cart-2}",
                    c = "{match: {prefix: /c}, cluster: web}";
  EXPECT_EQ(told(rules(a + ", " + b + ", " + c), rules(c + ", " + a + ", " + b)),
            "note rule edge[0] (/c) stands elsewhere now, and no request goes elsewhere by that\n");
  const std::string wide = "{match: {prefix: /}, cluster: web}", narrow = "{match: {host: x.test, prefix: /b}, cluster: cart-2}";
  EXPECT_EQ(told(rules(a + ", " + narrow + ", " + wide), rules(a + ", " + wide + ", " + narrow)),
            "changes rule edge[2] stands behind edge[1] now: what both take (x.test/b) goes to web instead of cart-2\n");
}

// Where both lead to the same, a filter may be what is lost.
TEST(Diff, ARuleThatMovesBehindOneWithoutItsFiltersIsARisk) {
  const std::string guarded = "{match: {prefix: /admin}, cluster: web, filters: [{jwt: {jwks: file:/k}}]}",
                    open = "{match: {host: x.test}, cluster: web}";
  EXPECT_EQ(told(rules(guarded + ", " + open), rules(open + ", " + guarded)),
            "risk rule edge[1] stands behind edge[0] now: what both take (x.test/admin) has the filters and limits of edge[0]\n");
  EXPECT_EQ(
      told(rules(guarded + ", {cluster: web}"), rules("{cluster: web}")),
      "risk rule edge[0] is gone: what it took falls to edge[0] (everything), which leads to the same, with other filters or limits\n");
}

TEST(Diff, AThousandRulesOfWhichOneMovesAreOneDifference) {
  std::vector<std::string> all;
  for (int i = 0; i < 1000; ++i)
    all.push_back("{name: r" + std::to_string(i) + ", match: {prefix: /p" + std::to_string(i) + "}, cluster: web}");
  const auto text = [](const std::vector<std::string>& some) {
    std::string out;
    for (const auto& each : some) out += (out.empty() ? "" : ", ") + each;
    return rules(out);
  };
  const std::string before = text(all);
  std::rotate(all.begin(), all.begin() + 900, all.begin() + 901);
  EXPECT_EQ(told(before, text(all)),
            "note rule edge[0] (r900) (/p900) stands elsewhere now, and no request goes elsewhere by that\n");
}

TEST(Diff, ARulesOtherKeys) {
  EXPECT_EQ(told(rules("{cluster: web, timeout: 2s}"), rules("{cluster: web, timeout: 1s}")),
            "risk everything: timeout 2s -> 1s\n");
  EXPECT_EQ(told(rules("{cluster: web}"), rules("{cluster: web, retry: {attempts: 1}}")),
            "risk everything: retry as the cluster has it -> {attempts: 1}\n");
  EXPECT_EQ(told(rules("{cluster: web}"), rules("{cluster: web, access_log: off}")), "note everything: access_log on -> off\n");
  EXPECT_EQ(told(rules("{cluster: web}"), rules("{name: front, cluster: web}")),
            "note rule edge[0] (front) is called front in metrics and logs now, no longer edge-0\n");
}

TEST(Diff, Listeners) {
  const auto with = [](const std::string& keys) {
    return "version: 1\nlisteners: {edge: {address: \"127.0.0.1:8080\"" + keys + "}}\nroutes: {edge: [{cluster: web}]}\n" +
           kClusters;
  };
  EXPECT_EQ(told(with(", tls: {cert: a, key: b}"), with(", tls: {cert: a, key: b, min: \"1.3\"}")),
            "breaks listener edge: TLS minimum 1.2 -> 1.3: clients that know no newer one are refused\n");
  EXPECT_EQ(told(with(", tls: {cert: a, key: b, min: \"1.3\"}"), with(", tls: {cert: a, key: b}")),
            "risk listener edge: TLS minimum 1.3 -> 1.2: older versions of TLS are accepted\n");
  EXPECT_EQ(told(with(""), with(", tls: {cert: a, key: b}")),
            "breaks listener edge: TLS off -> {cert: a, key: b}: clients that speak clear text are refused\n");
  EXPECT_EQ(told(with(", limits: {per_ip: 0}"), with(", limits: {per_ip: 5}")),
            "risk listener edge: limits.per_ip 0 -> 5: one more from the same address is refused\n");
  EXPECT_EQ(told(with(", limits: {per_ip: 5}"), with(", limits: {per_ip: 0}")), "note listener edge: limits.per_ip 5 -> 0\n");
  const std::string moved =
      "version: 1\nlisteners: {edge: {address: [\"127.0.0.1:8080\", \"127.0.0.1:8081\"]}}\nroutes: {edge: [{cluster: web}]}\n" +
      kClusters;
  EXPECT_EQ(told(with(""), moved), "note listener edge: on 127.0.0.1:8081 as well\n");
  EXPECT_EQ(told(moved, with("")), "breaks listener edge: no longer on 127.0.0.1:8081: who calls there is refused\n");
  const std::string other =
      "version: 1\nlisteners: {door: {address: \"127.0.0.1:8080\"}}\nroutes: {door: [{cluster: web}]}\n" + kClusters;
  EXPECT_EQ(
      told(with(""), other),
      "risk listener edge is gone: 127.0.0.1:8080 is listener door's now, with its rules\nnote listener door is new, on 127.0.0.1:8080\n");
}

TEST(Diff, Clusters) {
  const auto with = [](const std::string& cluster) {
    return "version: 1\nmode: edge\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: cart}]}\nclusters: {cart: {" +
           cluster + "}}\n";
  };
  const std::string at = "endpoints: [\"10.0.0.1:80\", \"10.0.0.2:80\"]";
  EXPECT_EQ(told(with(at + ", timeout: 1s"), with(at + ", timeout: 250ms")),
            "risk cluster cart: timeout 1s -> 250ms: slower answers will be 504\n");
  EXPECT_EQ(told(with(at + ", timeout: 1s"), with(at + ", timeout: 0")), "note cluster cart: timeout 1s -> 0\n");
  EXPECT_EQ(told(with(at), with("endpoints: [\"10.0.0.1:80\"]")), "risk cluster cart: 10.0.0.2:80 is gone, 1 is left\n");
  EXPECT_EQ(told(with(at), with("endpoints: [\"10.0.0.1:80\", \"10.0.0.3:80\"]")),
            "changes cluster cart: 10.0.0.2:80 is gone, 10.0.0.3:80 is new\n");
  EXPECT_EQ(told(with(at), with("endpoints: [\"10.0.0.1:80\", {address: \"10.0.0.2:80\", weight: 0}]")),
            "risk cluster cart: endpoint 10.0.0.2:80: weight 100 -> 0: it is drained\n");
}

std::string shop(const std::string& authorization) {
  return "version: 1\nservice: {name: shop, port: 8080}\nidentity: {dir: /run/id}\nregistry: {kind: none}\nauthorization: {" +
         authorization + "}\n";
}

// By what comes of all rules together: which of them are others is nobody's question.
TEST(Diff, Access) {
  EXPECT_EQ(told(shop("allow: [{from: [shop/web], to: {method: [GET, DELETE]}}]"),
                 shop("allow: [{from: [shop/web], to: {method: [GET]}}]")),
            "breaks authorization: shop/web may no longer DELETE\n");
  EXPECT_EQ(told(shop("allow: [{from: [shop/web]}]"), shop("allow: [{from: [shop/web]}, {from: [ops/a]}]")),
            "risk authorization: ops/a may now ask for anything\n");
  EXPECT_EQ(told(shop("allow: [{from: [shop/web]}]"),
                 shop("allow: [{from: [shop/web], to: {prefix: /api}}, {from: [shop/web], to: {prefix: /}}]")),
            "");
  EXPECT_EQ(told(shop("allow: [{from: [\"*\"]}]"),
                 shop("allow: [{from: [\"*\"]}], deny: [{from: [\"shop/*\"], to: {prefix: /admin}}]")),
            "breaks authorization: everybody else of shop/* may no longer ask for /admin\n");
  EXPECT_EQ(told(shop("allow: [{from: [shop/web]}]"), shop("mode: shadow, allow: [{from: [shop/web], to: {method: [GET]}}]")),
            "risk authorization: mode enforce -> shadow: what it denies is only counted, and let in\n"
            "note authorization: shop/web may no longer use other methods than GET (it is only counted: mode shadow)\n");
  EXPECT_EQ(told(shop(""), shop("allow: [{from: [shop/web]}]")),
            "breaks authorization: everybody else may no longer ask for anything\n");
}

TEST(Diff, Filters) {
  const auto with = [](const std::string& chain) { return rules("{cluster: web}", "filters: {edge: [" + chain + "]}\n"); };
  EXPECT_EQ(told(with("{rate_limit: {rate: 100/s}}"), with("{rate_limit: {rate: 10/s}}")),
            "risk listener edge: filter rate_limit: rate 100/s -> 10/s\n");
  EXPECT_EQ(told(with("{rate_limit: {rate: 100/s}}"), with("")),
            "risk listener edge: filter rate_limit is gone: nothing limits how often somebody asks\n");
  EXPECT_EQ(told(with(""), with("{jwt: {jwks: file:/k}}")),
            "breaks listener edge: filter jwt is new: who has no token gets 401\n");
  EXPECT_EQ(told(with("{compress: {}}, {headers: {request: {set: {a: b}}}}"),
                 with("{headers: {request: {set: {a: b}}}}, {compress: {}}")),
            "changes listener edge: filters are in another order\n");
  EXPECT_EQ(told(with("{jwt: {jwks: file:/k}}"),
                 rules("{cluster: web, filters: [{jwt: off}]}", "filters: {edge: [{jwt: {jwks: file:/k}}]}\n")),
            "risk everything: the listener's filter jwt no longer looks at it\n");
}

TEST(Diff, NoSecretIsInASentence) {
  const std::string text =
      "version: 1\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{cluster: web, request_headers: {set: {authorization: \"Bearer ${TOKEN}\"}}, timeout: \"${TIME}\"}]}\nclusters: {web: {endpoints: [\"127.0.0.1:9001\"]}}\n";
  const auto found = diff(must_load({text, {}, {{"TOKEN", "tell-nobody"}, {"TIME", "771s"}}}),
                          must_load({text, {}, {{"TOKEN", "tell-no-one"}, {"TIME", "772s"}}}));
  ASSERT_EQ(found.size(), 2u);
  for (const Difference& each : found) {
    for (const char* secret : {"tell-n", "771", "772"}) EXPECT_EQ(each.sentence.find(secret), std::string::npos) << each.sentence;
    EXPECT_NE(each.sentence.find("has another value"), std::string::npos) << each.sentence;
  }
}

// Addresses, hosts and identities are told as they are in force, and still not what a variable holds.
TEST(Diff, WhatAVariableHoldsIsNotToldWhereverItStands) {
  const std::string text =
      "version: 1\nservice: {name: shop, port: 8080}\nidentity: {dir: /run/id}\nregistry: {kind: none}\n"
      "listeners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{match: {host: \"${HOST}\"}, cluster: web}, {respond: {status: 404}}]}\n"
      "clusters: {web: {endpoints: \"${ENDPOINTS}\"}}\nauthorization: {allow: [{from: \"${WHO}\"}]}\n";
  const auto with = [&](const std::string& host, const std::string& endpoints, const std::string& who) {
    return must_load({text, {}, {{"HOST", host}, {"ENDPOINTS", endpoints}, {"WHO", who}}});
  };
  const auto found =
      diff(with("secret.test", "10.1.2.3:80,10.1.2.4:80", "ns1/alice"), with("hidden.test", "10.1.2.5:80", "ns1/bobby"));
  EXPECT_GE(found.size(), 4u);
  for (const Difference& each : found) {
    for (const char* secret : {"secret.test", "hidden.test", "10.1.2.", "alice", "bobby"})
      EXPECT_EQ(each.sentence.find(secret), std::string::npos) << each.sentence;
    EXPECT_NE(each.sentence.find("${"), std::string::npos) << each.sentence;
  }
}

TEST(Diff, WhatBreaksFirstComesFirst) {
  const auto found =
      diff(must_load({rules("{cluster: web}", "telemetry: {log: {level: debug}}\n")}),
           must_load({rules("{match: {prefix: /a}, respond: {status: 503}}, {cluster: web}", "overload: {connections: 5}\n")}));
  EXPECT_GT(found.size(), 2u);
  EXPECT_TRUE(std::is_sorted(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.severity < b.severity; }));
  EXPECT_EQ(found.front().severity, Severity::Breaks);
}

// There and back: whatever is told one way is told the other way, too, and never of the same.
TEST(Diff, AnyTwoTablesOfRules) {
  Random chance = test::seeded_random();
  const auto random = [&] { return chance.next(); };
  const auto any = [&] {
    std::string out;
    for (size_t n = 1 + random() % 6; n > 0; --n) {
      static constexpr const char* kPaths[] = {"/", "/a", "/a/b", "/c", "/d"};
      static constexpr const char* kMore[] = {"", ", method: [GET]", ", host: x.test", ", header: {a: b}", ", percent: 50%"};
      static constexpr const char* kTargets[] = {"cluster: web", "cluster: cart", "respond: {status: 404}",
                                                 "split: {web: 1, cart: 1}"};
      out += (out.empty() ? "" : ", ") + std::string("{match: {prefix: ") + kPaths[random() % 5] + kMore[random() % 5] + "}, " +
             kTargets[random() % 4] + "}";
    }
    return must_load({rules(out)});
  };
  for (int i = 0; i < 300; ++i) {
    const auto a = any(), b = any();
    EXPECT_TRUE(diff(a, a).empty());
    EXPECT_EQ(diff(a, b).empty(), diff(b, a).empty());
    EXPECT_EQ(diff(a, b).empty(), a.digest == b.digest) << show(a) << show(b);
  }
}

}  // namespace
}  // namespace outrider::config
