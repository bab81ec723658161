#pragma once
// How much memory this process and its neighbours in the container use of what they may.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::server {

struct MemoryUse {
  uint64_t used = 0, limit = 0;
  double share() const { return limit ? double(used) / double(limit) : 0; }
};

// Reads the files of cgroup v2, or of v1's memory controller. Used is what the kernel cannot simply take back: without the page
// cache nobody has touched for a while. Limits may change while we run, and hold for all that is below: each is read again, and
// the tightest counts. Control loop.
class CgroupMemory {
 public:
  explicit CgroupMemory(std::vector<std::string> folders) : folders_(std::move(folders)) {}
  static CgroupMemory own();  // of this process
  // Of a process whose /proc/PID/cgroup says this: its group and those above it, below `root`.
  static std::vector<std::string> folders_of(std::string_view proc_cgroup, const std::string& root,
                                             std::string_view controller = "memory");
  std::optional<MemoryUse> read() const;  // none: there is no limit

 private:
  std::vector<std::string> folders_;
};

// How much of a CPU's time this process's group, or one above it, may use: the quota of cgroup v2 (cpu.max), or of v1.
class CgroupCpu {
 public:
  explicit CgroupCpu(std::vector<std::string> folders) : folders_(std::move(folders)) {}
  static CgroupCpu own();
  std::optional<double> read() const;  // in CPUs, of the tightest; none: there is no limit

 private:
  std::vector<std::string> folders_;
};

// Threads that a quota can keep busy: 1.5 CPUs are for two. None: there is no quota.
std::optional<uint32_t> threads_for(std::optional<double> cpus);

}  // namespace outrider::server
