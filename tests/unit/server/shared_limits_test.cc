// What is told to a Redis, and what becomes of it when that does not answer as it should.

#include "server/shared_limits.h"

#include <gtest/gtest.h>

#include <mutex>

#include "filter/shared.h"
#include "stats/names.h"
#include "tests/support/loop.h"
#include "tests/support/origin.h"

namespace outrider::server {
namespace {

using test::run_until;

// Spends what a test says.
class FakeLimit final : public filter::Feed, public filter::Shared {
 public:
  explicit FakeLimit(filter::Store store) : store_(std::move(store)) {}
  std::string load() override { return {}; }
  void look() override {}
  filter::Shared* shared() override { return this; }
  const filter::Store& store() const override { return store_; }
  void on_spending(std::function<void()> wake) override { wake_ = std::move(wake); }
  void collect(std::vector<filter::Spending>& into, size_t) override {
    ++collected;
    for (auto& each : spent_) into.push_back(std::move(each));
    spent_.clear();
  }
  bool rest() override {
    resting = spent_.empty();
    return resting;
  }
  void settle(const filter::Spending& told, TimePoint, uint64_t microseconds) override {
    settled.emplace_back(told.key, microseconds);
  }
  void set_answering(bool yes) override { answering = yes; }
  void spend(const std::string& key, uint64_t microseconds) {
    spent_.push_back({key, microseconds, 1'000'000, 0, 0});
    if (std::exchange(resting, false)) wake_();
  }
  std::vector<std::pair<std::string, uint64_t>> settled;
  bool answering = false, resting = false;
  int collected = 0;

 private:
  const filter::Store store_;
  std::vector<filter::Spending> spent_;
  std::function<void()> wake_;
};

// One command as it was sent, its words between spaces; empty: the connection has ended.
std::string command_of(test::Stream& connection) {
  const auto line = connection.read_until("\r\n");
  if (!line || line->empty() || line->front() != '*') return {};
  std::string words;
  for (int left = std::atoi(line->c_str() + 1); left > 0; --left) {
    const auto length = connection.read_until("\r\n");
    if (!length || length->front() != '$') return {};
    const auto word = connection.read_exactly(size_t(std::atoi(length->c_str() + 1)));
    if (!word || !connection.read_exactly(2)) return {};
    words += (words.empty() ? "" : " ") + *word;
  }
  return words;
}

class SharedLimitsTest : public testing::Test {
 protected:
  ~SharedLimitsTest() override {
    limits.reset();
    test::run_turns(loop);
  }
  // Answers the n-th EVAL of all connections with the n-th of these, everything behind them with nothing; PING with `pong`.
  void serve(std::vector<std::string> answers, std::string pong = "+PONG\r\n", std::string auth = "+OK\r\n") {
    redis.reset();  // and its threads
    {
      const std::lock_guard lock(mutex_);
      answers_ = std::move(answers);
      next_ = 0;
    }
    redis = std::make_unique<test::Origin>([this, pong, auth](test::Stream& connection) {
      for (;;) {
        const std::string command = command_of(connection);
        if (command.empty()) return;
        std::string answer;
        {
          const std::lock_guard lock(mutex_);
          heard_.push_back(command);
          if (command == "PING") answer = pong;
          else if (command.starts_with("AUTH")) answer = auth;
          else if (next_ < answers_.size()) answer = answers_[next_++];
        }
        if (answer == "close") return;
        if (!connection.send(answer)) return;
      }
    });
  }
  void start(filter::Store store = {.timeout = seconds(10), .sync = milliseconds(1), .retry = milliseconds(20)}) {
    if (store.address.empty()) store.address = redis->text();
    limit = std::make_shared<FakeLimit>(store);
    limits = std::make_unique<SharedLimits>(loop, catalog, *shard);
    limits->keep({limit});
  }
  double failures(const std::string& reason) {
    uint64_t sum = 0;
    for (const auto* series : catalog.series())
      if (series->name.name == std::string(stats::names::kStoreFailures.name))
        for (const auto& label : series->labels)
          if (label.name == "reason" && label.value == reason) sum += catalog.total(*series);
    return double(sum);
  }
  std::vector<std::string> heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

  net::Loop loop;
  stats::Catalog catalog;
  std::unique_ptr<stats::Shard> shard = catalog.make_shard();
  std::mutex mutex_;
  std::vector<std::string> answers_, heard_;
  size_t next_ = 0;
  std::unique_ptr<test::Origin> redis;
  std::shared_ptr<FakeLimit> limit;
  std::unique_ptr<SharedLimits> limits;
};

TEST_F(SharedLimitsTest, WhatIsSpentIsToldAtOnceAndTheAnswerIsHandedBack) {
  serve({"*2\r\n:1000\r\n:-5\r\n", "*1\r\n:99000000000\r\n"});
  start();
  ASSERT_TRUE(run_until(loop, [&] { return limit->answering && limit->resting; }));
  limit->spend("a", 5);
  limit->spend("b", 7);
  ASSERT_TRUE(run_until(loop, [&] { return limit->settled.size() == 2; }));
  EXPECT_EQ(limit->settled[0], std::make_pair(std::string("a"), uint64_t(1000)));
  EXPECT_EQ(limit->settled[1], std::make_pair(std::string("b"), uint64_t(0)));
  limit->spend("c", 9);
  ASSERT_TRUE(run_until(loop, [&] { return limit->settled.size() == 3; }));
  EXPECT_EQ(limit->settled[2].second, 1'000'000u) << "not more than is ever owed";
  const auto all = heard();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0], "PING");
  EXPECT_TRUE(all[1].starts_with("EVAL ") && all[1].ends_with(" 2 a b 5 1000000 7 1000000")) << all[1];
  EXPECT_TRUE(all[2].ends_with(" 1 c 9 1000000")) << all[2];
  ASSERT_TRUE(run_until(loop, [&] { return limit->resting; })) << "nothing happens while nobody spends";
}

