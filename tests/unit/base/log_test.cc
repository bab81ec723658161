#include "base/log.h"

#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <unistd.h>

#include <array>
#include <string>

namespace outrider::log {
namespace {

class LogLines : public testing::Test {
 protected:
  LogLines() {
    EXPECT_EQ(pipe(ends_.data()), 0);
    redirect(ends_[1]);
  }
  ~LogLines() override {
    redirect(-1);
    configure(Level::Info, Format::Text);
    for (const int end : ends_) close(end);
  }
  std::string written() {  // everything so far; a mark of our own ends it
    EXPECT_EQ(write_mark(), 1);
    std::string text;
    for (char c = 0; read(ends_[0], &c, 1) == 1 && c != '\0';) text += c;
    return text;
  }

 private:
  ssize_t write_mark() { return ::write(ends_[1], "", 1); }
  std::array<int, 2> ends_{};
};

// Line breaks, terminal commands in 7 and 8 bits, quotes, what is no UTF-8, and a line that looks like one of ours.
const std::string kHostile =
    std::string("a\"b\\c\n2026-01-01T00:00:00.000Z error forged\r\t\x1b[31m\x7f\xc2\x9b\x9b\xff\xc3 = ") + std::string(1, '\0') +
    "z";

bool is_plain(const std::string& line) {
  for (const char c : line)
    if (uint8_t(c) < 0x20 || c == 0x7f) return false;
  return line.find("\xc2\x9b") == line.npos;
}

TEST_F(LogLines, WhatIsBelowTheLevelIsNotWritten) {
  for (const auto& [level, lines] :
       {std::pair{Level::Debug, 4}, {Level::Info, 3}, {Level::Warn, 2}, {Level::Error, 1}, {Level::Off, 0}}) {
    configure(level, Format::Text);
    debug("d");
    info("i");
    warn("w");
    error("e");
    const std::string text = written();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), lines) << text;
  }
}

TEST_F(LogLines, TextIsATimeALevelASentenceAndPairs) {
  info("endpoint ejected", {{"cluster", "web"}, {"why", "no answer"}, {"tries", 3}, {"empty", ""}});
  const std::string line = written();
  EXPECT_EQ(line.substr(24), " info endpoint ejected cluster=web why=\"no answer\" tries=3 empty=\"\"\n") << line;
}

TEST_F(LogLines, NobodyBreaksALineOfText) {
  info("sentence " + kHostile, {{"key", kHostile}});
  std::string line = written();
  ASSERT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
  line.pop_back();
  EXPECT_TRUE(is_plain(line)) << line;
}

TEST_F(LogLines, JsonIsJsonWhateverItHolds) {
  configure(Level::Info, Format::Json);
  warn("sentence " + kHostile, {{"key", kHostile}, {kHostile, "value"}, {"number", 42}});
  std::string line = written();
  ASSERT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
  line.pop_back();
  EXPECT_TRUE(is_plain(line)) << line;
  rapidjson::Document document;
  ASSERT_FALSE(document.Parse<rapidjson::kParseValidateEncodingFlag>(line.c_str()).HasParseError()) << line;
  EXPECT_STREQ(document["level"].GetString(), "warn");
  EXPECT_EQ(document.MemberCount(), 6u);
}

}  // namespace
}  // namespace outrider::log
