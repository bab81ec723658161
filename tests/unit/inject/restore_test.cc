// What is kept of a text, and what is believed of it.

#include "inject/restore.h"

#include <gtest/gtest.h>

#include "inject/stream.h"

namespace outrider::inject {

namespace {

TEST(Notes, TakeBackWhatWasWritten) {
  const std::string text = "# x\na: 1\nb: [2]\n";
  std::vector<Edit> edits = {{7, 8, "one"}, {13, 14, std::string(kToCome)}, {16, 16, "c: 3\n"}};
  const std::string note = note_of(text, 4, text.size(), edits);
  for (Edit& edit : edits) fill_in(edit.text, "\"longer than it was\"");
  const std::string after = "more before\n" + edited(text, edits) + "and behind\n";
  const auto own = [](const std::string& of) { return Span{of.find('"'), of.rfind('"') + 1}; };
  const auto undone = undo(after, 12 + 4, note, own(after));
  ASSERT_TRUE(undone);
  EXPECT_EQ(edited(after, *undone), "more before\n" + text + "and behind\n");
  // Of what somebody has edited since, be it ours, nothing is believed.
  for (const auto& [was, now] :
       {std::pair<std::string, std::string>{"one", "two"}, {"a: ", "z: "}, {"3\n", "33\n"}, {"b: ", ""}}) {
    std::string other = after;
    other.replace(other.find(was), was.size(), now);
    EXPECT_FALSE(undo(other, 12 + 4, note, own(other))) << other;
  }
}

TEST(Notes, ThatNobodyWroteAreNotBelieved) {
  const std::string text = "a: 1\nb: 2\n";
  for (const char* note :
       {"", "v2 0 5 0+1", "v1", "v1 0000000000000000 5", "v1 0000000000000000 5 0+1", "v1 x 99999999999999999999 0+1",
        "v1 0000000000000000 5 0+1-!", "v1 0000000000000000 5 0+1000000000", "v1 0000000000000000 5 5+0 3+1",
        "v1 0000000000000000 5 0+0-YWJjZGVmZ2hpamtsbW5vcA 2+9", "v1 0000000000000000 0 9999999+0", "v1 0 5 -1+2", "v1 0 5 1+-2"})
    EXPECT_FALSE(undo(text, 0, note, {})) << note;
}

TEST(Streams, AreSplitAtMarkersAndBetweenObjects) {
  const auto count = [](std::string_view text) {
    std::string together;
    const auto all = documents_of(text);
    for (const std::string_view each : all) together += each;
    EXPECT_EQ(together, text);
    return all.size();
  };
  EXPECT_EQ(count(""), 1u);
  EXPECT_EQ(count("a: 1\n---\nb: 2\n"), 2u);
  EXPECT_EQ(count("---\na: 1\n--- # x\nb: 2\n---"), 3u);
  EXPECT_EQ(count("a: |\n  ---\n  b\n---x: 1\n"), 1u);
  EXPECT_EQ(count("a: 1\r\n---\r\nb: 2\r\n"), 2u);
  EXPECT_EQ(count("a: 1\n...\nb: 2\n"), 2u);
  EXPECT_EQ(count("{\"a\":\"} {\"}\n{\"b\":{}}{\"c\":1}\n"), 3u);
  EXPECT_EQ(count("{a: it's, b: '} {'}\n"), 1u);
  EXPECT_EQ(count("{a: {\n"), 1u);
}

}  // namespace

}  // namespace outrider::inject
