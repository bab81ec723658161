// What `outrider authz` answers, from a configuration.

#include "server/authz.h"

#include <gtest/gtest.h>

#include "tests/unit/server/documents.h"

namespace outrider::server {
namespace {

config::Document shop_with(const std::string& text) { return document_of("service: {name: shop, port: 8080}\n" + text); }

const std::string kIdentity = "identity: {dir: /run/id, trust: {partner.org: /run/partner.crt}}\n";

// "+rule:line" or "-rule", or why it makes no sense.
std::string judged(const std::string& rules, const std::string& from, const std::string& method = "GET",
                   const std::string& path = "/", const std::string& to = "shop") {
  const auto view = judge(shop_with(kIdentity + rules), {from, to, method, path});
  if (!view.error.empty()) return view.error;
  return (view.allowed ? "+" : "-") + view.rule + (view.line ? ":" + std::to_string(view.line) : "");
}

const std::string kRules =
    "authorization:\n"
    "  allow:\n"
    "    - {from: [default/web], to: {prefix: /api}}\n"
    "    - {from: [\"spiffe://partner.org/ns/a/sa/*\"]}\n"
    "  deny:\n"
    "    - {from: [\"*\"], to: {method: [DELETE]}}\n";

TEST(Authz, NamesTheRuleAndItsLine) {
  EXPECT_EQ(judged(kRules, "web", "GET", "/api/x"), "+allow[0]:6");
  EXPECT_EQ(judged(kRules, "default/web", "DELETE", "/api/x"), "-deny[0]:9");
  EXPECT_EQ(judged(kRules, "spiffe://mesh.local/ns/default/sa/web", "GET", "/"), "-default");
  EXPECT_EQ(judged(kRules, "spiffe://partner.org/ns/a/sa/b"), "+allow[1]:7");
}

TEST(Authz, JudgesPathsAsTheAppWillSeeThem) {
  EXPECT_EQ(judged(kRules, "web", "GET", "/api/../x"), "-default");
  EXPECT_EQ(judged(kRules, "web", "GET", "/x/../api/y?z"), "+allow[0]:6");
}

TEST(Authz, WhoCannotComeInIsDeniedWhateverTheRules) {
  EXPECT_EQ(judged("", "web"), "+default");
  EXPECT_EQ(judged("", "-"), "-identity.mtls");
  EXPECT_EQ(judged("", "spiffe://third.org/ns/a/sa/b"), "-identity.trust");
  EXPECT_EQ(judged("", "spiffe://partner.org/ns/a/sa/b"), "+default");
}

TEST(Authz, ATcpConnectionHasNoMethod) {
  EXPECT_EQ(judged("authorization: {allow: [{from: [default/web]}]}\n", "web", "", ""), "+allow[0]:4");
  EXPECT_EQ(judged(kRules, "web", "", ""), "-deny[0]:9") << "it might carry just that";
}

TEST(Authz, AQuestionThatMakesNoSenseIsToldWhy) {
  EXPECT_EQ(judged(kRules, "web", "GET", "/", "cart"),
            "these are the rules of default/shop, not of cart: its own sidecar knows them");
  EXPECT_EQ(judged(kRules, "we b"), "\"we b\" is no identity: a SPIFFE ID, namespace/account, an account, or - for none");
  EXPECT_EQ(judged(kRules, "web", "GET", "api"), "\"api\" is no path");
  EXPECT_EQ(judged(kRules, "web", "GET", ""), "METHOD and PATH go together");
}

}  // namespace
}  // namespace outrider::server
