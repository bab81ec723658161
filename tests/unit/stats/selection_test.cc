#include "stats/selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "stats/names.h"
#include "tests/support/seed.h"

namespace outrider::stats {
namespace {

constexpr milliseconds kMinute{60'000};

// Lines of what is shown, by name and labels; of histograms the count.
struct Ground {
  explicit Ground(uint32_t room, milliseconds idle = milliseconds(600'000))
      : room(room), selection(catalog, {18, 17, 13}, idle) {}
  void use(const std::string& route, uint64_t times = 1) { shard->add(requests(route), times); }
  Slot requests(const std::string& route) {
    return catalog.slot(names::kRequests, {{"direction", "edge"}, {"route", route}, {"code", "200"}});
  }
  Slot duration(const std::string& route) {
    return catalog.slot(names::kRequestDuration, {{"direction", "edge"}, {"route", route}});
  }
  std::map<std::string, uint64_t> look() {
    taken = selection.look(now, room);
    std::map<std::string, uint64_t> shown;
    lines = 0;
    selection.show([&](const Selection::Item& item) {
      std::string key = item.name.name;
      for (const Label& label : item.labels) key += " " + label.value;
      EXPECT_TRUE(shown.emplace(key, item.histogram ? item.histogram->count() : item.value).second) << "twice: " << key;
      lines += item.histogram ? 18 : 1;
    });
    return shown;
  }
  Catalog catalog{5000};
  std::unique_ptr<Shard> shard = catalog.make_shard();
  uint32_t room, taken = 0, lines = 0;
  Selection selection;
  TimePoint now = TimePoint{} + kMinute;
};

uint64_t sum(const std::map<std::string, uint64_t>& shown, std::string_view name) {
  uint64_t all = 0;
  for (const auto& [key, value] : shown)
    if (key.starts_with(name)) all += value;
  return all;
}

TEST(Selection, ShowsEverythingWhereThereIsRoom) {
  Ground ground(100);
  for (const char* route : {"a", "b", "c"}) ground.use(route, 2);
  ground.shard->observe(ground.duration("a"), 7);
  const auto shown = ground.look();
  EXPECT_EQ(shown.size(), 4u);
  EXPECT_EQ(shown.at("outrider_requests_total edge c 200"), 2u);
  EXPECT_EQ(ground.taken, 3u + 18u);
  EXPECT_EQ(ground.catalog.dropped(), 0u);
}

TEST(Selection, TheMostUsedAreShownAndTheRestIsOneOther) {
  Ground ground(6);
  for (int i = 0; i < 20; ++i) ground.use("r" + std::to_string(i), uint64_t(i) + 1);
  const auto shown = ground.look();
  EXPECT_EQ(ground.taken, 6u);
  EXPECT_EQ(shown.size(), 6u);
  for (int i = 15; i < 20; ++i) EXPECT_EQ(shown.count("outrider_requests_total edge r" + std::to_string(i) + " 200"), 1u) << i;
  EXPECT_EQ(shown.at("outrider_requests_total edge __other__ 200"), 15u * 16 / 2) << "labels of closed sets stay";
  EXPECT_EQ(ground.catalog.dropped(), 15u);
  ground.look();
  EXPECT_EQ(ground.catalog.dropped(), 15u) << "a series that stays out is counted once";
}

TEST(Selection, WhatHasNoOpenLabelIsAlwaysShown) {
  Ground ground(10);
  for (const char* loop : {"worker", "control"}) ground.catalog.slot(names::kMemory, {{"subsystem", loop}});
  ground.catalog.slot(names::kOverloadLevel);
  for (int i = 0; i < 100; ++i) ground.use("r" + std::to_string(i), 1000);
  const auto shown = ground.look();
  EXPECT_EQ(shown.size(), 10u);
  EXPECT_EQ(shown.count("outrider_memory_bytes worker"), 1u);
  EXPECT_EQ(shown.count("outrider_memory_bytes control"), 1u);
  EXPECT_EQ(shown.count("outrider_overload_level"), 1u);
}

TEST(Selection, HistogramsDoNotTakeTheRoomOfCounters) {
  Ground ground(200);
  for (int i = 0; i < 100; ++i) {
    const std::string route = "r" + std::to_string(i);
    ground.use(route, 100 - uint64_t(i));
    ground.shard->observe(ground.duration(route), 5);
  }
  const auto shown = ground.look();
  EXPECT_LE(ground.taken, 200u);
  EXPECT_EQ(ground.taken, ground.lines);
  EXPECT_EQ(shown.count("outrider_request_duration_seconds edge r0"), 1u);
  EXPECT_GT(std::count_if(shown.begin(), shown.end(), [](const auto& one) { return one.first.starts_with("outrider_requests"); }),
            80);
  EXPECT_EQ(sum(shown, "outrider_request_duration_seconds"), 100u) << "with those of __other__";
}

TEST(Selection, ListenersArePreferredAndClustersAndRoutesShare) {
  Ground ground(60);
  for (int i = 0; i < 100; ++i) {
    ground.use("r" + std::to_string(i), 1000);
    ground.shard->add(ground.catalog.slot(names::kClusterPicks, {{"cluster", "c" + std::to_string(i)}, {"locality", "local"}}),
                      10);
  }
  ground.shard->add(ground.catalog.slot(names::kConnections, {{"direction", "edge"}, {"listener", "edge"}, {"tls", "none"}}));
  const auto shown = ground.look();
  EXPECT_EQ(shown.count("outrider_connections_total edge edge none"), 1u);
  const auto count = [&](std::string_view name) {
    return std::count_if(shown.begin(), shown.end(), [&](const auto& one) { return one.first.starts_with(name); });
  };
  EXPECT_GE(count("outrider_cluster_picks"), 20);
  EXPECT_GE(count("outrider_requests"), 20);
}

TEST(Selection, WhoIsShownStaysUnlessAnotherIsTwiceAsMuchUsed) {
  Ground ground(2);
  ground.use("a", 10);
  ground.use("b", 8);
  ground.use("c");
  EXPECT_EQ(ground.look().count("outrider_requests_total edge a 200"), 1u);
  ground.use("b", 10);  // 18: not twice as much
  EXPECT_EQ(ground.look().count("outrider_requests_total edge a 200"), 1u);
  ground.use("b", 10);
  const auto shown = ground.look();
  EXPECT_EQ(shown.count("outrider_requests_total edge b 200"), 1u);
  EXPECT_EQ(shown.count("outrider_requests_total edge a 200"), 0u);
}

TEST(Selection, WhatWasMuchUsedOnceGivesWay) {
  Ground ground(2);
  ground.use("a", 1000);
  ground.use("b");
  ground.use("c");
  EXPECT_EQ(ground.look().count("outrider_requests_total edge a 200"), 1u);
  for (int minute = 0; minute < 60; ++minute) {
    ground.now += kMinute;
    ground.use("b", 20);
    ground.look();
  }
  EXPECT_EQ(ground.look().count("outrider_requests_total edge b 200"), 1u);
}

// Whoever comes and goes: the sum is what was counted, and nothing that is shown falls.
TEST(Selection, NothingIsCountedTwiceAndNothingFalls) {
  Random random = test::seeded_random();
  Ground ground(120);
  uint64_t requests = 0, answers = 0;
  std::map<std::string, uint64_t> last;
  for (int round = 0; round < 200; ++round) {
    ground.now += kMinute * random.below(3);
    const unsigned favourite = random.below(40);
    for (int i = 0; i < 30; ++i) {
      const std::string route = "r" + std::to_string(random.below(3) ? favourite + random.below(4) : random.below(40));
      const uint64_t times = random.below(9);
      ground.use(route, times);
      requests += times;
      ground.shard->observe(ground.duration(route), random.below(100));
      ++answers;
    }
    const auto shown = ground.look();
    ASSERT_LE(ground.lines, 120u);
    ASSERT_EQ(ground.taken, ground.lines);
    EXPECT_LE(sum(shown, "outrider_requests_total"), requests);
    for (const auto& [key, value] : shown) {
      EXPECT_GE(value, last[key]) << key;
      last[key] = value;
    }
    // What is hidden just now keeps what it had.
    EXPECT_EQ(sum(last, "outrider_requests_total"), requests);
    EXPECT_LE(sum(last, "outrider_request_duration_seconds"), answers);
  }
}

TEST(Selection, AGaugeThatIsHiddenIsInTheOther) {
  Ground ground(2);
  for (int i = 0; i < 5; ++i)
    ground.shard->set(ground.catalog.slot(names::kClusterPending, {{"cluster", "c" + std::to_string(i)}}), uint64_t(i));
  auto shown = ground.look();
  EXPECT_EQ(shown.size(), 2u);
  EXPECT_EQ(sum(shown, "outrider_cluster_pending_requests"), 10u);
  ground.shard->set(ground.catalog.slot(names::kClusterPending, {{"cluster", "c4"}}), 0);
  EXPECT_EQ(sum(ground.look(), "outrider_cluster_pending_requests"), 6u);
}

TEST(Selection, WhatTheCatalogHasNoSlotForIsInTheSameOther) {
  Catalog catalog(2);
  auto shard = catalog.make_shard();
  for (uint64_t i = 0; i < Catalog::kKept * 2 + 5; ++i)
    shard->add(catalog.slot(names::kClusterPicks, {{"cluster", std::to_string(i)}, {"locality", "local"}}));
  Selection selection(catalog, {18, 17, 13}, kMinute);
  EXPECT_EQ(selection.look(TimePoint{} + kMinute, 2), 2u);
  uint64_t all = 0, others = 0;
  selection.show([&](const Selection::Item& item) {
    all += item.value;
    others += item.labels[0].value == kOther;
  });
  EXPECT_EQ(all, Catalog::kKept * 2 + 5);
  EXPECT_EQ(others, 1u);
}

TEST(Selection, WhatHasGoneIsDroppedOnceItIsIdleAndComesBack) {
  Ground ground(100, kMinute * 10);
  const auto gone = [](std::string_view label, std::string_view value) { return label == "route" && value == "old"; };
  ground.use("old", 5);
  ground.use("new", 5);
  ground.look();
  const auto later = [&](int minutes) {
    ground.now += kMinute * minutes;
    ground.selection.expire(ground.now, gone);
    return ground.look();
  };
  EXPECT_EQ(later(9).count("outrider_requests_total edge old 200"), 1u) << "not idle for long enough";
  auto shown = later(2);
  EXPECT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown.count("outrider_requests_total edge new 200"), 1u) << "idle, but still there";
  EXPECT_EQ(ground.taken, 1u);
  EXPECT_EQ(ground.catalog.dropped(), 0u);
  ground.use("old", 2);
  EXPECT_EQ(ground.look().at("outrider_requests_total edge old 200"), 7u) << "it goes on from what it had";
}

TEST(Selection, AGaugeThatIsNotZeroIsNotIdle) {
  Ground ground(100, kMinute * 10);
  const Slot active =
      ground.catalog.slot(names::kConnectionsActive, {{"direction", "edge"}, {"listener", "old"}, {"tls", "none"}});
  ground.shard->add(active);
  ground.look();
  ground.now += kMinute * 20;
  ground.look();
  ground.selection.expire(ground.now, [](auto, auto) { return true; });
  EXPECT_EQ(ground.look().size(), 1u);
  ground.shard->sub(active);
  ground.look();
  ground.now += kMinute * 20;
  ground.selection.expire(ground.now, [](auto, auto) { return true; });
  EXPECT_EQ(ground.look().size(), 0u);
}

TEST(Selection, WithoutAnIdleTimeNothingIsDropped) {
  Ground ground(100, milliseconds(0));
  ground.use("old");
  ground.look();
  ground.now += kMinute * 6000;
  ground.selection.expire(ground.now, [](auto, auto) { return true; });
  EXPECT_EQ(ground.look().size(), 1u);
}

}  // namespace
}  // namespace outrider::stats
