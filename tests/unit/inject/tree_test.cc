// Values of manifests, and where they stand.

#include "inject/tree.h"

#include <gtest/gtest.h>

#include "inject/plan.h"

namespace outrider::inject {

namespace {

struct Case {
  std::string text, pointer, expected;  // what stands at the place
};

class Places : public testing::TestWithParam<Case> {};

TEST_P(Places, AreThoseOfTheText) {
  const auto& [text, pointer, expected] = GetParam();
  const Parsed parsed = read_yaml(text);
  ASSERT_EQ(parsed.error, "") << text;
  const Node* const node = resolve(parsed.root, pointer);
  ASSERT_NE(node, nullptr) << text;
  EXPECT_EQ(text.substr(node->place.begin, node->place.end - node->place.begin), expected) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Yaml, Places,
    testing::Values(
        Case{"a: b\n", "/a", "b"}, Case{"a: b # c\n", "/a", "b"}, Case{"a:   'it''s'  \n", "/a", "'it''s'"},
        Case{"a: \"x\\\"y\" # z\n", "/a", "\"x\\\"y\""}, Case{"a: x\n  y\n\n  z\nb: 1\n", "/a", "x\n  y\n\n  z"},
        Case{"a: x\r\n  y\r\nb: 1\r\n", "/a", "x\r\n  y"}, Case{"a: 'x\n  y'\nb: 1\n", "/a", "'x\n  y'"},
        Case{"a: |\n  x\n  y\nb: 1\n", "/a", "|\n  x\n  y"}, Case{"a: |\r\n  x\r\n\r\nb: 1\r\n", "/a", "|\r\n  x"},
        Case{"a: |+\n  x\n\n\nb: 1\n", "/a", "|+\n  x\n\n"}, Case{"a: |-\n  x\n\n\nb: 1\n", "/a", "|-\n  x"},
        Case{"a: >2\n    x\n  y\nb: 1\n", "/a", ">2\n    x\n  y"},
        Case{"a: | # c\n   x\n  # not of it\nb: 1\n", "/a", "| # c\n   x"}, Case{"a: |\n  x", "/a", "|\n  x"},
        Case{"- |\n a\n- b\n", "/0", "|\n a"}, Case{"a:\nb: 1\n", "/a", ""}, Case{"a: # c\nb: 1\n", "/a", ""},
        Case{"a: ~ # c\nnull: 1\n", "/a", "~"}, Case{"a:\nnull_: 1\n", "/a", ""}, Case{"a: null", "/a", "null"},
        Case{"a: {}\n", "/a", "{}"}, Case{"a: { } # c\n", "/a", "{ }"},
        Case{"a: {b: 1, c: [2, 3,],}\n", "/a", "{b: 1, c: [2, 3,],}"}, Case{"a: {b: 1, c: [2, 3,],}\n", "/a/c", "[2, 3,]"},
        Case{"a: [ # c ]\n  1, # }\n  2 ]\nb: 1\n", "/a", "[ # c ]\n  1, # }\n  2 ]"}, Case{"a: {b}\n", "/a", "{b}"},
        Case{"a: [b: 1, c]\n", "/a", "[b: 1, c]"}, Case{"{\"a\" : {\"b\":\"c\"}}", "/a", "{\"b\":\"c\"}"},
        Case{"{\"a\":\"\\ud83d\\ude00\"}", "/a", "\"\\ud83d\\ude00\""},
        Case{"a:\n  b: 1\n  c: 2 # d\n# e\nf: 3\n", "/a", "b: 1\n  c: 2"}, Case{"a:\n- b\n- c\nd: 1\n", "/a", "- b\n- c"},
        Case{"a:\n  -   b: 1\n      c: 2\n  - d\n", "/a/0", "b: 1\n      c: 2"}, Case{"a:\n  -\n    b: 1\n", "/a/0", "b: 1"},
        Case{"a:\n  - - b\n    - c\n  - d\n", "/a/0", "- b\n    - c"}, Case{"a: &x !!str b # c\n", "/a", "&x !!str b"},
        Case{"a: &x\n  b: 1\n", "/a", "b: 1"}, Case{"a: &x {b: 1}\nc: *x\n", "/c", "*x"}, Case{"? a\n: b\n", "/a", "b"},
        Case{"--- # x\na: b\n...\n", "/a", "b"}, Case{"%YAML 1.1\n---\na: b\n", "/a", "b"}, Case{"ä: ü # ö\nb: ß\n", "/b", "ß"},
        Case{"'a b': \"c\"\n", "/a b", "\"c\""}, Case{"a: http://x:1/#y z\n", "/a", "http://x:1/#y z"}));

TEST(Kinds, AreThoseOfKubernetes) {
  const Parsed parsed = read_yaml("[1, -2.5, 0x1f, 1e3, true, yes, 'true', ~, '', 1.2.3, 10m, !!str 5, .inf, 1_0]");
  ASSERT_EQ(parsed.error, "");
  using K = Node::Kind;
  const K expected[] = {K::Number, K::Number, K::Number, K::Number, K::Bool, K::Bool,   K::Text,
                        K::Null,   K::Text,   K::Text,   K::Text,   K::Text, K::Number, K::Text};
  ASSERT_EQ(parsed.root.items().size(), std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) EXPECT_EQ(int(parsed.root.items()[i].kind()), int(expected[i])) << i;
}

TEST(Aliases, StandForWhatTheyNameAndSayThatTheyAreSome) {
  const Parsed parsed = read_yaml("a: &x {b: 1, c: 2}\nd: *x\ne:\n  <<: *x\n  c: 3\n  f: 4\n");
  ASSERT_EQ(parsed.error, "");
  EXPECT_TRUE(*resolve(parsed.root, "/d") == *resolve(parsed.root, "/a"));
  EXPECT_TRUE(resolve(parsed.root, "/d/b")->place.aliased);
  EXPECT_TRUE(resolve(parsed.root, "/a/b")->place.shared);
  EXPECT_EQ(resolve(parsed.root, "/e/b")->text(), "1");
  EXPECT_TRUE(resolve(parsed.root, "/e/b")->place.aliased);
  EXPECT_EQ(resolve(parsed.root, "/e/c")->text(), "3");
  EXPECT_FALSE(resolve(parsed.root, "/e/c")->place.aliased);
  EXPECT_EQ(resolve(parsed.root, "/e")->entries().size(), 3u);
}

TEST(Aliases, ThatGrowWithoutBoundAreRefused) {
  std::string text = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 8; ++j) text += ", " + before;
    text += "]\n";
  }
  EXPECT_NE(read_yaml(text).error.find("more than"), std::string::npos);
  EXPECT_NE(read_yaml("a: &a [*a]\n").error, "");
}

TEST(Unreadable, SaysWhere) {
  EXPECT_EQ(read_yaml("a: b\nc: [\n").error.substr(0, 6), "line 3");
  EXPECT_NE(read_yaml("a: 1\na: 2\n").error.find("line 2, column 1: the key \"a\" is here twice (first at line 1)"),
            std::string::npos);
  EXPECT_NE(read_yaml("{{ .Values.x }}: 1\n").error, "");
  EXPECT_NE(read_yaml(std::string("a: \xff\n")).error.find("UTF-8"), std::string::npos);
  EXPECT_NE(read_yaml(std::string(300, '[')).error, "");
  EXPECT_TRUE(read_yaml("# nothing\n").root.is_null());
}

}  // namespace

}  // namespace outrider::inject
