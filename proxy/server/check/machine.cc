#include "server/check/machine.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/text.h"
#include "config/values.h"

namespace outrider::server {

namespace {

std::string content_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

bool can_reuse_ports() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  const bool can = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
  if (fd >= 0) ::close(fd);
  return can;
}

bool can_splice() {
  int from[2], to[2];
  if (pipe2(from, O_CLOEXEC) != 0) return false;
  bool can = false;
  if (pipe2(to, O_CLOEXEC) == 0) {
    can = ::write(from[1], "x", 1) == 1 && ::splice(from[0], nullptr, to[1], nullptr, 1, SPLICE_F_NONBLOCK) == 1;
    for (const int fd : to) ::close(fd);
  }
  for (const int fd : from) ::close(fd);
  return can;
}

bool has_ipv6() {
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

std::string rounded(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", number);
  return text;
}

}  // namespace

Kernel look_at_kernel() {
  Kernel kernel;
  utsname name{};
  if (uname(&name) == 0) kernel.release = name.release;
  kernel.reuse_port = can_reuse_ports();
  kernel.splice = can_splice();
  kernel.ipv6 = has_ipv6();
  kernel.pipe_pages = parse_number(trim(split(content_of("/proc/sys/fs/pipe-user-pages-soft"), '\n').front())).value_or(0);
  kernel.backlog = parse_number(trim(split(content_of("/proc/sys/net/core/somaxconn"), '\n').front())).value_or(0);
  kernel.root = geteuid() == 0;
  return kernel;
}

Fact judge(const Kernel& kernel, bool wants_ipv6) {
  constexpr uint64_t kFewPages = 1024, kFewWaiting = 512;
  const std::string name = "kernel", what = "Linux " + kernel.release;
  if (!kernel.reuse_port)
    return wrong(name, what + " does not let several sockets share a port (SO_REUSEPORT)",
                 "Linux 3.9 or later is needed, and a sandbox that lets it be asked for");
  if (wants_ipv6 && !kernel.ipv6)
    return wrong(name, what + " has no IPv6, and a listener is on [::]",
                 "listeners.inbound.address: 0.0.0.0:15006 and the like, or IPv6 in the kernel");
  if (!kernel.splice)
    return warning(name, what + " does not splice: TCP is relayed through memory, at a higher cost",
                   "a sandbox (seccomp, gVisor) that allows splice(2)");
  if (!kernel.root && kernel.pipe_pages && kernel.pipe_pages < kFewPages)
    return warning(
        name,
        what + ": pipes of a user may hold " + std::to_string(kernel.pipe_pages) + " pages; relayed TCP gets small ones beyond",
        "sysctl fs.pipe-user-pages-soft=16384");
  if (kernel.backlog && kernel.backlog < kFewWaiting)
    return warning(
        name,
        what + ": of new connections " + std::to_string(kernel.backlog) + " may wait at a port; those of a burst beyond are lost",
        "sysctl net.core.somaxconn=4096");
  return fine(name, what + ": ports can be shared, sockets spliced" + (kernel.ipv6 ? ", IPv6" : ""));
}

OpenFiles look_at_open_files(uint64_t connections) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return {limit.rlim_cur, limit.rlim_max, connections};
}

Fact judge(const OpenFiles& files) {
  constexpr uint64_t kOwn = 200;  // of the proxy itself
  const std::string name = "open files";
  if (files.limit == RLIM_INFINITY) return fine(name, "as many as are wanted");
  const std::string limit = std::to_string(files.limit), wanted = std::to_string(files.wanted);
  const uint64_t most = files.limit > kOwn ? (files.limit - kOwn) / 2 : 0;
  const std::string fix = "ulimit -n " + std::to_string(2 * files.wanted + kOwn) +
                          (files.hard > files.limit ? "" : " (the hard limit is " + std::to_string(files.hard) + ")") +
                          ", LimitNOFILE= of a unit; or overload.connections: " + std::to_string(most);
  if (files.limit < 2 * kOwn) return wrong(name, "a process may have " + limit + ": too few for a proxy", fix);
  if (files.wanted > most)
    return warning(name,
                   "a process may have " + limit + ": about " + std::to_string(most) +
                       " requests at once, each from a client and to an endpoint, and overload.connections is " + wanted,
                   fix);
  return fine(name, limit + ", enough for overload.connections (" + wanted + ")");
}