TEST_F(SharedLimitsTest, ManyKeysAreSeveralCommandsAndOneWay) {
  std::string many = "*256\r\n";
  for (int i = 0; i < 256; ++i) many += ":1\r\n";
  serve({many, "*44\r\n" + many.substr(6, 44 * 4)});
  start();
  ASSERT_TRUE(run_until(loop, [&] { return limit->answering && limit->resting; }));
  for (int i = 0; i < 300; ++i) limit->spend(std::to_string(i), 1);
  ASSERT_TRUE(run_until(loop, [&] { return limit->settled.size() == 300; }));
  for (int i = 0; i < 300; ++i) EXPECT_EQ(limit->settled[size_t(i)].first, std::to_string(i));
  EXPECT_EQ(heard().size(), 3u);
}

TEST_F(SharedLimitsTest, WhateverElseItAnswersIsCountedAndItIsTriedAgain) {
  const std::pair<const char*, std::string> troubles[] = {
      {"refused", "-READONLY You can't write against a read only replica.\r\n"},
      {"auth", "-NOPERM this user has no permissions\r\n"},
      {"protocol", "HTTP/1.1 400 Bad Request\r\n\r\n"},
      {"protocol", "+OK\r\n"},
      {"protocol", "*2\r\n:1\r\n:2\r\n"},
      {"protocol", "*1\r\n$1\r\nx\r\n"},
      {"protocol", "$60000000\r\n" + std::string(200'000, 'x')},
      {"protocol", "*1\r\n:1\r\n*1\r\n:1\r\n"},
      {"closed", "close"},
  };
  for (const auto& [reason, answer] : troubles) {
    SCOPED_TRACE(answer.substr(0, 40));
    limits.reset();
    const double before = failures(reason);
    serve({answer, "*1\r\n:42\r\n"});
    start();
    if (answer == "*1\r\n:1\r\n*1\r\n:1\r\n") {  // the first is as it should be
      ASSERT_TRUE(run_until(loop, [&] { return limit->answering; }));
      limit->spend("a", 5);
      ASSERT_TRUE(run_until(loop, [&] { return failures(reason) > before; }));
      continue;
    }
    ASSERT_TRUE(run_until(loop, [&] { return limit->answering; }));
    limit->spend("a", 5);
    ASSERT_TRUE(run_until(loop, [&] { return failures(reason) > before; }));
    EXPECT_TRUE(limit->settled.empty());
    ASSERT_TRUE(run_until(loop, [&] { return limit->answering; })) << "it comes back by itself";
    limit->spend("b", 7);
    ASSERT_TRUE(run_until(loop, [&] { return !limit->settled.empty(); }));
    EXPECT_EQ(limit->settled[0], std::make_pair(std::string("b"), uint64_t(42)));
  }
}

TEST_F(SharedLimitsTest, SilenceIsNotWaitedForLong) {
  serve({"", "*1\r\n:42\r\n"});
  start({.timeout = milliseconds(50), .sync = milliseconds(1), .retry = milliseconds(20)});
  ASSERT_TRUE(run_until(loop, [&] { return limit->answering; }));
  limit->spend("a", 5);
  ASSERT_TRUE(run_until(loop, [&] { return failures("timeout") > 0; }));
  EXPECT_FALSE(limit->answering);
}

TEST_F(SharedLimitsTest, WhoNeverAnswersAtAllIsNotRelyedOn) {
  serve({}, "");
  start({.timeout = milliseconds(20), .sync = milliseconds(1), .retry = milliseconds(20)});
  limit->resting = true;
  limit->spend("a", 5);
  ASSERT_TRUE(run_until(loop, [&] { return failures("timeout") >= 3; }));
  EXPECT_FALSE(limit->answering);
  EXPECT_EQ(limit->collected, 0) << "what was spent waits for somebody who can be told";
}

TEST_F(SharedLimitsTest, WhereNobodyListensItIsTriedAgain) {
  start({.address = test::refusing_address().text(), .timeout = seconds(10), .retry = milliseconds(20)});
  ASSERT_TRUE(run_until(loop, [&] { return failures("connect") >= 3; }));
}

TEST_F(SharedLimitsTest, ANameThatIsNoneIsALookup) {
  start({.address = "nobody.invalid:6379", .timeout = seconds(10), .retry = milliseconds(20)});
  ASSERT_TRUE(run_until(loop, [&] { return failures("lookup") >= 1; }));
}

TEST_F(SharedLimitsTest, ThePasswordGoesFirst) {
  char file[] = "/tmp/outrider-password-XXXXXX";
  const int fd = ::mkstemp(file);
  ASSERT_EQ(::write(fd, "open sesame\n", 12), 12);
  ::close(fd);
  const filter::Store store{.password = file, .timeout = seconds(10), .sync = milliseconds(1), .retry = milliseconds(20)};
  serve({});
  start(store);
  ASSERT_TRUE(run_until(loop, [&] { return limit->answering; }));
  EXPECT_EQ(heard(), (std::vector<std::string>{"AUTH open sesame", "PING"}));
  serve({}, "-NOAUTH Authentication required.\r\n", "-WRONGPASS invalid username-password pair\r\n");
  start(store);
  ASSERT_TRUE(run_until(loop, [&] { return failures("auth") >= 2; }));
  EXPECT_FALSE(limit->answering);
  ::unlink(file);
  ASSERT_TRUE(run_until(loop, [&] { return failures("auth") >= 4; })) << "a password that cannot be read is none";
}

}  // namespace
}  // namespace outrider::server
