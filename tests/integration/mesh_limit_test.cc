// A limit that proxies share through a Redis.

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <thread>

#include "base/hash.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/redis.h"

namespace outrider::test {
namespace {

constexpr const char* kFailures = "outrider_rate_limit_store_failures_total";

class MeshLimit : public testing::Test {
 protected:
  void SetUp() override {
    if (!Redis::there()) GTEST_SKIP() << "needs redis-server";
  }
  // So slow that no token comes while the test runs.
  std::unique_ptr<Proxy> proxy(const Redis& redis, const std::string& options) {
    return std::make_unique<Proxy>(Proxy::edge({origin_->text()}) +
                                   "filters: {edge: [{rate_limit: {rate: 1/h, key: header.x-client, " + "scope: mesh, redis: \"" +
                                   redis.address() + "\", retry: 50ms, " + options + "}}]}\n");
  }
  static int ask(Proxy& proxy, const std::string& client) {
    return request(proxy.address(), "GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nX-Client: " + client + "\r\n\r\n")
        .status();
  }
  static int let_in(Proxy& proxy, const std::string& client, int times) {
    int let_in = 0;
    for (int i = 0; i < times; ++i) {
      const int status = ask(proxy, client);
      EXPECT_TRUE(status == 200 || status == 429) << status;
      let_in += status == 200;
    }
    return let_in;
  }
  static void await(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done()) ASSERT_LT(std::chrono::steady_clock::now(), limit);
  }
  // Everything this proxy has spent so far is told, and what others had spent by then is heard: a key of its own that comes to
  // Redis was told of with it, or later; and the next one behind the answer to that.
  void settle(const Redis& redis, Proxy& proxy) {
    for (int i = 0; i < 2; ++i) {
      const std::string client = "barrier-" + std::to_string(++barriers_);
      EXPECT_EQ(ask(proxy, client), 200);
      char key[20];
      std::snprintf(key, sizeof key, "%016llx", static_cast<unsigned long long>(mix(hash(client)) | 1));
      await([&] { return redis.answer_to("KEYS *:" + std::string(key) + "\r\n").starts_with("*1"); });
    }
  }

