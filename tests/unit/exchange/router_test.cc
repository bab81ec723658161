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

std::string name_of(const Route* route) { return route ? route->name : "none"; }

TEST(Routes, TlsIsLedByTheNameAlone) {
  Rule host = named("host");
  host.hosts = {"a.test"};
  const Router router({host, for_names("one", {"a.test", "b.test"}), for_names("many", {"*.c.test"})});
  EXPECT_EQ(name_of(router.match_tls("a.test")), "one");
  EXPECT_EQ(name_of(router.match_tls("B.TEST.")), "one");
  EXPECT_EQ(name_of(router.match_tls("x.y.c.test")), "many");
  EXPECT_EQ(name_of(router.match_tls("c.test")), "none");
  EXPECT_EQ(name_of(router.match_tls("")), "none");
  EXPECT_EQ(name_of(router.match_tls(std::string(256, 'a'))), "none");
  EXPECT_EQ(name_of(router.match_bytes()), "none");
}

TEST(Routes, ARuleWithServerNamesIsNotForHttp) {
  const Router router({for_names("tls", {"*"}), named("http")});
  EXPECT_EQ(name_of(matched(router, "a.test", "/")), "http");
  EXPECT_EQ(name_of(router.match_tls("a.test")), "tls");
  EXPECT_EQ(name_of(router.match_tls("")), "tls") << "a star is for no name, too";
  EXPECT_EQ(name_of(router.match_bytes()), "none");
}

TEST(Routes, OfRulesForBytesAndForNamesTheFirstWins) {
  Rule all = named("all");
  all.any_bytes = true;
  const Router behind({for_names("tls", {"a.test"}), all});
  EXPECT_EQ(name_of(behind.match_tls("a.test")), "tls");
  EXPECT_EQ(name_of(behind.match_tls("b.test")), "all");
  EXPECT_EQ(name_of(behind.match_bytes()), "all");
  EXPECT_EQ(name_of(matched(behind, "a.test", "/")), "all");
  const Router before({all, for_names("tls", {"a.test"})});
  EXPECT_EQ(name_of(before.match_tls("a.test")), "all");
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
