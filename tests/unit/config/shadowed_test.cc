// Rules that never match.

#include "config/shadowed.h"

#include <gtest/gtest.h>

#include "tests/support/seed.h"

namespace outrider::config {
namespace {

TEST(Shadows, CoverageFollowsHostsAndPaths) {
  const auto covered = [](Route earlier, Route rule) {
    std::string by;
    return covers(earlier, rule, by);
  };
  const auto rule = [](std::vector<std::string> hosts, std::vector<std::string> prefixes, std::vector<std::string> paths = {}) {
    Route route;
    route.hosts = std::move(hosts);
    route.prefixes = std::move(prefixes);
    route.paths = std::move(paths);
    return route;
  };
  EXPECT_TRUE(covered(rule({}, {}), rule({"a"}, {"/x"})));
  EXPECT_TRUE(covered(rule({"*.b.c"}, {}), rule({"a.b.c"}, {})));
  EXPECT_FALSE(covered(rule({"*.b.c"}, {}), rule({"b.c"}, {})));
  EXPECT_FALSE(covered(rule({"a"}, {}), rule({}, {})));
  EXPECT_TRUE(covered(rule({}, {"/a"}), rule({}, {"/a/b"})));
  EXPECT_FALSE(covered(rule({}, {"/a"}), rule({}, {"/ab"})));
  EXPECT_TRUE(covered(rule({}, {"/a/"}), rule({}, {}, {"/a"})));
  EXPECT_FALSE(covered(rule({}, {}, {"/a"}), rule({}, {"/a"})));
  EXPECT_TRUE(covered(rule({}, {"/a", "/b"}), rule({}, {"/b/c", "/a"})));
  EXPECT_FALSE(covered(rule({}, {"/a"}), rule({}, {})));
}

TEST(Shadows, AServerNameIsCoveredByServerNames) {
  std::string by;
  const auto of = [](std::vector<std::string> names) {
    Route route;
    route.server_names = std::move(names);
    return route;
  };
  EXPECT_TRUE(covers(of({"*.a.test"}), of({"x.a.test", "*.b.a.test"}), by));
  EXPECT_EQ(by, "sni \"*.a.test\"");
  EXPECT_TRUE(covers(of({"*"}), of({"*.a.test"}), by));
  EXPECT_FALSE(covers(of({"a.test"}), of({"*.a.test"}), by));
  EXPECT_FALSE(covers(of({"*"}), Route(), by)) << "a rule for HTTP";
}

// Hosts and paths of so few parts that rules get in each other's way.
std::string some_name(Random& random) {
  static const char* const kParts[] = {"a", "b", "c"};
  std::string name;
  for (uint32_t parts = 1 + random.below(3); parts > 0; --parts)
    name += (name.empty() ? "" : ".") + std::string(kParts[random.below(3)]);
  const uint32_t kind = random.below(10);
  return kind == 0 ? "*" : kind < 4 ? "*." + name : name;
}

std::string some_path(Random& random) {
  static const char* const kParts[] = {"/", "/x", "/y", "/xy", "//", "/x/"};
  std::string path;
  for (uint32_t parts = 1 + random.below(3); parts > 0; --parts) path += kParts[random.below(6)];
  return path;
}

Route some_rule(Random& random) {
  Route rule;
  const auto some = [&](std::vector<std::string>& out, std::string (*make)(Random&)) {
    for (uint32_t n = 1 + random.below(3); n > 0; --n) out.push_back(make(random));
  };
  if (random.below(6) == 0) some(rule.server_names, some_name);
  if (random.below(3) != 0 && rule.server_names.empty()) some(rule.hosts, some_name);
  if (random.below(3) != 0 && rule.server_names.empty()) some(random.below(2) ? rule.prefixes : rule.paths, some_path);
  if (random.below(5) == 0) rule.conditions.percent = 0.5;
  return rule;
}

TEST(Shadows, FindsTheSameRuleAsComparingAllPairs) {
  Random random = test::seeded_random();
  size_t shadowed = 0, free = 0;
  for (int round = 0; round < 400; ++round) {
    const bool tls_too = random.below(2);
    std::vector<Route> rules;
    for (int i = 0; i < 40; ++i) rules.push_back(some_rule(random));
    Shadows shadows(tls_too);
    for (size_t i = 0; i < rules.size(); ++i) {
      const Route* expected = nullptr;
      std::string expected_by, by;
      for (size_t j = 0; j < i && !expected; ++j) {
        const bool apart = rules[j].server_names.empty() && !rules[i].server_names.empty() && !tls_too;
        if (!apart && covers(rules[j], rules[i], expected_by)) expected = &rules[j];
      }
      const Route* const found = shadows.add(rules[i], by);
      ASSERT_EQ(found, expected) << "round " << round << ", rule " << i;
      if (expected) EXPECT_EQ(by, expected_by);
      ++(expected ? shadowed : free);
    }
  }
  EXPECT_GT(shadowed, 1000u);
  EXPECT_GT(free, 1000u);
}

}  // namespace
}  // namespace outrider::config
