#include "server/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace outrider::server {

namespace {

constexpr uint64_t kNoLimit = uint64_t(1) << 60;  // v1 says it with the largest number of pages there is

std::string text_of(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text;
  char piece[4096];
  for (ssize_t n; (n = ::read(fd, piece, sizeof piece)) > 0;) text.append(piece, size_t(n));
  ::close(fd);
  return text;
}

std::optional<uint64_t> number_in(const std::string& path) { return parse_number(split(text_of(path), '\n').front()); }

uint64_t field_of(std::string_view stat, std::string_view name) {
  for (const auto line : split(stat, '\n'))
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ')
      return parse_number(trim(line.substr(name.size() + 1))).value_or(0);
  return 0;
}

std::optional<MemoryUse> use_of(const std::string& folder) {
  const bool second = ::access((folder + "/memory.max").c_str(), R_OK) == 0;
  const auto limit = number_in(folder + (second ? "/memory.max" : "/memory.limit_in_bytes"));
  if (!limit || *limit == 0 || *limit >= kNoLimit) return {};
  const auto used = number_in(folder + (second ? "/memory.current" : "/memory.usage_in_bytes"));
  if (!used) return {};
  const uint64_t cache = field_of(text_of(folder + "/memory.stat"), second ? "inactive_file" : "total_inactive_file");
  return MemoryUse{*used - std::min(*used, cache), *limit};
}

}  // namespace

std::vector<std::string> CgroupMemory::folders_of(std::string_view proc_cgroup, const std::string& root,
                                                  std::string_view controller) {
  std::vector<std::string> folders;
  for (const auto line : split(proc_cgroup, '\n')) {  // "4:memory:/a/b", "0::/a/b"
    const auto parts = split(line, ':');
    if (parts.size() < 3) continue;
    const auto controllers = split(parts[1], ',');
    const bool first = std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
    if (!first && !parts[1].empty()) continue;
    const std::string below = root + (first ? "/" + std::string(controller) : std::string());
    // In a container the path may be that of outside, and its own group the root.
    for (std::string path(parts[2]); path.size() > 1; path.resize(path.rfind('/'))) folders.push_back(below + path);
    folders.push_back(below);
  }
  return folders;
}

CgroupMemory CgroupMemory::own() { return CgroupMemory(folders_of(text_of("/proc/self/cgroup"), "/sys/fs/cgroup")); }

std::optional<MemoryUse> CgroupMemory::read() const {
  std::optional<MemoryUse> tightest;
  for (const auto& folder : folders_)
    if (const auto use = use_of(folder); use && (!tightest || use->share() > tightest->share())) tightest = use;
  return tightest;
}

CgroupCpu CgroupCpu::own() { return CgroupCpu(CgroupMemory::folders_of(text_of("/proc/self/cgroup"), "/sys/fs/cgroup", "cpu")); }

// "150000 100000" or "max 100000"; v1 has a file for each, and says -1 where there is none.
std::optional<double> CgroupCpu::read() const {
  std::optional<double> tightest;
  for (const auto& folder : folders_) {
    const auto both = text_of(folder + "/cpu.max");
    const auto parts = split(split(both, '\n').front(), ' ');
    const auto quota = parts.size() == 2 ? parse_number(parts[0]) : number_in(folder + "/cpu.cfs_quota_us");
    const auto period = parts.size() == 2 ? parse_number(parts[1]) : number_in(folder + "/cpu.cfs_period_us");
    if (!quota || !period || *quota == 0 || *period == 0) continue;
    const double cpus = double(*quota) / double(*period);
    if (!tightest || cpus < *tightest) tightest = cpus;
  }
  return tightest;
}

std::optional<uint32_t> threads_for(std::optional<double> cpus) {
  if (!cpus) return {};
  return uint32_t(std::clamp(std::ceil(*cpus), 1.0, 4096.0));
}

}  // namespace outrider::server
