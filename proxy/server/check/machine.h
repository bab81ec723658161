#pragma once
// What this machine gives a proxy: how it is looked at, and what is thought of what was seen. Each look is its own, so that a
// test can show the judge what no test machine has.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/cgroup.h"
#include "server/check/fact.h"

namespace outrider::server {

struct Kernel {
  std::string release;
  bool reuse_port = false, splice = false, ipv6 = false;
  uint64_t pipe_pages = 0;  // soft limit of a user who is not root; 0: none
  uint64_t backlog = 0;     // connections that wait to be accepted, of a port; 0: not known
  bool root = false;
};
Kernel look_at_kernel();
Fact judge(const Kernel& kernel, bool wants_ipv6);

struct OpenFiles {
  uint64_t limit = 0, hard = 0;
  uint64_t wanted = 0;  // `overload.connections`: each with one to an endpoint
};
OpenFiles look_at_open_files(uint64_t connections);
Fact judge(const OpenFiles& files);

Fact judge_memory(const std::optional<MemoryUse>& memory, double shed_at);  // `overload.memory`; 0: off

struct Cpus {
  double quota = 0;  // of the cgroup, in CPUs; 0: none
  unsigned allowed = 1;
  uint32_t threads = 0;  // wanted; 0: auto
};
Cpus look_at_cpus(uint32_t threads);
double quota_in(const std::string& cpu_max);  // "150000 100000" of cgroup v2 is 1.5; 0: none
Fact judge(const Cpus& cpus);

struct Clock {
  bool known = true, synchronised = false;
  double error_s = 0;                     // at most, as the kernel thinks
  std::optional<uint64_t> refused_peers;  // records whose time was too far from ours, as the proxy counted
};
Clock look_at_clock();
Fact judge(const Clock& clock);

// Who listens at an address, and whether we could.
struct Door {
  std::string key, address;
  enum class State : uint8_t { Free, Taken, NotAllowed, NoSuchAddress, Failed } state = State::Free;
  std::string holder;  // "nginx (pid 12)", as far as it can be seen
  std::string why;     // Failed
};
Door look_at_door(const std::string& key, const std::string& address, bool datagrams);
// `running`: addresses that the proxy that runs says it has.
Fact judge_doors(const std::vector<Door>& doors, const std::vector<std::string>& running);
std::optional<uint32_t> user_listening(uint16_t port);  // on TCP

// Rules of the kernel that redirect connections.
struct Rules {
  std::string text;   // of nft and iptables; empty with `why`
  std::string why;    // they cannot be read
  uint32_t user = 0;  // that the proxy runs as
};
Rules look_at_rules(uint32_t user);
struct Redirected {
  std::optional<uint16_t> outbound, inbound;  // ports of transparent listeners
  bool by_tproxy = false;                     // inbound
};
Fact judge(const Rules& rules, const Redirected& wanted);

}  // namespace outrider::server
