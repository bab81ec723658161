#include "stats/exemplars.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "stats/collector.h"
#include "stats/names.h"
#include "stats/reader.h"

namespace outrider::stats {
namespace {

TraceId trace(uint64_t number) {
  TraceId id{};
  std::memcpy(id.data(), &number, sizeof number);
  std::memcpy(id.data() + 8, &number, sizeof number);
  return id;
}

TEST(Exemplars, TheLastOfAPowerOfTwoIsKept) {
  Catalog catalog;
  auto shard = catalog.make_shard();
  const Slot slot = catalog.slot(names::kRequestDuration, {{"route", "a"}});
  EXPECT_TRUE(Reader(catalog).exemplars().empty());
  shard->leave_exemplar(slot, 1000, trace(1), 50);
  shard->leave_exemplar(slot, 1023, trace(2), 60);
  shard->leave_exemplar(slot, 70'000, trace(3), 70);
  auto all = Reader(catalog).exemplars();
  ASSERT_EQ(all.size(), 2u);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.microseconds < b.microseconds; });
  EXPECT_EQ(all[0].microseconds, 1023u);
  EXPECT_EQ(all[0].trace, trace(2));
  EXPECT_EQ(all[0].histogram, slot);
  EXPECT_EQ(all[1].unix_microseconds, 70u);
}

TEST(Exemplars, StandOnTheBucketTheyAreOf) {
  Catalog catalog;
  Collector collector(catalog, Bounds{.usual = {0.001, 0.01}});
  auto one = catalog.make_shard(), two = catalog.make_shard();
  const Slot slot = catalog.slot(names::kRequestDuration, {{"route", "a"}});
  catalog.slot(names::kRequestDuration, {{"route", "b"}});
  for (const uint64_t us : {900, 1000, 5000, 2'000'000}) one->observe(slot, us);
  one->leave_exemplar(slot, 900, trace(1), 1'000'000);
  two->leave_exemplar(slot, 1000, trace(2), 2'500'000);  // the bound is of its bucket; newer
  one->leave_exemplar(slot, 2'000'000, trace(3), 3'000'000);
  const Scrape scrape = collector.scrape(true);
  ASSERT_EQ(scrape.marks.size(), 2u);
  const auto& family = scrape.families.at(scrape.marks[0].family);
  EXPECT_EQ(family.name, names::kRequestDuration.name);
  EXPECT_EQ(family.metric.at(scrape.marks[0].metric).label.at(0).value, "a");
  EXPECT_EQ(scrape.marks[0].bucket, 0u);
  EXPECT_EQ(scrape.marks[0].value, 0.001);
  EXPECT_EQ(scrape.marks[0].timestamp, 2.5);
  EXPECT_EQ(scrape.marks[0].trace, trace(2));
  EXPECT_EQ(scrape.marks[1].bucket, 2u) << "+Inf";
  EXPECT_TRUE(collector.scrape(false).marks.empty());
}

// A reader gets all of one, or nothing.
TEST(Exemplars, AreReadWhileTheyAreWritten) {
  Catalog catalog;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    auto shard = catalog.make_shard();
    for (uint64_t i = 1; !stop.load(); ++i) shard->leave_exemplar(Slot(i % 3 + 300), i % 1000, trace(i), i);
  });
  for (size_t seen = 0; seen < 20'000;)
    for (const Exemplar& one : Reader(catalog).exemplars()) {
      ++seen;
      const uint64_t i = one.unix_microseconds;
      ASSERT_EQ(one.histogram, Slot(i % 3 + 300));
      ASSERT_EQ(one.microseconds, i % 1000);
      ASSERT_EQ(one.trace, trace(i));
    }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace outrider::stats
