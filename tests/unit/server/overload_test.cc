// Levels of overload: what makes them, in which order they come and go, and where memory is read.

#include "server/overload.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "stats/names.h"
#include "tests/support/loop.h"

namespace outrider::server {
namespace {

using Level = OverloadLadder::Level;
using Cause = OverloadLadder::Cause;

constexpr TimePoint kNow{seconds(1000)};

Strain memory(double percent) { return {MemoryUse{uint64_t(percent * 10), 1000}, 0, milliseconds(0)}; }

// Row 75.
TEST(Overload, MemoryHasThreeLevelsAndEachIsLeftFivePercentBelow) {
  OverloadLadder ladder{config::Overload{}};
  const auto look = [&](double percent) {
    ladder.look(memory(percent), kNow);
    return ladder.level();
  };
  EXPECT_EQ(look(79), Level::Calm);
  EXPECT_EQ(look(80), Level::ShedLow);
  EXPECT_EQ(ladder.cause(), Cause::Memory);
  EXPECT_EQ(look(89.9), Level::ShedLow);
  EXPECT_EQ(look(90), Level::NoKeepAlive);
  EXPECT_EQ(look(95), Level::Refuse);
  EXPECT_EQ(look(90.1), Level::Refuse);
  EXPECT_EQ(look(89.9), Level::NoKeepAlive);
  EXPECT_EQ(look(85.1), Level::NoKeepAlive);
  EXPECT_EQ(look(84), Level::ShedLow);
  EXPECT_EQ(look(76), Level::ShedLow);
  EXPECT_EQ(look(74), Level::Calm);
  EXPECT_EQ(ladder.cause(), Cause::Nothing);
  EXPECT_EQ(look(99), Level::Refuse);
  EXPECT_EQ(look(10), Level::Calm);
}

TEST(Overload, AnotherFirstLevelMovesTheOthers) {
  config::Overload limits;
  limits.memory = 0.6;
  OverloadLadder ladder{limits};
  const auto look = [&](double percent) {
    ladder.look(memory(percent), kNow);
    return ladder.level();
  };
  EXPECT_EQ(look(59), Level::Calm);
  EXPECT_EQ(look(60), Level::ShedLow);
  EXPECT_EQ(look(80), Level::NoKeepAlive);
  EXPECT_EQ(look(90), Level::Refuse);
}

TEST(Overload, ConnectionsNearTheirLimitAreNotKept) {
  config::Overload limits;
  limits.connections = 100;
  OverloadLadder ladder{limits};
  const auto look = [&](uint32_t connections) {
    ladder.look({std::nullopt, connections, milliseconds(0)}, kNow);
    return ladder.level();
  };
  EXPECT_EQ(look(79), Level::Calm);
  EXPECT_EQ(look(80), Level::ShedLow);
  EXPECT_EQ(ladder.cause(), Cause::Connections);
  EXPECT_EQ(look(90), Level::NoKeepAlive);
  EXPECT_EQ(look(100), Level::NoKeepAlive);  // one more is refused by the door, and those that came are served
  EXPECT_EQ(look(86), Level::NoKeepAlive);
  EXPECT_EQ(look(80), Level::ShedLow);
  EXPECT_EQ(look(74), Level::Calm);
}

TEST(Overload, ALongTurnShedsForFiveSeconds) {
  config::Overload limits;
  limits.loop_lag = milliseconds(50);
  OverloadLadder ladder{limits};
  const auto look = [&](int64_t turn, int64_t at) {
    ladder.look({std::nullopt, 0, milliseconds(turn)}, kNow + milliseconds(at));
    return ladder.level();
  };
  EXPECT_EQ(look(50, 0), Level::Calm);
  EXPECT_EQ(look(51, 100), Level::ShedLow);
  EXPECT_EQ(ladder.cause(), Cause::LoopLag);
  EXPECT_EQ(look(0, 5099), Level::ShedLow);
  EXPECT_EQ(look(5000, 5099), Level::ShedLow);
  EXPECT_EQ(look(0, 10'098), Level::ShedLow);
  EXPECT_EQ(look(0, 10'099), Level::Calm);
}

TEST(Overload, TheWorstIsTheCause) {
  OverloadLadder ladder{config::Overload{}};
  EXPECT_TRUE(ladder.look({MemoryUse{92, 100}, 16500, milliseconds(60)}, kNow));
  EXPECT_EQ(ladder.level(), Level::NoKeepAlive);
  EXPECT_EQ(ladder.cause(), Cause::Memory);
  EXPECT_FALSE(ladder.look({MemoryUse{93, 100}, 16500, milliseconds(60)}, kNow));
  EXPECT_TRUE(ladder.look({MemoryUse{10, 100}, 16500, milliseconds(0)}, kNow + seconds(9)));
  EXPECT_EQ(ladder.level(), Level::ShedLow);
  EXPECT_EQ(ladder.cause(), Cause::Connections);
}

TEST(Overload, WhatIsOffIsNotLookedAt) {
  config::Overload limits;
  limits.memory = 0;
  limits.loop_lag = milliseconds(0);
  OverloadLadder ladder{limits};
  EXPECT_FALSE(ladder.look({MemoryUse{100, 100}, 0, milliseconds(9999)}, kNow));
  EXPECT_EQ(ladder.level(), Level::Calm);
}

class Cgroup : public testing::Test {
 protected:
  Cgroup() {
    char name[] = "/tmp/cgroup_testXXXXXX";
    root = ::mkdtemp(name);
  }
  ~Cgroup() override { std::filesystem::remove_all(root); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root + "/" + path).parent_path());
    std::ofstream(root + "/" + path) << text;
  }
  void expect(const CgroupMemory& memory, uint64_t used, uint64_t limit) {
    const auto use = memory.read();
    ASSERT_TRUE(use);
    EXPECT_EQ(use->used, used);
    EXPECT_EQ(use->limit, limit);
  }
  std::string root;
};

TEST_F(Cgroup, OfTheSecondVersionTheTightestCountsWithoutOldPageCache) {
  write("memory.max", "max\n");
  write("pod/memory.max", "1000\n");
  write("pod/memory.current", "900\n");
  write("pod/memory.stat", "anon 500\ninactive_file 300\ninactive_file_x 7\n");
  write("pod/web/memory.max", "1000\n");
  write("pod/web/memory.current", "500\n");
  const auto folders = CgroupMemory::folders_of("0::/pod/web\n", root);
  EXPECT_EQ(folders, (std::vector<std::string>{root + "/pod/web", root + "/pod", root}));
  const CgroupMemory memory(folders);
  expect(memory, 600, 1000);
  write("pod/web/memory.max", "550\n");  // it may be set anew while we run
  expect(memory, 500, 550);
  write("pod/web/memory.max", "max\n");
  write("pod/memory.max", "max\n");
  EXPECT_FALSE(memory.read());
}

TEST_F(Cgroup, OfTheFirstVersionMemoryHasAFolderOfItsOwn) {
  write("memory/a/memory.limit_in_bytes", "1000\n");
  write("memory/a/memory.usage_in_bytes", "700\n");
  write("memory/a/memory.stat", "inactive_file 1\ntotal_inactive_file 100\n");
  write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("memory/memory.usage_in_bytes", "700\n");
  const auto folders = CgroupMemory::folders_of("9:cpu,cpuacct:/b\n4:memory:/a\n0::/\n", root);
  expect(CgroupMemory(folders), 600, 1000);
}

TEST_F(Cgroup, WhereThereIsNoneThereIsNoLimit) {
  EXPECT_FALSE(CgroupMemory({root + "/nowhere"}).read());
  EXPECT_FALSE(CgroupMemory::folders_of("", root).size());
  write("memory.max", "1000\n");
  EXPECT_FALSE(CgroupMemory({root}).read());  // how much is used is not known
}

TEST_F(Cgroup, WhatIsReadBecomesTheLevelThatWorkersSee) {
  write("memory.max", "1000\n");
  write("memory.current", "960\n");
  net::Loop loop;
  stats::Catalog catalog;
  auto shard = catalog.make_shard();
  auto pressure = std::make_shared<exchange::Pressure>();
  OverloadWatch watch(loop, catalog, *shard, config::Overload{},
                      {CgroupMemory({root}), std::make_shared<Tally>(), [] { return milliseconds(0); }}, pressure);
  const auto shown = [&] { return shard->read(catalog.slot(stats::names::kOverloadLevel)); };
  EXPECT_TRUE(test::run_until(loop, [&] { return pressure->level() == Level::Refuse; }));
  EXPECT_EQ(shown(), 3u);
  EXPECT_EQ(pressure->cause(), Cause::Memory);
  EXPECT_EQ(watch.describe(), "level 3, 96% of 1000B of memory: connections and requests are refused");
  write("memory.current", "100\n");
  EXPECT_TRUE(test::run_until(loop, [&] { return pressure->level() == Level::Calm; }));
  EXPECT_EQ(shown(), 0u);
  EXPECT_EQ(watch.describe(), "");
}

}  // namespace
}  // namespace outrider::server
