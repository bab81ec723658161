// What /proc says about this process, under the names every Prometheus client uses.

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "stats/collector.h"
#include "stats/names.h"

namespace outrider::stats {

namespace {

struct ProcessStat {
  double user = 0, system = 0, start = 0, virtual_bytes = 0, resident_pages = 0;
};

// proc(5): the fields after the name of the program, which may itself contain spaces and brackets.
ProcessStat read_stat() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  size_t name_ends = text.rfind(')');
  ProcessStat result;
  if (name_ends == std::string::npos) return result;
  std::istringstream fields(text.substr(name_ends + 1));
  std::string skipped;
  for (int field = 3; field <= 13; ++field) fields >> skipped;
  fields >> result.user >> result.system;  // 14, 15
  for (int field = 16; field <= 21; ++field) fields >> skipped;
  fields >> result.start >> result.virtual_bytes >> result.resident_pages;  // 22, 23, 24
  return result;
}

double boot_time() {
  std::ifstream file("/proc/stat");
  std::string word;
  double seconds = 0;
  while (file >> word) {
    if (word == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

double count_descriptors() {
  DIR* directory = opendir("/proc/self/fd");
  if (!directory) return 0;
  double count = -3;  // ".", ".." and the one this listing uses
  while (readdir(directory)) ++count;
  closedir(directory);
  return count;
}

}  // namespace

std::vector<Sample> process_samples() {
  ProcessStat stat = read_stat();
  auto ticks = double(sysconf(_SC_CLK_TCK));
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return {
      {names::kProcessCpu, {}, (stat.user + stat.system) / ticks},
      {names::kProcessResident, {}, stat.resident_pages * double(sysconf(_SC_PAGESIZE))},
      {names::kProcessVirtual, {}, stat.virtual_bytes},
      {names::kProcessOpenFds, {}, count_descriptors()},
      {names::kProcessMaxFds, {}, double(limit.rlim_cur)},
      {names::kProcessStart, {}, boot_time() + stat.start / ticks},
  };
}

}  // namespace outrider::stats
