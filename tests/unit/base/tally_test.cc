#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/ref.h"
#include "base/tally.h"

namespace outrider {
namespace {

// --- ref ----------------------------------------------------------------------------------------------------------

struct Counted {
  uint32_t holders = 0;
  static inline int recycled = 0;
  static void recycle(Counted* object) {
    ++recycled;
    delete object;
  }
};

TEST(Ref, RecyclesAtTheLastHolder) {
  Counted::recycled = 0;
  Ref<Counted> a(new Counted);
  Ref<Counted> b = a;
  EXPECT_EQ(a->holders, 2u);
  Ref<Counted> c = std::move(a);
  EXPECT_FALSE(a);
  EXPECT_EQ(c->holders, 2u);
  b = c;
  EXPECT_EQ(c->holders, 2u);
  Ref<Counted>& alias = b;
  b = alias;
  EXPECT_EQ(b->holders, 2u);
  b = {};
  EXPECT_EQ(Counted::recycled, 0);
  c = Ref<Counted>(new Counted);
  EXPECT_EQ(Counted::recycled, 1);
  c = {};
  EXPECT_EQ(Counted::recycled, 2);
  EXPECT_FALSE(Ref<Counted>());
}

// --- tally --------------------------------------------------------------------------------------------------------

TEST(Tally, NeverLetsMoreInThanItsLimit) {
  Tally tally;
  EXPECT_FALSE(tally.enter(0));
  EXPECT_TRUE(tally.enter(2));
  EXPECT_TRUE(tally.enter(2));
  EXPECT_FALSE(tally.enter(2));
  EXPECT_EQ(tally.now(), 2u);
  tally.leave();
  EXPECT_TRUE(tally.enter(2));
  tally.leave();
  tally.leave();
  EXPECT_EQ(tally.now(), 0u);

  constexpr uint32_t kLimit = 3;
  std::atomic<uint32_t> inside{0}, worst{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        if (!tally.enter(kLimit)) continue;
        const uint32_t now = inside.fetch_add(1) + 1;
        uint32_t seen = worst.load();
        while (now > seen && !worst.compare_exchange_weak(seen, now)) {}
        inside.fetch_sub(1);
        tally.leave();
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_LE(worst.load(), kLimit);
  EXPECT_EQ(tally.now(), 0u);
}

TEST(Tally, RemembersTheMostThereWereUntilItIsAsked) {
  Tally tally;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(tally.enter(5));
  EXPECT_FALSE(tally.enter(5));
  for (int i = 0; i < 4; ++i) tally.leave();
  EXPECT_EQ(tally.take_most(), 5u);
  EXPECT_EQ(tally.take_most(), 1u);
}

TEST(TallyTable, CountsEachKeyByItself) {
  using Entry = TallyTable::Entry;
  TallyTable table;
  EXPECT_EQ(table.enter(1, 0), Entry::Refused);
  for (uint64_t key : {0, 1, 2}) {
    EXPECT_EQ(table.enter(key, 2), Entry::Counted);
    EXPECT_EQ(table.enter(key, 2), Entry::Counted);
    EXPECT_EQ(table.enter(key, 2), Entry::Refused);
  }
  table.leave(1);
  EXPECT_EQ(table.enter(0, 2), Entry::Refused);
  EXPECT_EQ(table.enter(1, 2), Entry::Counted);
  EXPECT_EQ(table.enter(1, 2), Entry::Refused);
  table.leave(7);
  EXPECT_EQ(table.enter(7, 1), Entry::Counted) << "leaving without entering changed nothing";
}

TEST(TallyTable, ForgetsKeysThatHaveLeftAndHoldsTenThousand) {
  TallyTable table;
  for (int round = 0; round < 3; ++round) {
    uint32_t uncounted = 0;
    std::vector<uint64_t> in;
    for (uint64_t key = 0; key < 10000; ++key) {
      if (table.enter(key + uint64_t(round) * 1000000, 1) == TallyTable::Entry::Counted)
        in.push_back(key + uint64_t(round) * 1000000);
      else ++uncounted;
    }
    EXPECT_LT(uncounted, 10u);
    for (const uint64_t key : in) ASSERT_EQ(table.enter(key, 1), TallyTable::Entry::Refused);
    for (const uint64_t key : in) table.leave(key);
  }
}

TEST(TallyTable, LetsKeysInUncountedWhenThereIsNoRoom) {
  TallyTable table;
  uint32_t uncounted = 0;
  for (uint64_t key = 0; key < 200000; ++key) {
    const auto entry = table.enter(key, 1);
    ASSERT_NE(entry, TallyTable::Entry::Refused);
    uncounted += entry == TallyTable::Entry::Uncounted;
  }
  EXPECT_GE(uncounted, 200000u - 65536u);
}

TEST(TallyTable, CountsComeBackToNothingAfterManyThreads) {
  TallyTable table;
  std::vector<std::thread> threads;
  std::atomic<uint32_t> inside{0}, worst{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (uint64_t i = 0; i < 20000; ++i) {
        if (table.enter(5, 3) != TallyTable::Entry::Counted) continue;
        const uint32_t now = inside.fetch_add(1) + 1;
        uint32_t seen = worst.load();
        while (now > seen && !worst.compare_exchange_weak(seen, now)) {}
        if (table.enter(i, 1000) == TallyTable::Entry::Counted) table.leave(i);
        inside.fetch_sub(1);
        table.leave(5);
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_LE(worst.load(), 3u + 4u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(table.enter(5, 3), TallyTable::Entry::Counted);
  EXPECT_EQ(table.enter(5, 3), TallyTable::Entry::Refused);
}

}  // namespace
}  // namespace outrider
