#include "server/pod_processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"

namespace outrider::server {

namespace {

constexpr size_t kLongestName = 15;  // that the kernel keeps
constexpr int kDeepest = 64;         // of processes below each other
constexpr size_t kLongest = 4096;    // of a file that is read

// What a container's first process is for a moment, before it becomes what the container is for.
bool is_runtime(const std::string& name) {
  return name.starts_with("runc") || name == "crun" || name == "youki" || name == "nsenter";
}

std::string_view base_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_named(const std::vector<std::string>& names, const std::string& name, std::string_view program) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& one) { return one.substr(0, kLongestName) == name || one == program; });
}

}  // namespace

std::string PodProcesses::contents(pid_t pid, const char* file) const {
  const int fd = ::open((proc_ + "/" + std::to_string(pid) + "/" + file).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text(kLongest, '\0');
  const ssize_t n = ::read(fd, text.data(), text.size());
  ::close(fd);
  text.resize(n > 0 ? size_t(n) : 0);
  return text;
}

// "12 (a (b) c) S 0 ...": a name may hold anything; its end is the last bracket.
std::optional<PodProcesses::Process> PodProcesses::read(pid_t pid) const {
  constexpr size_t kStarted = 19;  // counted from the state on
  const std::string text = contents(pid, "stat");
  const size_t open = text.find('('), close = text.rfind(')');
  if (open == text.npos || close == text.npos || close + 2 >= text.size()) return {};
  Process process;
  process.name = text.substr(open + 1, close - open - 1);
  const auto fields = split(std::string_view(text).substr(close + 2), ' ');
  if (fields.size() <= kStarted) return {};
  process.state = fields[0].empty() ? '?' : fields[0][0];
  process.parent = pid_t(parse_number(fields[1]).value_or(0));
  process.started = parse_number(fields[kStarted]).value_or(0);
  return process;
}

PodProcesses::PodProcesses(std::string proc, pid_t self) : proc_(std::move(proc)) {
  own_ = self;
  for (int i = 0; i < kDeepest; ++i) {
    const auto process = read(own_);
    if (!process) return;
    own_name_ = process->name;
    if (process->parent == 0) break;
    own_ = process->parent;
  }
  const auto first = read(1);
  own_group_ = contents(own_, "cgroup");
  if (own_group_ == contents(1, "cgroup")) own_group_.clear();
  shared_ = own_ != 1 && first && (!own_group_.empty() || first->name == "pause" || first->name == "pod");
}

PodProcesses::Is PodProcesses::judge(pid_t pid, const Process& process, const config::Lifecycle::App& which) const {
  if (pid == 1 || pid == own_ || process.parent != 0) return Is::Other;
  if (process.state == 'Z' || process.state == 'X' || process.state == 'x') return Is::Other;
  const bool ours = own_group_.empty() ? process.name == own_name_ : contents(pid, "cgroup") == own_group_;
  if (ours) return Is::Other;  // a command that was run in our container
  if (is_runtime(process.name)) return Is::Starting;
  const std::string line = contents(pid, "cmdline");
  const auto program = base_of(std::string_view(line).substr(0, line.find('\0')));
  if (is_named(which.ignore, process.name, program)) return Is::Other;
  return which.process.empty() || is_named(which.process, process.name, program) ? Is::App : Is::NotNamed;
}

bool PodProcesses::look(const config::Lifecycle::App& which) {
  for (const Known& known : apps_) {
    const auto process = read(known.pid);
    if (!process || process->started != known.started || process->state == 'Z') continue;
    if (process->name == known.name || judge(known.pid, *process, which) == Is::App) return true;
  }
  apps_.clear();
  others_.clear();
  DIR* const folder = ::opendir(proc_.c_str());
  if (!folder) return false;
  auto starting = std::exchange(starting_, {});
  while (const dirent* entry = ::readdir(folder)) {
    const auto pid = parse_number(entry->d_name);
    if (!pid || *pid > INT32_MAX) continue;
    const auto process = read(pid_t(*pid));
    if (!process) continue;
    const Is what = judge(pid_t(*pid), *process, which);
    const auto was = starting.find(pid_t(*pid));
    if (was != starting.end() && was->second == process->started && process->state != 'Z') starting.erase(was);
    if (what == Is::Starting) starting_.emplace(pid_t(*pid), process->started);
    if (what == Is::NotNamed) others_ += (others_.empty() ? "" : ", ") + process->name;
    if (what != Is::App) continue;
    apps_.push_back({pid_t(*pid), process->started, process->name});
  }
  ::closedir(folder);
  // Whoever was about to start and is gone has been something for less than a look takes.
  seen_ |= !apps_.empty() || (!starting.empty() && which.process.empty());
  return !apps_.empty() || !starting_.empty();
}

}  // namespace outrider::server
