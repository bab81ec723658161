#include "server/cgroup.h"

#include <gtest/gtest.h>

#include "tests/unit/identity/pki.h"

namespace outrider::server {
namespace {

std::optional<double> cpus(const std::string& text) {
  const identity::TemporaryFolder folder;
  folder.write("cpu.max", text);
  return CgroupCpu({folder.path()}).read();
}

TEST(CgroupCpu, ReadsTheQuotaOfTheSecondVersion) {
  EXPECT_EQ(cpus("150000 100000\n"), 1.5);
  EXPECT_EQ(cpus("max 100000\n"), std::nullopt);
  EXPECT_EQ(cpus(""), std::nullopt);
  EXPECT_EQ(cpus("0 0\n"), std::nullopt);
}

TEST(CgroupCpu, ReadsTheQuotaOfTheFirstVersion) {
  const identity::TemporaryFolder folder;
  folder.write("cpu.cfs_period_us", "100000\n");
  folder.write("cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(CgroupCpu({folder.path()}).read(), std::nullopt);
  folder.write("cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(CgroupCpu({folder.path()}).read(), 0.5);
}

TEST(CgroupCpu, OfSeveralGroupsTheTightestCounts) {
  const identity::TemporaryFolder own, above;
  own.write("cpu.max", "max 100000\n");
  above.write("cpu.max", "300000 100000\n");
  EXPECT_EQ(CgroupCpu({own.path(), above.path()}).read(), 3.0);
  own.write("cpu.max", "100000 100000\n");
  EXPECT_EQ(CgroupCpu({own.path(), above.path()}).read(), 1.0);
}

TEST(CgroupCpu, APartOfACpuIsForAThread) {
  EXPECT_EQ(threads_for(0.1), 1u);
  EXPECT_EQ(threads_for(1.0), 1u);
  EXPECT_EQ(threads_for(1.5), 2u);
  EXPECT_EQ(threads_for(2.0), 2u);
  EXPECT_EQ(threads_for({}), std::nullopt);
}

TEST(CgroupCpu, GroupsAreThoseOfTheController) {
  EXPECT_EQ(CgroupMemory::folders_of("4:cpu,cpuacct:/a\n5:memory:/b\n", "/r", "cpu"),
            (std::vector<std::string>{"/r/cpu/a", "/r/cpu"}));
  EXPECT_EQ(CgroupMemory::folders_of("0::/a\n", "/r", "cpu"), (std::vector<std::string>{"/r/a", "/r"}));
}

}  // namespace
}  // namespace outrider::server
