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
  static std::vector<std::string> folders_of(std::string_view proc_cgroup, const std::string& root);
  std::optional<MemoryUse> read() const;  // none: there is no limit

 private:
  std::vector<std::string> folders_;
};

}  // namespace outrider::server
