// What `outrider route` answers, from a configuration.

#include "server/dry_run.h"

#include <gtest/gtest.h>

#include "tests/unit/server/documents.h"

namespace outrider::server {
namespace {

const std::string kShop = R"(mode: edge
node: {zone: a}
listeners: {edge: {address: "127.0.0.1:18080"}, plain: {address: "127.0.0.1:18081"}}
clusters:
  cart: {endpoints: [{address: "127.0.0.1:9001", zone: b}, {address: "127.0.0.1:9003", priority: 1}, {address: "127.0.0.1:9002", zone: a}]}
  web: {endpoints: ["127.0.0.1:9100"]}
routes:
  plain:
    - {match: {host: a.test}, redirect: {scheme: https, port: 8443}}
    - {match: {host: b.test}, redirect: {scheme: https, port: 443}}
    - {match: {host: c.test}, redirect: {port: 9000}}
    - {match: {host: d.test}, redirect: {host: e.test, port: 80}}
    - {redirect: {scheme: https, status: 308}}
  edge:
    - {match: {prefix: /api, header: {x-beta: "1"}}, cluster: cart, rewrite: {prefix: /, host: cart.test}, timeout: 2s, filters: [{cors: {origins: ["https://a.test"]}}]}
    - {match: {host: split.test}, split: {cart: 3, web: 1}}
    - {match: {host: sticky.test}, split: {cart: 1, web: 1}, sticky: cookie.sid}
    - {match: {host: "*.shop.test", percent: 50%}, respond: {status: 418}}
    - {match: {prefix: /health}, respond: {status: 200, body: ok}}
    - {match: {port: 18080, prefix: /web}, cluster: web}
)";

admin::RouteView asked(const std::string& url, std::vector<std::pair<std::string, std::string>> headers = {},
                       const std::string& listener = {}) {
  static const auto document = document_of(kShop);
  return dry_run(document, {"GET", url, "", listener, std::move(headers)});
}

TEST(DryRun, NamesRuleLineClusterAndWhatTheEndpointIsAsked) {
  const auto view = asked("http://shop/api/x/../y?q=1", {{"x-beta", "1"}});
  EXPECT_EQ(view.error, "");
  EXPECT_EQ(view.listener, "edge");
  EXPECT_EQ(view.route, "edge-0");
  EXPECT_EQ(view.file, "shop.yaml");
  EXPECT_EQ(view.line, 16u);
  EXPECT_EQ(view.status, 0);
  EXPECT_EQ(view.cluster, "cart");
  EXPECT_EQ(view.path, "/y?q=1");
  EXPECT_EQ(view.host, "cart.test");
  EXPECT_EQ(view.timeout_s, 2);
  EXPECT_EQ(view.filters, std::vector<std::string>{"cors"});
  EXPECT_FALSE(view.by_chance);
  std::string order;
  for (const auto& one : view.endpoints) order += one.address.substr(one.address.rfind(':'));
  EXPECT_EQ(order, ":9002:9001:9003") << "our zone, another, and then the backup";
}

TEST(DryRun, AnswersOfOurOwnHaveAStatus) {
  EXPECT_EQ(asked("http://x/health").status, 200);
  const auto redirect = asked("http://x:18081/a/b");
  EXPECT_EQ(redirect.status, 308);
  EXPECT_EQ(redirect.location, "https://x/a/b");
  EXPECT_EQ(redirect.listener, "plain");
  EXPECT_EQ(asked("http://a.test:18081/a").location, "https://a.test:8443/a");
  EXPECT_EQ(asked("http://b.test:18081/a").location, "https://b.test/a") << "the scheme's own";
  EXPECT_EQ(asked("http://c.test:18081/a").location, "http://c.test:9000/a");
  EXPECT_EQ(asked("http://d.test:18081/a").location, "http://e.test/a");
  EXPECT_EQ(asked("http://x/nothing").status, 404);
  EXPECT_EQ(asked("http://x/../y").status, 400);
  EXPECT_EQ(asked("http://x:18080/web").cluster, "web");
  EXPECT_EQ(asked("http://x/web").status, 404) << "another port was called";
}

TEST(DryRun, SaysWhereChanceDecides) {
  EXPECT_TRUE(asked("http://a.shop.test/").by_chance);
  EXPECT_FALSE(asked("http://b.test/").by_chance);
  const auto split = asked("http://split.test/");
  ASSERT_EQ(split.shares.size(), 2u);
  EXPECT_EQ(split.shares[0], (std::pair<std::string, double>("cart", 0.75)));
  const auto sticky = asked("http://sticky.test/", {{"Cookie", "sid=anna"}});
  EXPECT_TRUE(sticky.shares.empty());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(asked("http://sticky.test/", {{"Cookie", "sid=anna"}}).cluster, sticky.cluster);
}

TEST(DryRun, WhatMakesNoSenseIsSaid) {
  EXPECT_NE(asked("shop/x").error.find("no URL"), std::string::npos);
  EXPECT_NE(asked("http://shop:0/").error.find("no URL"), std::string::npos);
  EXPECT_NE(asked("ftp://shop/").error.find("no URL"), std::string::npos);
  EXPECT_NE(asked("http://shop/", {}, "nope").error.find("nope"), std::string::npos);
  EXPECT_NE(dry_run(document_of(kShop), {"G T", "http://shop/", "", ""}).error.find("no method"), std::string::npos);
}

TEST(DryRun, ASidecarLeadsOutByTheHostAndInByWhoAsks) {
  const auto document = document_of(
      "service: {name: shop, port: 8080}\nidentity: {dir: /run/id}\n"
      "authorization: {allow: [{from: [default/web], to: {prefix: /api}}]}\n");
  const auto ask = [&](const std::string& url, const std::string& from) { return dry_run(document, {"GET", url, from, ""}); };
  EXPECT_EQ(ask("http://cart/x", "").listener, "outbound");
  EXPECT_EQ(ask("http://cart/x", "").cluster, "default/cart");
  const auto allowed = ask("http://shop/api/1", "web");
  EXPECT_EQ(allowed.listener, "inbound");
  EXPECT_EQ(allowed.status, 0);
  EXPECT_EQ(allowed.endpoints.size(), 1u);
  const auto denied = ask("http://shop/other", "web");
  EXPECT_EQ(denied.status, 403);
  EXPECT_EQ(denied.denied_by, "default");
  EXPECT_EQ(ask("http://shop/api/1", "guest").status, 403);
}

// By what `outrider authz` says, too.
TEST(DryRun, WhoCannotConnectIsToldSoWhateverTheRules) {
  const auto ask = [](const std::string& mtls, const std::string& from, const std::string& listener = {}) {
    static const std::string kIdentity = "identity: {dir: /run/id, trust: {partner.org: /run/partner.crt}, mtls: ";
    const auto document = document_of("service: {name: shop, port: 8080}\n" + kIdentity + mtls + "}\n");
    const auto view = dry_run(document, {"GET", "http://shop/", from, listener});
    EXPECT_EQ(view.error, "");
    return view.denied_by + (view.denied_by.empty() ? view.cluster : " " + view.reason);
  };
  EXPECT_EQ(ask("strict", "web"), "local");
  EXPECT_EQ(ask("strict", "-"), "identity.mtls no_connection");
  EXPECT_EQ(ask("permissive", "-"), "local");
  EXPECT_EQ(ask("strict", "spiffe://partner.org/ns/a/sa/b"), "local");
  EXPECT_EQ(ask("strict", "spiffe://third.org/ns/a/sa/b"), "identity.trust no_connection");
  EXPECT_EQ(ask("permissive", "spiffe://third.org/ns/a/sa/b"), "identity.trust no_connection");
  EXPECT_EQ(ask("strict", "", "inbound"), "local") << "nobody has said who asks";
  EXPECT_EQ(ask("strict", "spiffe://third.org/ns/a/sa/b", "outbound"), "default/shop") << "clear text from the app beside it";
}

TEST(DryRun, SaysWhatBecomesOfRedirectedConnections) {
  const auto document = document_of(
      "service: {name: shop, port: 8080}\nidentity: {dir: /run/id}\n"
      "authorization: {allow: [{from: [default/web], to: {port: 8080}}, {from: [default/guest], to: {port: 9090}}]}\n"
      "listeners: {plain: {address: \"127.0.0.1:1\"}, db: {address: \"127.0.0.1:2\", transparent: redirect}}\n"
      "routes: {plain: [{passthrough: original_dst}], db: [{passthrough: original_dst}]}\n");
  const auto ask = [&](const std::string& url, const std::string& from = "", const std::string& listener = "") {
    return dry_run(document, {"GET", url, from, listener});
  };
  const auto known = ask("http://cart/x");
  EXPECT_EQ(known.cluster, "default/cart");
  EXPECT_NE(known.otherwise.find("registry has no default/cart"), std::string::npos) << known.otherwise;
  const auto address = ask("http://10.0.0.1:9000/x");
  EXPECT_EQ(address.cluster, "passthrough");
  ASSERT_EQ(address.endpoints.size(), 1u);
  EXPECT_EQ(address.endpoints[0].address, "10.0.0.1:9000");
  EXPECT_NE(address.otherwise.find("404"), std::string::npos) << address.otherwise;
  EXPECT_TRUE(ask("http://www.example.com/").endpoints.empty()) << "a name stands for what its client knows";
  EXPECT_EQ(ask("http://x/", "", "plain").reason, "not_redirected");
  EXPECT_EQ(ask("http://x/", "", "db").cluster, "passthrough");
  EXPECT_NE(ask("http://x/", "", "db").otherwise.find("503"), std::string::npos);
  EXPECT_EQ(ask("http://shop/", "web").cluster, "local");
  EXPECT_EQ(ask("http://shop:8080/", "web").cluster, "local");
  EXPECT_EQ(ask("http://shop:9090/", "web").status, 403);
  EXPECT_EQ(ask("http://shop:9090/", "guest").cluster, "passthrough");
  EXPECT_EQ(ask("http://shop/", "guest").status, 403);
}

}  // namespace
}  // namespace outrider::server
