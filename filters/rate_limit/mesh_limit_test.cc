// Several proxies' buckets and a store between them, without any of the three.

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "filters/rate_limit/mesh_limit.h"
#include "tests/support/seat.h"

namespace outrider::filters {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

// What the script in Redis does.
struct FakeStore {
  std::map<std::string, uint64_t> full_at;  // microseconds
  uint64_t tell(const filter::Spending& spent, uint64_t now_us) {
    uint64_t& full = full_at[spent.key];
    full = std::min(std::max(full, now_us) + spent.microseconds, now_us + spent.most);
    return full - now_us;
  }
};

struct SharingProxy {
  explicit SharingProxy(double rate = 100, double burst = 100, uint32_t keys = 100)
      : buckets(std::make_shared<Buckets>(rate, burst, keys)), limit({.address = "redis:1"}, "shop", buckets) {
    limit.on_spending([this] { ++woken; });
    EXPECT_TRUE(limit.rest());
  }
  int ask(uint64_t key, uint64_t now, int times) {
    int let_in = 0;
    for (int i = 0; i < times; ++i) {
      Buckets::Place place;
      if (buckets->take(key, now, &place)) continue;
      limit.spent(place);
      ++let_in;
    }
    return let_in;
  }
  size_t sync(FakeStore& store, uint64_t now, size_t at_most = 1000) {
    std::vector<filter::Spending> all;
    limit.collect(all, at_most);
    for (const auto& each : all) limit.settle(each, TimePoint(std::chrono::nanoseconds(now)), store.tell(each, now / 1000));
    EXPECT_TRUE(!all.empty() || limit.rest());
    return all.size();
  }
  std::shared_ptr<Buckets> buckets;
  MeshLimit limit;
  int woken = 0;
};

TEST(MeshLimit, TwoThatTellEachOtherLetInWhatOneWould) {
  FakeStore store;
  SharingProxy a, b;
  EXPECT_EQ(a.ask(1, kSecond, 60), 60);
  a.sync(store, kSecond);
  EXPECT_EQ(b.ask(1, kSecond, 1), 1) << "it has heard nothing yet";
  b.sync(store, kSecond);
  EXPECT_EQ(b.ask(1, kSecond, 1000), 39);
  b.sync(store, kSecond);
  EXPECT_EQ(a.ask(1, kSecond, 1000), 40) << "what it last heard of was sixty";
  a.sync(store, kSecond);
  EXPECT_EQ(a.ask(1, kSecond, 1000), 0);
  // Forty too many: for so long nobody gets in.
  EXPECT_EQ(a.ask(1, kSecond + kSecond * 40 / 100, 1000), 0);
  EXPECT_EQ(a.ask(1, kSecond + kSecond * 50 / 100, 1000), 10);
}

// However they ask: not more than the rate, and a burst and what is let in between two tellings for each of them.
TEST(MeshLimit, TogetherTheyKeepTheRate) {
  constexpr int kProxies = 5, kTicks = 1000;
  constexpr uint64_t kTick = kSecond / 100;
  FakeStore store;
  std::vector<std::unique_ptr<SharingProxy>> proxies;
  for (int i = 0; i < kProxies; ++i) proxies.push_back(std::make_unique<SharingProxy>(100, 20));
  int let_in = 0, refused_first_second = 0;
  for (int tick = 0; tick < kTicks; ++tick) {
    const uint64_t now = kSecond + uint64_t(tick) * kTick;
    for (auto& proxy : proxies) {
      const int more = proxy->ask(1, now, 10);
      let_in += more;
      if (tick < 100) refused_first_second += 10 - more;
    }
    for (auto& proxy : proxies) proxy->sync(store, now);
  }
  const int fair = kTicks;  // one comes in each
  EXPECT_GE(let_in, fair);
  EXPECT_LE(let_in, fair + kProxies * (20 + 1));
  EXPECT_GT(refused_first_second, 0);
}

TEST(MeshLimit, KeysAreToldOfOneByOneAndNotAgain) {
  FakeStore store;
  SharingProxy a(100, 100, 1000);
  for (uint64_t key = 1; key <= 300; ++key) a.ask(key, kSecond, 2);
  size_t told = 0;
  while (const size_t n = a.sync(store, kSecond, 128)) told += n;
  EXPECT_EQ(told, 300u);
  EXPECT_EQ(store.full_at.size(), 300u);
  for (const auto& [key, full_at] : store.full_at) {
    EXPECT_EQ(full_at, 1'000'000u + 20'000u) << key;
    EXPECT_EQ(key.rfind("outrider:rate:shop:", 0), 0u) << key;
  }
}

TEST(MeshLimit, SomebodyIsWokenOnceWhileItRests) {
  FakeStore store;
  SharingProxy a;
  a.ask(1, kSecond, 5);
  a.ask(2, kSecond, 5);
  EXPECT_EQ(a.woken, 1);
  EXPECT_FALSE(a.limit.rest()) << "there is something to tell";
  a.sync(store, kSecond);
  a.ask(1, kSecond, 1);
  EXPECT_EQ(a.woken, 1) << "whoever was woken asks again before resting";
  a.sync(store, kSecond);
  a.sync(store, kSecond);
  a.ask(1, kSecond, 1);
  EXPECT_EQ(a.woken, 2);
}

// Nobody could be told for long: others do not have to wait for all of it.
TEST(MeshLimit, AfterLongSilenceNoMoreThanABurstAndASecondIsTold) {
  FakeStore store;
  SharingProxy a(100, 10);
  for (uint64_t second = 1; second <= 60; ++second) a.ask(1, second * kSecond, 1000);
  a.sync(store, 60 * kSecond);
  EXPECT_EQ(store.full_at.begin()->second, 60'000'000u + 1'100'000u);
}

TEST(MeshLimit, AFloodOfKeysTakesNoMoreRoomAndNobodyPaysForOthers) {
  FakeStore store;
  SharingProxy a(100, 5, 16);
  for (uint64_t key = 1; key <= 10'000; ++key) EXPECT_EQ(a.ask(key, kSecond, 1), 1);
  EXPECT_LE(a.sync(store, kSecond, 10'000), size_t(a.buckets->places()));
  for (const auto& [key, full_at] : store.full_at) EXPECT_EQ(full_at, 1'000'000u + 10'000u) << key;
}

TEST(MeshLimit, ThreadsLoseNothingOfWhatTheySpend) {
  FakeStore store;
  SharingProxy a(1000, 1e6);
  std::atomic<bool> done{false};
  uint64_t told = 0;
  const auto sync = [&] {
    std::vector<filter::Spending> all;
    a.limit.collect(all, 1000);
    for (const auto& each : all) told += each.microseconds;
    if (all.empty()) (void)a.limit.rest();
  };
  std::atomic<int> spent{0};
  a.limit.on_spending([] {});
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        Buckets::Place place;
        if (a.buckets->take(uint64_t(i % 3), kSecond, &place)) continue;
        a.limit.spent(place);
        ++spent;
      }
    });
  std::thread teller([&] {
    while (!done) sync();
  });
  for (auto& thread : threads) thread.join();
  done = true;
  teller.join();
  sync();
  // Two threads that meet a new key at once may give it two places, and the one its first token.
  EXPECT_LE(told, uint64_t(spent) * 1000);
  EXPECT_GE(told, uint64_t(spent - 9) * 1000);
}

TEST(MeshLimit, SaysWhatIsWrongWithItsOptions) {
  const auto complaint = [](const std::string& options) {
    return test::complaint_of("rate_limit", "{rate: 1/s, " + options + "}");
  };
  EXPECT_EQ(complaint("scope: mesh, redis: \"127.0.0.1:6379\""), "");
  EXPECT_EQ(complaint("scope: mesh, redis: \"unix:/run/redis\", name: a, password: file:/x, timeout: 1s, sync: 5ms, retry: 1s"),
            "");
  EXPECT_EQ(complaint("scope: mesh"), "redis: missing");
  EXPECT_EQ(complaint("scope: mesh, redis: here"), "redis: expected host:port or unix:/path, got \"here\"");
  EXPECT_EQ(complaint("scope: mesh, redis: \"redis://a:1\""), "redis: expected host:port or unix:/path, got \"redis://a:1\"");
  EXPECT_EQ(complaint("scope: galaxy"), "scope: expected local or mesh, got \"galaxy\"");
  EXPECT_EQ(complaint("redis: \"127.0.0.1:6379\""), "redis: only a limit with scope: mesh has it");
  EXPECT_EQ(complaint("scope: mesh, redis: \"a:1\", password: secret"),
            "password: expected file:/path, because what is in it is not for configurations");
  EXPECT_EQ(complaint("scope: mesh, redis: \"a:1\", timeout: 2m"), "timeout: expected a duration from 1ms to 1m");
}

}  // namespace
}  // namespace outrider::filters
