#include "server/threads.h"

#include <sched.h>

#include <algorithm>

#include "server/cgroup.h"

namespace outrider::server {

uint32_t threads_of(const config::Document& document) {
  if (document.overload.threads) return document.overload.threads;
  if (document.mode == config::Mode::Sidecar) return 1;
  cpu_set_t set;
  const uint32_t allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? uint32_t(std::max(1, CPU_COUNT(&set))) : 1;
  return std::min(allowed, threads_for(CgroupCpu::own().read()).value_or(allowed));
}

}  // namespace outrider::server
