#include "exchange/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace outrider::exchange {
namespace {

using Format = AccessLogPlan::Format;

class AccessLogTest : public testing::Test {
 protected:
  AccessLogTest() {
    char name[] = "/tmp/outrider-access-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~AccessLogTest() override {
    ::unlink(path().c_str());
    ::rmdir(folder_.c_str());
  }
  std::string path() const { return folder_ + "/log"; }
  std::vector<std::string> lines() const {
    std::ifstream file(path());
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) all.push_back(line);
    return all;
  }
  // One line for each entry that is wanted, through a worker's turn and the writer's thread.
  void log(Format format, const std::vector<AccessEntry>& entries, double sample = 1, double sample_errors = 1) {
    AccessLogWriter writer(path());
    ASSERT_TRUE(writer.opened());
    writer.start();
    net::Loop loop;
    {
      auto plan = std::make_shared<AccessLogPlan>(plan_);
      plan->format = format;
      plan->sample = sample;
      plan->sample_errors = sample_errors;
      plan->writer = &writer;
      AccessLog log(loop);
      log.follow(plan);
      for (const auto& entry : entries)
        if (log.drawn(entry.status >= 500)) log.write(entry, {&request_, &response_});
      loop.run_turn(false);
    }
    dropped_ = writer.dropped_lines();
  }
  uint64_t dropped_ = 0;
  AccessLogPlan plan_;  // what a test has to say of it
  Arena arena_;
  http::HeaderMap request_{arena_}, response_{arena_};

 private:
  std::string folder_;
};

AccessEntry usual() {
  AccessEntry entry;
  entry.start = WallTime(milliseconds(1790000000123));
  entry.direction = "edge";
  entry.listener = "edge";
  entry.route = "r";
  entry.cluster = "web";
  entry.endpoint = "10.0.0.1:80";
  entry.method = "GET";
  entry.host = "example.com";
  entry.path = "/a?b=c";
  entry.client = "10.0.0.9:5000";
  entry.flag = "none";
  entry.protocol = "HTTP/1.1";
  entry.status = 200;
  entry.tries = 1;
  entry.duration_us = 1500;
  entry.first_byte_us = 700;
  return entry;
}

TEST_F(AccessLogTest, JsonHasTheStatusOfGrpcWhereThereIsOne) {
  auto call = usual();
  call.grpc_status = http::GrpcStatus::Unavailable;
  log(Format::Json, {call, usual()});
  ASSERT_EQ(lines().size(), 2u);
  EXPECT_NE(lines()[0].find("\"status\":200,\"grpc_status\":14,"), std::string::npos) << lines()[0];
  EXPECT_EQ(lines()[1].find("grpc"), std::string::npos) << lines()[1];
}

TEST_F(AccessLogTest, JsonHasWhatAHelloSaid) {
  AccessEntry passed;
  passed.protocol = "tls";
  passed.host = "a.test";
  passed.offered = "h2,http/1.1,\x8a\x8a";
  log(Format::Json, {passed, usual()});
  ASSERT_EQ(lines().size(), 2u);
  const std::string unreadable = "\xEF\xBF\xBD";
  EXPECT_NE(lines()[0].find("\"protocol\":\"tls\",\"alpn\":\"h2,http/1.1," + unreadable + unreadable + "\",\"host\":\"a.test\","),
            std::string::npos)
      << lines()[0];
  EXPECT_EQ(lines()[1].find("alpn"), std::string::npos);
}

TEST_F(AccessLogTest, JsonHasWhatHappened) {
  log(Format::Json, {usual()});
  ASSERT_EQ(lines().size(), 1u);
  rapidjson::Document document;
  ASSERT_FALSE(document.Parse(lines()[0].c_str()).HasParseError()) << lines()[0];
  EXPECT_STREQ(document["time"].GetString(), "2026-09-21T14:13:20.123Z");
  EXPECT_STREQ(document["path"].GetString(), "/a?b=c");
  EXPECT_EQ(document["status"].GetInt(), 200);
  EXPECT_DOUBLE_EQ(document["duration_ms"].GetDouble(), 1.5);
}

TEST_F(AccessLogTest, TextIsOneLine) {
  log(Format::Text, {usual()});
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0],
            "2026-09-21T14:13:20.123Z 10.0.0.9:5000 \"GET example.com /a?b=c\" 200 none - r web 10.0.0.1:80 1 0/0 1.500 - \"\"");
}

