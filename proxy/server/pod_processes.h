#pragma once
// The processes of a pod whose containers see each other's (shareProcessNamespace), as /proc has them.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/document.h"

namespace outrider::server {

// The application is what other containers began with: a process whose parent is outside (0). Process 1, which is the pod's own,
// is none; nor is our own container, what a process has started, who is dead and not buried, nor whom the configuration leaves
// out. While one that is known lives, a look reads one file. Owned by AppEnd; control loop.
class PodProcesses {
 public:
  explicit PodProcesses(std::string proc = "/proc", pid_t self = ::getpid());
  // False: others are not to be seen. Process 1 is our own container's then, or of a machine that is no pod; where it is
  // neither, it must be of another control group, or have the name that pods' own processes have.
  bool shared() const { return shared_; }
  bool look(const config::Lifecycle::App& which);        // whether the application is there
  bool seen() const { return seen_; }                    // it has been
  const std::string& others() const { return others_; }  // names of those it could be, but for `process`, at the last look

 private:
  struct Process {
    std::string name;
    char state = '?';
    pid_t parent = -1;
    uint64_t started = 0;  // what tells it from another by the same number
  };
  enum class Is : uint8_t { App, Starting, NotNamed, Other };
  std::optional<Process> read(pid_t pid) const;
  std::string contents(pid_t pid, const char* file) const;
  Is judge(pid_t pid, const Process& process, const config::Lifecycle::App& which) const;
  const std::string proc_;
  pid_t own_ = 0;  // the first process of our container
  bool shared_ = false, seen_ = false;
  std::string own_name_, own_group_;  // its control group; empty: containers are not told apart by it
  std::string others_;
  struct Known {
    pid_t pid;
    uint64_t started;
    std::string name;
  };
  std::vector<Known> apps_;
  std::unordered_map<pid_t, uint64_t> starting_;  // not yet what they will be
};

}  // namespace outrider::server
