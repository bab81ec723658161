#include "exchange/router.h"

#include <gtest/gtest.h>

#include "exchange/server_first.h"

namespace outrider::exchange {
namespace {

Rule named(std::string name) {
  Rule rule;
  rule.route.name = std::move(name);
  return rule;
}

Rule for_names(std::string name, std::vector<std::string> server_names) {
  Rule rule = named(std::move(name));
  rule.server_names = std::move(server_names);
  return rule;
}

// A request that has nothing but a path.
const Route* matched(const Router& router, std::string_view host, std::string_view path) {
  Arena arena;
  http::RequestHead head(arena);
  head.path = path;
  return router.match(host, {head, {}, 0});
}

// A connection on a port.
struct Called {
  explicit Called(uint16_t port = 0) : asked{head, peer, 0, port} {}
  Arena arena;
  http::RequestHead head{arena};
  filter::Peer peer;
  Asked asked;
};
const Route* by_bytes(const Router& router, uint16_t port = 0) { return router.match_bytes(Called(port).asked); }
const Route* by_tls(const Router& router, std::string_view name, uint16_t port = 0) {
  return router.match_tls(name, Called(port).asked);
}

std::string name_of(const Route* route) { return route ? route->name : "none"; }

TEST(Routes, TlsIsLedByTheNameAlone) {
  Rule host = named("host");
  host.hosts = {"a.test"};
  const Router router({host, for_names("one", {"a.test", "b.test"}), for_names("many", {"*.c.test"})});
  EXPECT_EQ(name_of(by_tls(router, "a.test")), "one");
  EXPECT_EQ(name_of(by_tls(router, "B.TEST.")), "one");
  EXPECT_EQ(name_of(by_tls(router, "x.y.c.test")), "many");
  EXPECT_EQ(name_of(by_tls(router, "c.test")), "none");
  EXPECT_EQ(name_of(by_tls(router, "")), "none");
  EXPECT_EQ(name_of(by_tls(router, std::string(256, 'a'))), "none");
  EXPECT_EQ(name_of(by_bytes(router)), "none");
}

// Row 28 of the table of features: a port among what a rule may ask for.
TEST(Routes, APortLeadsRequestsAndBytes) {
  Rule admin = named("admin"), database = named("database"), rest = named("rest");
  auto conditions = std::make_shared<Conditions>();
  conditions->ports = {8443, 9443};
  admin.conditions = conditions;
  conditions = std::make_shared<Conditions>();
  conditions->ports = {5432};
  database.conditions = conditions;
  database.any_bytes = rest.any_bytes = true;
  const Router router({admin, database, rest});
  EXPECT_TRUE(router.asks_port());
  const auto by_port = [&](uint16_t port) { return name_of(router.match("a.test", Called(port).asked)); };
  EXPECT_EQ(by_port(8443), "admin");
  EXPECT_EQ(by_port(9443), "admin");
  EXPECT_EQ(by_port(443), "rest");
  EXPECT_EQ(name_of(by_bytes(router, 5432)), "database");
  EXPECT_EQ(name_of(by_bytes(router, 3306)), "rest");
  EXPECT_EQ(name_of(by_bytes(router, 8443)), "rest") << "that rule is for requests";
  EXPECT_EQ(name_of(by_tls(router, "db.test", 5432)), "database");
  EXPECT_FALSE(Router({rest}).asks_port());
}

TEST(Routes, ARuleWithServerNamesIsNotForHttp) {
  const Router router({for_names("tls", {"*"}), named("http")});
  EXPECT_EQ(name_of(matched(router, "a.test", "/")), "http");
  EXPECT_EQ(name_of(by_tls(router, "a.test")), "tls");
  EXPECT_EQ(name_of(by_tls(router, "")), "tls") << "a star is for no name, too";
  EXPECT_EQ(name_of(by_bytes(router)), "none");
}

TEST(Routes, OfRulesForBytesAndForNamesTheFirstWins) {
  Rule all = named("all");
  all.any_bytes = true;
  const Router behind({for_names("tls", {"a.test"}), all});
  EXPECT_EQ(name_of(by_tls(behind, "a.test")), "tls");
  EXPECT_EQ(name_of(by_tls(behind, "b.test")), "all");
  EXPECT_EQ(name_of(by_bytes(behind)), "all");
  EXPECT_EQ(name_of(matched(behind, "a.test", "/")), "all");
  const Router before({all, for_names("tls", {"a.test"})});
  EXPECT_EQ(name_of(by_tls(before, "a.test")), "all");
}

TEST(Learned, EachPortHasItsOwnVerdict) {
  ServerFirst first;
  EXPECT_FALSE(first.known(25));
  first.note(25, true);
  EXPECT_TRUE(first.known(25));
  EXPECT_FALSE(first.known(80));
  first.note(80, false);
  EXPECT_TRUE(first.known(25));
  first.note(3306, true);
  first.note(25, false);
  EXPECT_FALSE(first.known(25));
  EXPECT_TRUE(first.known(3306));
}

TEST(Learned, WhatDoesNotFitIsNotRemembered) {
  ServerFirst first;
  for (uint16_t port = 1; port <= 100; ++port) first.note(port, true);
  EXPECT_TRUE(first.known(1));
  EXPECT_TRUE(first.known(16));
  EXPECT_FALSE(first.known(17));
  first.note(5, false);
  first.note(17, true);
  EXPECT_TRUE(first.known(17));
}

TEST(Learned, AUnixSocketIsPortZero) {
  ServerFirst first;
  EXPECT_FALSE(first.known(0));
  first.note(0, true);
  EXPECT_TRUE(first.known(0));
}

}  // namespace
}  // namespace outrider::exchange