TEST_F(AccessLogTest, WhatAClientSentBreaksNeitherALineNorATerminal) {
  std::string hostile;
  for (int c = 0; c < 256; ++c) hostile += char(c);
  hostile += "\",\"status\":500}\n{\"forged\":true}\xc2\x9b\xc3";
  auto entry = usual();
  entry.path = entry.host = entry.method = entry.user_agent = entry.request_id = entry.reason = hostile;
  for (const Format format : {Format::Json, Format::Text}) {
    ::unlink(path().c_str());
    log(format, {entry, usual()});
    ASSERT_EQ(lines().size(), 2u);
    const std::string first = lines()[0];
    for (const char c : first) ASSERT_TRUE(uint8_t(c) >= 0x20 && c != 0x7f) << int(c);
    EXPECT_EQ(lines()[0].find("\xc2\x9b"), std::string::npos);
    if (format == Format::Text) continue;
    rapidjson::Document document;
    ASSERT_FALSE(document.Parse<rapidjson::kParseValidateEncodingFlag>(lines()[0].c_str()).HasParseError()) << lines()[0];
    EXPECT_EQ(document["status"].GetInt(), 200);
    EXPECT_FALSE(document.HasMember("forged"));
  }
}

TEST_F(AccessLogTest, ErrorsHaveASampleOfTheirOwn) {
  auto error = usual();
  error.status = 503;
  std::vector<AccessEntry> entries(50, usual());
  entries.insert(entries.end(), 7, error);
  log(Format::Text, entries, 0, 1);
  EXPECT_EQ(lines().size(), 7u);
  ::unlink(path().c_str());
  log(Format::Text, entries, 1, 0);
  EXPECT_EQ(lines().size(), 50u);
}

TEST_F(AccessLogTest, AFileIsAppendedToAndAFolderThatIsNotThereIsSaid) {
  log(Format::Text, {usual()});
  log(Format::Text, {usual()});
  EXPECT_EQ(lines().size(), 2u);
  EXPECT_FALSE(AccessLogWriter(path() + "/no/such").opened());
}

TEST_F(AccessLogTest, FieldsOfOnesOwnAndNoneThatNobodyWants) {
  using From = AccessLogPlan::Field::From;
  plan_.fields = {{From::Request, "team", "x-team"},
                  {From::Response, "cache", "x-cache"},
                  {From::Text, "env", "prod \"1\""},
                  {From::Request, "auth", "authorization"},
                  {From::Request, "none", "x-none"}};
  plan_.without = {"user_agent", "path", "duration_ms"};
  request_.add("X-Team", "shop\"\n");
  request_.add("Authorization", "Bearer secret");
  response_.add("x-cache", "hit");
  log(Format::Json, {usual()});
  ASSERT_EQ(lines().size(), 1u);
  rapidjson::Document line;
  line.Parse(lines()[0].c_str());
  ASSERT_TRUE(line.IsObject()) << lines()[0];
  EXPECT_STREQ(line["team"].GetString(), "shop\"\n");
  EXPECT_STREQ(line["cache"].GetString(), "hit");
  EXPECT_STREQ(line["env"].GetString(), "prod \"1\"");
  EXPECT_STREQ(line["auth"].GetString(), "[hidden]");
  for (const char* left_out : {"none", "user_agent", "path", "duration_ms"}) EXPECT_FALSE(line.HasMember(left_out)) << left_out;
  ::unlink(path().c_str());
  log(Format::Text, {usual()});
  EXPECT_TRUE(lines()[0].ends_with("cache=\"hit\" env=\"prod \\\"1\\\"\" auth=\"[hidden]\" none=\"\"")) << lines()[0];
}

// As logrotate does it: the file is moved away, and the next line goes to a new one of its name.
TEST_F(AccessLogTest, AFileThatWasMovedAwayIsMadeAnew) {
  const std::string away = path() + ".1";
  {
    AccessLogWriter writer(path());
    writer.start();
    std::string line = "one\n";
    writer.submit(line);
    while (lines().empty()) {}
    ASSERT_EQ(::rename(path().c_str(), away.c_str()), 0);
    writer.reopen();
    line = "two\n";
    writer.submit(line);
  }
  EXPECT_EQ(lines(), std::vector<std::string>{"two"});
  std::ifstream old(away);
  std::string first;
  std::getline(old, first);
  EXPECT_EQ(first, "one");
  ::unlink(away.c_str());
}

// As `outrider run | less`, left alone: nothing waits for the reader, neither a worker nor the end.
TEST_F(AccessLogTest, AReaderThatStopsCostsLinesWhichAreCountedAndNothingElse) {
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  const int reader = ::open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  uint64_t dropped = 0;
  constexpr uint64_t kLines = 20, kBytes = 1 << 20;
  {
    AccessLogWriter writer(path());
    ASSERT_TRUE(writer.opened());
    writer.start();
    for (uint64_t i = 0; i < kLines; ++i) {
      std::string line(kBytes - 1, 'x');
      line += '\n';
      writer.submit(line);
      EXPECT_TRUE(line.empty());
    }
    dropped = writer.dropped_lines();
  }
  EXPECT_GE(dropped, kLines - 8) << "four wait; up to four are being written, as the thread took one or a whole queue";
  EXPECT_LT(dropped, kLines);
  ::close(reader);
}

}  // namespace
}  // namespace outrider::exchange
