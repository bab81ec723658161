#include <gtest/gtest.h>

#include <random>
#include <set>
#include <thread>

#include "stats/histogram.h"
#include "stats/names.h"
#include "stats/stats.h"

namespace outrider::stats {
namespace {

const Series* find(const Catalog& catalog, Slot slot) {
  for (const Series* series : catalog.series())
    if (series->slot == slot) return series;
  return nullptr;
}

uint64_t total(const Catalog& catalog, Slot slot) {
  const Series* series = find(catalog, slot);
  return series ? catalog.total(*series) : UINT64_MAX;
}

TEST(Catalog, TheSameNameAndLabelsGiveTheSameSlotInAnyOrder) {
  Catalog catalog;
  Slot slot = catalog.slot(names::kClusterEndpoints, {{"cluster", "web"}, {"state", "ready"}});
  EXPECT_EQ(catalog.slot(names::kClusterEndpoints, {{"state", "ready"}, {"cluster", "web"}}), slot);
  EXPECT_NE(catalog.slot(names::kClusterEndpoints, {{"cluster", "web"}, {"state", "stale"}}), slot);
  EXPECT_NE(catalog.slot(names::kClusterPanic, {{"cluster", "web"}}), slot);
  EXPECT_EQ(catalog.series().size(), 3u);
}

TEST(Catalog, SlotsOfHistogramsDoNotOverlapOthers) {
  Catalog catalog;
  Slot histogram = catalog.slot(names::kRequestDuration, {{"route", "a"}});
  Slot next = catalog.slot(names::kRequests, {{"route", "a"}});
  auto shard = catalog.make_shard();
  shard->observe(histogram, UINT64_MAX >> 8);  // the last bucket
  EXPECT_EQ(shard->read(next), 0u);
  EXPECT_EQ(catalog.histogram(*find(catalog, histogram)).count(), 1u);
}

TEST(Catalog, TotalsAreSumsOverShardsAndStayWhenAShardGoes) {
  Catalog catalog;
  Slot counter = catalog.slot(names::kRequests, {{"route", "a"}});
  Slot gauge = catalog.slot(names::kRequestsInFlight, {{"cluster", "a"}});
  Slot histogram = catalog.slot(names::kRequestDuration, {{"route", "a"}});
  auto one = catalog.make_shard();
  {
    auto two = catalog.make_shard();
    for (auto* shard : {one.get(), two.get()}) {
      shard->add(counter, 5);
      shard->add(gauge, 2);
      shard->observe(histogram, 100);
    }
    one->sub(gauge);
    EXPECT_EQ(total(catalog, counter), 10u);
    EXPECT_EQ(total(catalog, gauge), 3u);
  }
  EXPECT_EQ(total(catalog, counter), 10u);
  EXPECT_EQ(total(catalog, gauge), 1u);
  EXPECT_EQ(catalog.histogram(*find(catalog, histogram)).count(), 2u);
  EXPECT_EQ(catalog.histogram(*find(catalog, histogram)).sum(), 200u);
}

TEST(Catalog, AGaugeThatOneShardTakesFromAndAnotherAddsToSumsUp) {
  Catalog catalog;
  Slot gauge = catalog.slot(names::kRequestsInFlight);
  auto one = catalog.make_shard(), two = catalog.make_shard();
  one->sub(gauge, 3);
  two->add(gauge, 4);
  EXPECT_EQ(int64_t(total(catalog, gauge)), 1);
  two->set(gauge, 0);
  EXPECT_EQ(int64_t(total(catalog, gauge)), -3);
}

TEST(Catalog, AShardMayOutliveItsCatalog) {
  auto catalog = std::make_unique<Catalog>();
  Slot slot = catalog->slot(names::kRequests);
  auto shard = catalog->make_shard();
  catalog.reset();
  shard->add(slot, 7);
  EXPECT_EQ(shard->read(slot), 7u);
}

TEST(Catalog, MoreIsKeptThanShownAndAboveThatSeriesOfANameShareItsOther) {
  Catalog catalog(3);
  const auto slot = [&](uint64_t route) {
    return catalog.slot(names::kRequests, {{"route", std::to_string(route)}, {"code", "200"}});
  };
  const uint64_t most = 3 * Catalog::kKept;
  for (uint64_t i = 0; i < most; ++i) slot(i);
  EXPECT_EQ(catalog.dropped(), 0u);
  const Slot other = slot(most);
  EXPECT_EQ(slot(most + 1), other);
  EXPECT_EQ(catalog.dropped(), 2u);
  EXPECT_EQ(find(catalog, other)->labels, (std::vector<Label>{{"route", "__other__"}, {"code", "200"}}));
  EXPECT_NE(slot(0), other) << "known ones keep their slot";
  EXPECT_EQ(catalog.dropped(), 2u);
  const Slot closed = catalog.slot(names::kMemory, {{"subsystem", "stats"}});
  EXPECT_EQ(find(catalog, closed)->labels[0].value, "stats") << "what has no open label always fits";
  catalog.slot(names::kRegistryPeers);
  EXPECT_EQ(catalog.dropped(), 2u);
}

TEST(Catalog, OfEachHistogramAsManyAreKeptAsCouldBeShownOfIt) {
  Catalog catalog(36, 18);
  for (const char* route : {"a", "b"}) catalog.slot(names::kRequestDuration, {{"route", route}});
  EXPECT_EQ(catalog.dropped(), 0u);
  const Slot other = catalog.slot(names::kRequestDuration, {{"route", "c"}});
  EXPECT_EQ(find(catalog, other)->labels[0].value, "__other__");
  EXPECT_EQ(find(catalog, catalog.slot(names::kFirstByte, {{"route", "c"}}))->labels[0].value, "c") << "each name by itself";
  EXPECT_EQ(catalog.dropped(), 1u);
}

TEST(Catalog, WithNoSlotLeftWritesGoNowhereAndHarmNobody) {
  Catalog catalog(UINT32_MAX, 1);
  const uint32_t fit = uint32_t(uint64_t(Shard::kChunk) * Shard::kChunks / Histogram::kSlots) - 1;
  for (uint32_t i = 0; i < fit; ++i) ASSERT_NE(catalog.slot(names::kRequestDuration, {{"route", std::to_string(i)}}), kNowhere);
  EXPECT_EQ(catalog.slot(names::kRequestDuration, {{"route", "one too many"}}), kNowhere);
  EXPECT_EQ(catalog.dropped(), 1u);
  auto shard = catalog.make_shard();
  shard->observe(kNowhere, UINT64_MAX >> 8);
  for (const Series* series : catalog.series()) ASSERT_EQ(catalog.histogram(*series).count(), 0u);
}

// Names are found, shards come and go, and a reader looks on: what it sees never falls, and nothing is lost.
TEST(Catalog, WritersAndReadersNeedNoLockBetweenThem) {
  constexpr int kThreads = 4, kRounds = 300, kNames = 20;
  Catalog catalog;
  std::atomic<int> running{kThreads};
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t)
    writers.emplace_back([&, t] {
      auto shard = catalog.make_shard();
      for (int i = 0; i < kRounds; ++i) {
        if (i == kRounds / 2) shard = catalog.make_shard();
        std::vector<Label> labels = {{"route", std::to_string((i + t) % kNames)}};
        shard->add(catalog.slot(names::kRequests, labels));
        shard->observe(catalog.slot(names::kRequestDuration, labels), uint64_t(i));
      }
      shard.reset();
      running.fetch_sub(1);
    });
  uint64_t seen = 0;
  auto look = [&] {
    uint64_t requests = 0, durations = 0;
    for (const Series* series : catalog.series()) {
      if (series->name.kind == Kind::Counter) requests += catalog.total(*series);
      else durations += catalog.histogram(*series).count();
    }
    EXPECT_GE(requests, seen);
    seen = requests;
    return std::pair(requests, durations);
  };
  while (running.load() > 0) look();
  for (auto& writer : writers) writer.join();
  const uint64_t all = uint64_t(kThreads) * kRounds;
  EXPECT_EQ(look(), std::pair(all, all));
  EXPECT_EQ(catalog.series().size(), size_t(2 * kNames));
}

TEST(Names, AreUniqueWellFormedAndExplained) {
  std::set<std::string> seen;
  for (const Name* name : names::kAll) {
    std::string text = name->name;
    EXPECT_TRUE(seen.insert(text).second) << text;
    EXPECT_TRUE(text.starts_with("outrider_") || text.starts_with("process_")) << text;
    EXPECT_EQ(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string::npos) << text;
    EXPECT_EQ(text.ends_with("_total"), name->kind == Kind::Counter) << text;
    if (name->kind == Kind::Histogram) {
      EXPECT_TRUE(text.ends_with("_seconds") && name->scale == names::kMicro) << text;
    }
    EXPECT_TRUE(std::string(name->help).ends_with(".")) << text;
  }
}

}  // namespace
}  // namespace outrider::stats
