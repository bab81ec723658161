#include "exchange/conditions.h"

#include <gtest/gtest.h>

#include "exchange/router.h"

namespace outrider::exchange {
namespace {

using Kind = TextMatch::Kind;

struct Request {
  Request() {
    head.method_text = "GET";
    head.path = "/cart/add?debug=1&name=a%20b+c&flag";
    head.headers.add("X-Beta", "1");
    head.headers.add("User-Agent", "curl/8.1");
    head.headers.add("Cookie", "group=b; sid=1");
    peer.identity = "spiffe://mesh.local/ns/shop/sa/web";
    peer.remote_ip = "10.1.2.3";
  }
  bool fulfils(const Conditions& conditions) const { return conditions.hold({head, peer, 1}, 0); }
  Arena arena;
  http::RequestHead head{arena};
  filter::Peer peer;
};

TEST(TextMatch, IsOfAllOfATextOrAPartOfIt) {
  EXPECT_TRUE(TextMatch(Kind::Exact, "abc").holds("abc"));
  EXPECT_FALSE(TextMatch(Kind::Exact, "abc").holds("abcd"));
  EXPECT_TRUE(TextMatch(Kind::Prefix, "ab").holds("abc"));
  EXPECT_TRUE(TextMatch(Kind::Suffix, "bc").holds("abc"));
  EXPECT_TRUE(TextMatch(Kind::Contains, "b").holds("abc"));
  EXPECT_TRUE(TextMatch(Kind::Regex, "a.c").holds("abc"));
  EXPECT_FALSE(TextMatch(Kind::Regex, "a.c").holds("xabc")) << "all of it";
  EXPECT_NE(TextMatch(Kind::Regex, "a(").trouble(), "");
}

TEST(TextMatch, WhatIsNotThereIsNothingButIsNot) {
  EXPECT_FALSE(TextMatch(Kind::Exact, "").holds({}));
  EXPECT_FALSE(TextMatch(Kind::Present, "").holds({}));
  EXPECT_TRUE(TextMatch(Kind::Present, "").holds(""));
  EXPECT_TRUE(TextMatch(Kind::Present, "", true).holds({}));
  EXPECT_TRUE(TextMatch(Kind::Exact, "a", true).holds({}));
  EXPECT_FALSE(TextMatch(Kind::Exact, "a", true).holds("a"));
}

TEST(Conditions, EachAsksForItself) {
  const Request request;
  EXPECT_TRUE(request.fulfils({}));
  EXPECT_TRUE(request.fulfils({.methods = {"POST", "GET"}}));
  EXPECT_FALSE(request.fulfils({.methods = {"get"}}));
  EXPECT_TRUE(request.fulfils({.path = TextMatch(Kind::Regex, "/cart/[a-z]+")}));
  EXPECT_TRUE(request.fulfils({.headers = {{"x-beta", TextMatch(Kind::Exact, "1")}}}));
  EXPECT_FALSE(request.fulfils({.headers = {{"x-beta", TextMatch(Kind::Exact, "1")}, {"x-old", TextMatch(Kind::Present, "")}}}));
  EXPECT_TRUE(request.fulfils({.queries = {{"name", TextMatch(Kind::Exact, "a b c")}, {"flag", TextMatch(Kind::Exact, "")}}}));
  EXPECT_TRUE(request.fulfils({.cookies = {{"group", TextMatch(Kind::Exact, "b")}}}));
  EXPECT_FALSE(request.fulfils({.grpc = true}));
  EXPECT_TRUE(request.fulfils({.identities = {"shop/*"}, .home = "mesh.local"}));
  EXPECT_FALSE(request.fulfils({.identities = {"shop/*"}, .home = "other.local"}));
}

TEST(Conditions, ANetworkIsOfTheClientsAddress) {
  Request request;
  Conditions conditions;
  ASSERT_TRUE(conditions.networks.allow("10.0.0.0/8"));
  EXPECT_TRUE(request.fulfils(conditions));
  request.peer.remote_ip = "192.168.1.1";
  EXPECT_FALSE(request.fulfils(conditions));
  request.peer.remote_ip = "";
  EXPECT_FALSE(request.fulfils(conditions)) << "of a unix socket";
}

TEST(Conditions, APercentageIsDrawnForEachRequestAndRule) {
  const Request request;
  const Conditions conditions{.percent = 0.1};
  int first = 0, second = 0, both = 0;
  for (uint64_t lot = 0; lot < 100'000; ++lot) {
    const bool one = conditions.hold({request.head, request.peer, mix(lot)}, 1);
    const bool other = conditions.hold({request.head, request.peer, mix(lot)}, 2);
    first += one, second += other, both += one && other;
  }
  EXPECT_NEAR(first, 10'000, 500);
  EXPECT_NEAR(second, 10'000, 500);
  EXPECT_NEAR(both, 1'000, 200) << "one says nothing of the other";
}

Rule rule(std::string name, std::vector<std::string> prefixes, std::shared_ptr<const Conditions> conditions = nullptr) {
  Rule made;
  made.route.name = std::move(name);
  made.prefixes = std::move(prefixes);
  made.conditions = std::move(conditions);
  return made;
}

std::shared_ptr<const Conditions> with(std::string header) {
  Conditions conditions;
  conditions.headers.push_back({std::move(header), TextMatch(Kind::Present, "")});
  return std::make_shared<const Conditions>(std::move(conditions));
}

TEST(Conditions, ARuleThatIsNotFulfilledLeavesItsRequestsToThoseBehind) {
  const Request request;
  const auto matched = [&](const std::vector<Rule>& rules) {
    const Router router(rules);
    const Route* const route = router.match("shop", {request.head, request.peer, 0});
    return route ? route->name : std::string("none");
  };
  EXPECT_EQ(matched({rule("old", {"/cart"}, with("x-old")), rule("beta", {"/cart"}, with("x-beta")), rule("all", {"/cart"})}),
            "beta");
  EXPECT_EQ(matched({rule("old", {"/cart"}, with("x-old")), rule("none", {"/cart"}, with("x-none")), rule("all", {})}), "all");
  EXPECT_EQ(matched({rule("all", {}), rule("beta", {"/cart/add"}, with("x-beta"))}), "all") << "the first wins";
  EXPECT_EQ(matched({rule("beta", {"/cart/add"}, with("x-beta")), rule("all", {})}), "beta");
  EXPECT_EQ(matched({rule("old", {}, with("x-old"))}), "none");
}

}  // namespace
}  // namespace outrider::exchange