Fact judge_memory(const std::optional<MemoryUse>& memory, double shed_at) {
  constexpr uint64_t kFew = 64 << 20;
  const std::string name = "memory";
  if (!memory)
    return fine(name, "no limit of a cgroup" + std::string(shed_at > 0 ? ": overload.memory has nothing to go by" : ""));
  const auto mib = [](uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
  const std::string text = mib(memory->used) + " of " + mib(memory->limit) + " are used in this cgroup";
  if (shed_at > 0 && memory->share() >= shed_at)
    return wrong(name, text + ": from " + config::share_text(shed_at) + " on requests are refused",
                 "a larger limit (resources.limits.memory, MemoryMax=), or less beside the proxy");
  if (memory->limit < kFew) return warning(name, text + ": that is little for a proxy under load", "64 MiB or more");
  return fine(name, text);
}

double quota_in(const std::string& cpu_max) {
  const auto parts = split(split(cpu_max, '\n').front(), ' ');
  if (parts.size() != 2) return 0;
  const auto quota = parse_number(parts[0]), period = parse_number(parts[1]);
  return quota && period && *period ? double(*quota) / double(*period) : 0;
}

Cpus look_at_cpus(uint32_t threads) {
  Cpus cpus;
  cpus.threads = threads;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus.allowed = unsigned(std::max(1, CPU_COUNT(&set)));
  for (const auto& folder : CgroupMemory::folders_of(content_of("/proc/self/cgroup"), "/sys/fs/cgroup")) {
    const double quota = quota_in(content_of(folder + "/cpu.max"));
    if (quota > 0 && (cpus.quota == 0 || quota < cpus.quota)) cpus.quota = quota;
  }
  return cpus;
}

Fact judge(const Cpus& cpus) {
  const std::string name = "CPU";
  const double most = cpus.quota > 0 ? std::min(cpus.quota, double(cpus.allowed)) : double(cpus.allowed);
  const std::string text = cpus.quota > 0
                               ? rounded(cpus.quota) + " CPUs by the cgroup's quota, of " + std::to_string(cpus.allowed)
                               : std::to_string(cpus.allowed) + (cpus.allowed == 1 ? " CPU" : " CPUs") + ", no quota";
  if (double(cpus.threads) > std::ceil(most))
    return warning(name, text + ", and overload.threads is " + std::to_string(cpus.threads) + ": they stand in each other's way",
                   "overload.threads: " + std::to_string(int(std::ceil(most))) + ", or auto");
  if (cpus.quota > 0 && cpus.quota < 0.1)
    return warning(name, text + ": whoever has used it up waits for the next period, up to 100 ms",
                   "a larger limit (resources.limits.cpu, CPUQuota=)");
  return fine(name, text);
}

Clock look_at_clock() {
  Clock clock;
  timex asked{};
  const int state = adjtimex(&asked);
  clock.known = state >= 0;
  clock.synchronised = state >= 0 && state != TIME_ERROR && !(asked.status & STA_UNSYNC);
  clock.error_s = double(asked.maxerror) / 1e6;
  return clock;
}

Fact judge(const Clock& clock) {
  const std::string name = "clock", ntp = "chrony, systemd-timesyncd or ntpd on this machine (of a container: on its host)";
  if (clock.refused_peers && *clock.refused_peers > 0)
    return wrong(
        name,
        std::to_string(*clock.refused_peers) + " records of peers were refused for their time: this clock is wrong, or theirs is",
        ntp + ", and on theirs");
  const std::string peers = clock.refused_peers ? ", and no peer's time is too far from it" : "";
  if (!clock.known) return skipped(name, "the kernel does not say whether it is synchronised");
  if (!clock.synchronised)
    return warning(name, "is not synchronised by NTP" + peers + ": certificates and registrations are valid by time", ntp);
  return fine(name, "is synchronised, to " + rounded(std::max(clock.error_s, 0.0001)) + " s" + peers);
}

}  // namespace outrider::server
