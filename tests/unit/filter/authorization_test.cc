#include "filter/authorization.h"

#include <gtest/gtest.h>

namespace outrider::filter {
namespace {

constexpr const char* kWeb = "spiffe://mesh.local/ns/shop/sa/web";
constexpr const char* kAdmin = "spiffe://mesh.local/ns/ops/sa/admin";

struct Judged : testing::Test {
  Judged() { rules.home = "mesh.local"; }
  void allow(Authorization::Rule rule) {
    rules.allow_list = true;
    rule.name = "allow[" + std::to_string(rules.allow.size()) + "]";
    rules.allow.push_back(std::move(rule));
  }
  void deny(Authorization::Rule rule) {
    rule.name = "deny[" + std::to_string(rules.deny.size()) + "]";
    rules.deny.push_back(std::move(rule));
  }
  // "+rule" or "-rule"
  std::string judge(std::string_view identity, std::string_view method = "GET", std::string_view path = "/") const {
    const auto verdict = rules.judge(identity, method, path);
    return (verdict.allowed ? "+" : "-") + std::string(verdict.rule);
  }
  Authorization rules;
};

TEST_F(Judged, WithoutRulesEverybodyIsLetIn) {
  EXPECT_EQ(judge(kWeb), "+default");
  EXPECT_EQ(judge(""), "+default");
}

TEST_F(Judged, WhereSomebodyIsAllowedAllOthersAreNot) {
  allow({"", {"shop/web"}, {}, {}});
  EXPECT_EQ(judge(kWeb), "+allow[0]");
  EXPECT_EQ(judge(kAdmin), "-default");
  EXPECT_EQ(judge(""), "-default");
  EXPECT_EQ(judge("spiffe://elsewhere/ns/shop/sa/web"), "-default") << "short patterns are of the own trust domain";
}

TEST_F(Judged, ARuleForAnotherPortStillMakesAListOfWhoIsAllowed) {
  rules.allow_list = true;
  EXPECT_EQ(judge(kWeb), "-default");
}

TEST_F(Judged, DenyWins) {
  allow({"", {"*"}, {}, {}});
  deny({"", {"shop/*"}, {}, {}});
  EXPECT_EQ(judge(kWeb), "-deny[0]");
  EXPECT_EQ(judge(kAdmin), "+allow[0]");
}

TEST_F(Judged, DeniedAloneTheRestIsLetIn) {
  deny({"", {"shop/web"}, {"DELETE"}, {}});
  EXPECT_EQ(judge(kWeb, "DELETE"), "-deny[0]");
  EXPECT_EQ(judge(kWeb, "GET"), "+default");
  EXPECT_EQ(judge(kAdmin, "DELETE"), "+default");
}

TEST_F(Judged, PrefixesEndAtSegments) {
  allow({"", {"*"}, {}, {"/api", "/static/"}});
  for (const char* path : {"/api", "/api/", "/api/v1", "/static", "/static/x"})
    EXPECT_EQ(judge(kWeb, "GET", path), "+allow[0]") << path;
  for (const char* path : {"/", "/apiary", "/ap", "/statics"}) EXPECT_EQ(judge(kWeb, "GET", path), "-default") << path;
}

TEST_F(Judged, MethodsAreCompared) {
  allow({"", {"shop/web"}, {"GET", "HEAD"}, {}});
  EXPECT_EQ(judge(kWeb, "HEAD"), "+allow[0]");
  EXPECT_EQ(judge(kWeb, "POST"), "-default");
  EXPECT_EQ(judge(kWeb, "get"), "-default") << "case matters (RFC 9110 9.1)";
}

TEST_F(Judged, ATcpConnectionHasNoMethodAndNoPath) {
  allow({"", {"shop/web"}, {"GET"}, {}});
  EXPECT_EQ(judge(kWeb, "", ""), "-default");
  allow({"", {"shop/web"}, {}, {}});
  EXPECT_EQ(judge(kWeb, "", ""), "+allow[1]");
}

// It might carry just that.
TEST_F(Judged, WhoMayNotAskForSomethingGetsNoTcpConnection) {
  deny({"", {"shop/web"}, {"DELETE"}, {"/admin"}});
  EXPECT_EQ(judge(kWeb, "", ""), "-deny[0]");
  EXPECT_EQ(judge(kAdmin, "", ""), "+default");
}

TEST_F(Judged, AWholeIdMayBeOfAnotherTrustDomain) {
  allow({"", {"spiffe://elsewhere/ns/shop/sa/web"}, {}, {}});
  EXPECT_EQ(judge("spiffe://elsewhere/ns/shop/sa/web"), "+allow[0]");
  EXPECT_EQ(judge(kWeb), "-default");
}

// Who comes to another port than the service's has the rules for that.
TEST_F(Judged, APortIsOurOwnUnlessAnotherWasCalled) {
  rules.port = 8080;
  allow({"", {"shop/web"}, {}, {}, 8080});
  allow({"", {"ops/admin"}, {}, {}, 9090});
  const auto at = [&](std::string_view who, uint16_t port) { return std::string(rules.judge(who, "GET", "/", port).rule); };
  EXPECT_EQ(at(kWeb, 0), "allow[0]");
  EXPECT_EQ(at(kWeb, 8080), "allow[0]");
  EXPECT_EQ(at(kWeb, 9090), "default");
  EXPECT_EQ(at(kAdmin, 0), "default");
  EXPECT_EQ(at(kAdmin, 9090), "allow[1]");
  EXPECT_FALSE(rules.judge(kWeb, "", "", 9090).allowed) << "nor bytes";
  deny({"", {"ops/admin"}, {}, {}});
  EXPECT_EQ(at(kAdmin, 9090), "deny[0]") << "a rule for any port";
}

}  // namespace
}  // namespace outrider::filter