  int barriers_ = 0;
  std::unique_ptr<Origin> origin_ = Origin::answering("here");
};

TEST_F(MeshLimit, TwoProxiesLetInWhatOneWould) {
  Redis redis;
  auto a = proxy(redis, "burst: 100, timeout: 10s"), b = proxy(redis, "burst: 100, timeout: 10s");
  settle(redis, *a);
  settle(redis, *b);
  EXPECT_EQ(let_in(*a, "anna", 60), 60);
  settle(redis, *a);
  EXPECT_EQ(let_in(*b, "anna", 1), 1) << "heard of nothing yet";
  settle(redis, *b);
  EXPECT_EQ(let_in(*b, "anna", 60), 39) << "a hundred together";
  settle(redis, *b);
  // What a heard last was sixty: between two tellings it may let in the rest, and no more.
  const int too_many = let_in(*a, "anna", 60);
  EXPECT_GE(too_many, 1);
  EXPECT_LE(too_many, 40);
  settle(redis, *a);
  EXPECT_EQ(let_in(*a, "anna", 5), 0);
  EXPECT_EQ(let_in(*b, "bert", 5), 5) << "another key";
  await([&] { return a->metric("outrider_rate_limited_total", "scope=\"mesh\"") >= 5; });
  EXPECT_EQ(a->metric("outrider_rate_limited_total", "scope=\"local\""), 0);
  EXPECT_EQ(a->metric(kFailures), 0);
}

TEST_F(MeshLimit, AtTheSameMomentEachLetsInABurstAtMost) {
  Redis redis;
  auto a = proxy(redis, "burst: 50, name: shop, timeout: 10s"), b = proxy(redis, "burst: 50, name: shop, timeout: 10s");
  settle(redis, *a);
  settle(redis, *b);
  std::atomic<int> all{0};
  std::vector<std::thread> threads;
  for (Proxy* each : {a.get(), b.get(), a.get(), b.get()})
    threads.emplace_back([&all, each] { all += let_in(*each, "anna", 60); });
  for (auto& thread : threads) thread.join();
  EXPECT_GE(all, 50);
  EXPECT_LE(all, 100);
  settle(redis, *a);
  settle(redis, *b);
  EXPECT_EQ(let_in(*a, "anna", 5) + let_in(*b, "anna", 5), 0);
}

TEST_F(MeshLimit, ManyKeysEachHaveTheirOwn) {
  Redis redis;
  auto a = proxy(redis, "burst: 5, timeout: 10s"), b = proxy(redis, "burst: 5, timeout: 10s");
  settle(redis, *a);
  settle(redis, *b);
  constexpr int kKeys = 200;
  std::vector<int> got(kKeys);
  const auto everybody = [&](Proxy& proxy, int times) {
    for (int key = 0; key < kKeys; ++key) got[size_t(key)] += let_in(proxy, "client-" + std::to_string(key), times);
    settle(redis, proxy);
  };
  everybody(*a, 3);
  everybody(*b, 1);
  everybody(*b, 3);
  for (int key = 0; key < kKeys; ++key) EXPECT_EQ(got[size_t(key)], 5) << key;
}

TEST_F(MeshLimit, WhenRedisDiesTheLimitsAreEachProxysOwnUntilItIsBack) {
  Redis redis;
  auto a = proxy(redis, "burst: 10, timeout: 10s"), b = proxy(redis, "burst: 10, timeout: 10s");
  settle(redis, *a);
  settle(redis, *b);
  EXPECT_EQ(let_in(*a, "anna", 20), 10);
  redis.kill();
  await([&] { return a->metric(kFailures) > 0 && b->metric(kFailures) > 0; });
  EXPECT_EQ(let_in(*a, "anna", 20), 0) << "what was known is not forgotten";
  EXPECT_EQ(let_in(*b, "bert", 20), 10);
  EXPECT_EQ(let_in(*a, "bert", 20), 10);
  b->expect_metric(10, "outrider_rate_limited_total", "scope=\"local\"");
  redis.start();
  settle(redis, *a);
  settle(redis, *b);
  EXPECT_EQ(let_in(*a, "cleo", 4), 4);
  settle(redis, *a);
  EXPECT_EQ(let_in(*b, "cleo", 1), 1);
  settle(redis, *b);
  EXPECT_EQ(let_in(*b, "cleo", 20), 5) << "shared again";
}

TEST_F(MeshLimit, ARedisThatTakesConnectionsAndSaysNothingHoldsNobodyUp) {
  Redis redis;
  auto a = proxy(redis, "burst: 10, timeout: 50ms");
  settle(redis, *a);
  redis.stop();
  EXPECT_EQ(let_in(*a, "anna", 20), 10);
  await([&] { return a->metric(kFailures, "reason=\"timeout\"") >= 3; });
  EXPECT_EQ(let_in(*a, "bert", 20), 10);
  await([&] { return a->metric("outrider_rate_limited_total", "scope=\"local\"") >= 10; });
  redis.go_on();
  settle(redis, *a);
}

TEST_F(MeshLimit, ThePasswordIsAFiles) {
  Redis redis({"--requirepass", "sesame"});
  const std::string file = redis.path() + ".password";
  std::ofstream(file) << "wrong\n";
  auto a = proxy(redis, "burst: 10, timeout: 10s, password: \"file:" + file + "\"");
  await([&] { return a->metric(kFailures, "reason=\"auth\"") >= 2; });
  EXPECT_EQ(let_in(*a, "anna", 20), 10);
  std::ofstream(file) << "sesame\n";
  const auto refused_by_mesh = [&] { return a->metric("outrider_rate_limited_total", "scope=\"mesh\"") > 0; };
  await([&] {
    EXPECT_EQ(ask(*a, "anna"), 429);
    return refused_by_mesh();
  });
  ::unlink(file.c_str());
}

}  // namespace
}  // namespace outrider::test
