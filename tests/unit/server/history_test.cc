// Versions of the configuration, on disk and in memory.

#include "server/history.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "net/loop.h"

namespace outrider::server {
namespace {

struct HistoryTest : testing::Test {
  HistoryTest() {
    char name[] = "/tmp/outrider-history-XXXXXX";
    folder = mkdtemp(name);
  }
  ~HistoryTest() { std::filesystem::remove_all(folder); }
  static Version version(const std::string& text) {
    return {0, net::Loop::wall(), "ada", "file", "d-" + text, "watched", "version: 1\n# " + text + "\n"};
  }
  std::string folder;
};

TEST_F(HistoryTest, WhatIsWrittenIsReadByTheNextProcess) {
  {
    History first(folder, 20);
    ASSERT_EQ(first.open(), "");
    first.add(version("a"));
    first.judge(first.add(version("b")).number, "rolled back: 5 of 5 requests failed");
    first.judge(1, "good");
  }
  History next(folder, 20);
  ASSERT_EQ(next.open(), "");
  ASSERT_EQ(next.all().size(), 2u);
  EXPECT_EQ(next.all()[0].verdict, "good");
  EXPECT_FALSE(next.all()[0].failed());
  EXPECT_TRUE(next.all()[1].failed());
  EXPECT_EQ(next.all()[1].author, "ada");
  EXPECT_EQ(next.all()[1].digest, "d-b");
  EXPECT_EQ(next.all()[1].text, "version: 1\n# b\n");
  EXPECT_EQ(next.add(version("c")).number, 3u) << "numbers go on";
  std::filesystem::file_status status = std::filesystem::status(folder + "/000003.yaml");
  EXPECT_EQ(status.permissions() & std::filesystem::perms::all, std::filesystem::perms(0600)) << "others need not read it";
}

// Whatever is in it, down to the last byte; and the file reads as the configuration all the same.
TEST_F(HistoryTest, WhatAVersionTookInComesBackWithIt) {
  for (const std::string text : {"version: 1\n", "version: 1", "version: 1\n#| no\n\n"}) {
    Version one = version("a");
    one.number = 7;
    one.text = text;
    for (const std::string each : {"", "\n", "a", "a\n", "\n\na: b\n  c\n\n", "#| a\r\n# took in x:\n"})
      one.included.push_back({"routes/a b " + std::to_string(one.included.size()) + ".yaml", each});
    const auto back = History::parse(History::as_file(one));
    ASSERT_TRUE(back) << back.why();
    EXPECT_EQ(back->text, text);
    EXPECT_EQ(back->included, one.included);
    EXPECT_TRUE(History::body_of(one).starts_with(text));
    one.included.resize(1);
    one.included[0].text = "lost";
    std::string broken = History::as_file(one);
    broken.resize(broken.size() - 6);
    EXPECT_FALSE(History::parse(broken));
  }
  EXPECT_EQ(History::body_of(version("a")), version("a").text);
}

TEST_F(HistoryTest, TheLastFewAreKept) {
  History history(folder, 3);
  ASSERT_EQ(history.open(), "");
  for (const char* text : {"a", "b", "c", "d", "e"}) history.add(version(text));
  ASSERT_EQ(history.all().size(), 3u);
  EXPECT_EQ(history.all().front().number, 3u);
  EXPECT_EQ(history.find(2), nullptr);
  EXPECT_EQ(History::read(folder).size(), 3u);
}

TEST_F(HistoryTest, TwoProcessesDoNotShareAFolder) {
  History first(folder, 3);
  ASSERT_EQ(first.open(), "");
  History second(folder, 3);
  EXPECT_NE(second.open(), "");
  second.add(version("a"));
  EXPECT_EQ(second.all().size(), 1u) << "in memory";
  EXPECT_TRUE(History::read(folder).empty());
}

// As after an upgrade in place: the process before goes on for a while.
TEST_F(HistoryTest, AFolderIsTakenOnceItsOwnerIsGone) {
  auto first = std::make_unique<History>(folder, 3);
  ASSERT_EQ(first->open(), "");
  first->add(version("a"));
  History second(folder, 3);
  EXPECT_NE(second.open(), "");
  second.add(version("b"));
  first.reset();
  EXPECT_EQ(second.add(version("c")).number, 2u) << "behind what is on disk";
  EXPECT_EQ(second.all().size(), 2u);
  EXPECT_EQ(History::read(folder).size(), 2u);
}

TEST_F(HistoryTest, WhatIsNoVersionIsLeftAlone) {
  std::ofstream(folder + "/000001.yaml") << "version: 1\n";
  std::ofstream(folder + "/notes.yaml") << "anything\n";
  std::ofstream(folder + "/000007.yaml") << History::as_file({8, {}, "a", "b", "c", "d", "text"});
  History history(folder, 3);
  ASSERT_EQ(history.open(), "");
  EXPECT_TRUE(history.all().empty());
}

TEST_F(HistoryTest, AnAuthorCannotWriteAnotherLine) {
  Version v = version("a");
  v.number = 4;
  v.author = "eve\n# verdict: good";
  v.verdict = "";
  const auto read = History::parse(History::as_file(v));
  ASSERT_TRUE(read) << read.why();
  EXPECT_EQ(read->verdict, "");
  EXPECT_EQ(read->author, "eve # verdict: good");
  EXPECT_EQ(read->text, v.text);
  EXPECT_FALSE(History::parse("# outrider: a configuration that was served\n# version\n\nx"));
  EXPECT_FALSE(History::parse("# outrider: a configuration that was served\n# version: 0\n\nx"));
}

TEST_F(HistoryTest, EachFileOfANodeHasItsOwnFolder) {
  const auto a = History::folder_of("/d", "web-0", "/etc/a.yaml"), b = History::folder_of("/d", "web-0", "/etc/b.yaml");
  EXPECT_NE(a, b);
  EXPECT_TRUE(a.starts_with("/d/web-0/"));
  EXPECT_EQ(History::folder_of("/d", "web-0", "/etc/../etc/a.yaml"), a);
  EXPECT_TRUE(History::folder_of("/d", "../x", "/etc/a.yaml").starts_with("/d/_._x/"));
}

}  // namespace
}  // namespace outrider::server
