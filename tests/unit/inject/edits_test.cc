// One tree made of another by edits of its text.

#include "inject/edits.h"

#include <gtest/gtest.h>

#include "inject/json.h"

namespace outrider::inject {

namespace {

struct Case {
  std::string before;
  std::vector<Operation> operations;
  std::string after;
};

Operation add(std::string path, std::string json) { return {Operation::Kind::Add, std::move(path), read_json(json)}; }
Operation replace(std::string path, std::string json) { return {Operation::Kind::Replace, std::move(path), read_json(json)}; }
Operation take(std::string path) { return {Operation::Kind::Remove, std::move(path), {}}; }

class Texts : public testing::TestWithParam<Case> {};

TEST_P(Texts, AreEditedWhereTheyChange) {
  const Case& given = GetParam();
  const Parsed parsed = read_yaml(given.before);
  ASSERT_EQ(parsed.error, "") << given.before;
  Node after = parsed.root;
  std::string error;
  ASSERT_TRUE(apply(given.operations, after, error)) << error;
  const Edits edits = edits_between(given.before, parsed.root, after, style_of(given.before, parsed.root));
  ASSERT_EQ(edits.error, "") << given.before;
  const std::string text = edited(given.before, edits.list);
  EXPECT_EQ(text, given.after);
  const Parsed again = read_yaml(text);
  EXPECT_EQ(again.error, "") << text;
  EXPECT_TRUE(again.root == after) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Block, Texts,
    testing::Values(
        Case{"a: 1\n", {add("/b", "2")}, "a: 1\nb: 2\n"}, Case{"a: 1", {add("/b", "2")}, "a: 1\nb: 2"},
        Case{"a: 1 # x\n# y\n", {add("/b", "2")}, "a: 1 # x\nb: 2\n# y\n"},
        Case{"a:\r\n  b: 1\r\nc: 2\r\n", {add("/a/d", "3")}, "a:\r\n  b: 1\r\n  d: 3\r\nc: 2\r\n"},
        Case{"a:\n    b: 1\n",
             {add("/c", "{\"d\":{\"e\":\"" + std::string(90, 'x') + "\"}}")},
             "a:\n    b: 1\nc:\n    d:\n        e: " + std::string(90, 'x') + "\n"},
        Case{"a: {}\n", {add("/a/b", "1")}, "a:\n  b: 1\n"}, Case{"a: {} # x\n", {add("/a/b", "1")}, "a: # x\n  b: 1\n"},
        Case{"a:\nb: 1\n", {replace("/a", "[1]")}, "a:\n- 1\nb: 1\n"},
        Case{"a: ~\nb: 1\n", {replace("/a", "{\"c\":1}")}, "a:\n  c: 1\nb: 1\n"}, Case{"a: 1\nb: 2\n", {take("/a")}, "b: 2\n"},
        Case{"a: 1\nb: 2", {take("/b")}, "a: 1"}, Case{"a:\n  - x: 1\n    y: 2\n", {take("/a/0/x")}, "a:\n  - y: 2\n"},
        Case{"a:\n  b: 1\n", {take("/a/b")}, "a:\n  {}\n"},
        Case{"a:\n  # x\n  - b\n", {add("/a/0", "\"c\"")}, "a:\n  - c\n  # x\n  - b\n"},
        Case{"a: # x\n- b\n- c\n", {add("/a/1", "1")}, "a: # x\n- b\n- 1\n- c\n"},
        Case{"a:\n- b\n- c # x\n", {add("/a/-", "{\"d\":1}")}, "a:\n- b\n- c # x\n- {d: 1}\n"},
        Case{"a:\n- b\n- c\n- d\n", {take("/a/1")}, "a:\n- b\n- d\n"},
        Case{"a:\n  t: {p: 1} # x\n", {take("/a/t"), add("/a/h", "{\"q\":2}")}, "a:\n  h: {q: 2} # x\n"},
        Case{"a:\n  t:\n      p: 1\n  z: 1\n", {take("/a/t"), add("/a/h", "{\"q\":2}")}, "a:\n  h:\n      q: 2\n  z: 1\n"},
        Case{"a: |+\n  x\n\nb: 1\n", {add("/c", "1")}, "a: |+\n  x\n\nb: 1\nc: 1\n"},
        Case{"b: 1\na: |+\n  x\n\n", {add("/c", "1")}, "b: 1\na: |+\n  x\n\nc: 1\n"},
        Case{"b: 1\na: |\n  x", {add("/c", "1")}, "c: 1\nb: 1\na: |\n  x"},
        Case{"a: 1 # x\n", {replace("/a", "\"yes\"")}, "a: \"yes\" # x\n"},
        Case{"a: \"x\ny\"\nb: 1\n", {replace("/a", "2")}, "a: 2\nb: 1\n"},
        Case{"a: |\n  x\nb: 1\n", {replace("/a", "\"z\"")}, "a: z\nb: 1\n"}));

INSTANTIATE_TEST_SUITE_P(
    Flow, Texts,
    testing::Values(Case{"a: {b: 1} # x\n", {add("/a/c", "2")}, "a: {b: 1, c: 2} # x\n"},
                    Case{"a: [1, 2]\n", {add("/a/0", "0"), add("/a/-", "3")}, "a: [0, 1, 2, 3]\n"},
                    Case{"a: [1, 2, 3]\n", {take("/a/1")}, "a: [1, 3]\n"},
                    Case{"a: {b: 1, c: 2, d: 3}\n", {take("/a/b"), take("/a/d")}, "a: {c: 2}\n"},
                    Case{"a: {b: 1}\n", {take("/a/b")}, "a: {}\n"},
                    Case{R"({"a":{"b":1}})", {add("/a/c", "{\"d\":[1,\"x\"]}")}, R"({"a":{"b":1,"c":{"d":[1,"x"]}}})"},
                    Case{R"({"a": {}})", {add("/a/c", "1")}, R"({"a": {"c": 1}})"},
                    Case{"{\n\t\"a\": [\n\t\t1\n\t]\n}\n",
                         {add("/a/-", "{\"b\":2}")},
                         "{\n\t\"a\": [\n\t\t1,\n\t\t{\n\t\t\t\"b\": 2\n\t\t}\n\t]\n}\n"},
                    Case{
                        "{\n  \"a\": []\n}\n", {add("/a/-", "1"), add("/b", "2")}, "{\n  \"a\": [\n    1\n  ],\n  \"b\": 2\n}\n"},
                    Case{"{\n  \"a\": {\n    \"t\": {\n      \"p\": 1\n    }\n  }\n}\n",
                         {take("/a/t"), add("/a/h", "{\"q\":2}")},
                         "{\n  \"a\": {\n    \"h\": {\n      \"q\": 2\n    }\n  }\n}\n"}));

TEST(Refused, IsAChangeThatOthersWouldSee) {
  for (const auto& [text, path] : {std::pair{"a: &x {b: 1}\nc: *x\n", "/c/b"},
                                   {"a: &x {b: 1}\nc: *x\n", "/a/b"},
                                   {"a: &x {b: {d: 1}}\nc: {<<: *x}\n", "/c/b/d"},
                                   {"a: &x [1]\nc: *x\n", "/a/0"}}) {
    const Parsed parsed = read_yaml(text);
    ASSERT_EQ(parsed.error, "");
    Node after = parsed.root;
    std::string error;
    ASSERT_TRUE(apply({replace(path, "2")}, after, error)) << error;
    EXPECT_NE(edits_between(text, parsed.root, after, {}).error.find("write it out there"), std::string::npos) << text << path;
  }
}

TEST(Rendered, TextsReadAsTexts) {
  for (const std::string text : {"yes", "1",  "1e3", "0x1",        "10m",  "10x",  "-",   "--a", "- a", "a: b", "a #b", "null",
                                 "",    " a", "a ",  "2024-01-01", "1:20", "~",    "a,b", "{a}", "*a",  "&a",   "!a",   "%a",
                                 "@a",  "`a", "'",   "\"",         "a\tb", "a\nb", "ü",   "=",   "<<",  ".5"}) {
    Style style;
    Node map = Node::map({{"k", Node::list({Node::text(text)})}, {text, Node::text(text)}});
    for (const std::string& shown : {render_block(map, style, 0), render_flow(map, style) + "\n"}) {
      const Parsed parsed = read_yaml(shown);
      EXPECT_EQ(parsed.error, "") << shown;
      EXPECT_TRUE(parsed.root == map) << shown;
    }
  }
}

}  // namespace

}  // namespace outrider::inject
