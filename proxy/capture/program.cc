#include "capture/program.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace outrider::capture {

namespace {

constexpr size_t kMost = 4 << 20;  // of what is kept of its output

struct Pipe {
  Pipe() { ok = ::pipe2(ends, O_CLOEXEC) == 0; }
  ~Pipe() { close_read(), close_write(); }
  Pipe(const Pipe&) = delete;
  void close_read() { close(ends[0]); }
  void close_write() { close(ends[1]); }
  static void close(int& fd) {
    if (fd >= 0) ::close(std::exchange(fd, -1));
  }
  int ends[2]{-1, -1};
  bool ok;
};

// iptables of the legacy kind takes a lock in a file; /run is not everybody's, nor always writable.
std::string lock_file() {
  if (::access("/run", W_OK) == 0) return "/run/xtables.lock";
  for (const char* folder : {"/tmp", "/dev/shm"})
    if (::access(folder, W_OK) == 0) return std::string(folder) + "/xtables.lock." + std::to_string(::geteuid());
  return "/run/xtables.lock";
}

// False: over, or it failed.
bool take_in(int fd, std::string& text) {
  char part[16384];
  const ssize_t n = ::read(fd, part, sizeof part);
  if (n > 0 && text.size() < kMost) text.append(part, size_t(n));
  return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

// Writes its input and reads both outputs until it has closed them. False: it took too long.
bool converse(Pipe& in, Pipe& out, Pipe& err, std::string_view input, milliseconds patience, Ran& ran) {
  const auto end = std::chrono::steady_clock::now() + patience;
  ::fcntl(in.ends[1], F_SETFL, O_NONBLOCK);
  if (input.empty()) in.close_write();
  while (out.ends[0] >= 0 || err.ends[0] >= 0) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd waiting[] = {{out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}, {in.ends[1], POLLOUT, 0}};
    if (left <= 0) return false;
    const int ready = ::poll(waiting, 3, int(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    if (waiting[0].revents && !take_in(out.ends[0], ran.out)) out.close_read();
    if (waiting[1].revents && !take_in(err.ends[0], ran.err)) err.close_read();
    if (!waiting[2].revents) continue;
    const ssize_t n = ::write(in.ends[1], input.data(), input.size());
    if (n > 0) input.remove_prefix(size_t(n));
    else if (errno != EINTR && errno != EAGAIN) input = {};
    if (input.empty()) in.close_write();
  }
  return true;
}

}  // namespace

std::string find_program(std::string_view name) {
  for (const char* folder : {"/usr/local/sbin/", "/usr/sbin/", "/sbin/", "/usr/local/bin/", "/usr/bin/", "/bin/"}) {
    std::string path = folder + std::string(name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

Ran run_program(std::string_view name, const std::vector<std::string>& words, std::string_view input, milliseconds patience) {
  Ran ran;
  std::string path = find_program(name);
  Pipe in, out, err;
  if (path.empty() || !in.ok || !out.ok || !err.ok) return ran;
  std::vector<std::string> texts = words,
                           own = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "XTABLES_LOCKFILE=" + lock_file()};
  std::vector<char*> argv{path.data()}, environment;
  for (std::string& text : texts) argv.push_back(text.data());
  for (std::string& text : own) environment.push_back(text.data());
  argv.push_back(nullptr);
  environment.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.ends[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out.ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, err.ends[1], 2);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, path.c_str(), &actions, nullptr, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  in.close_read(), out.close_write(), err.close_write();
  if (failed) return ran;
  ran.found = true;
  const bool whole = converse(in, out, err, input, patience, ran);
  in.close_write();
  if (!whole) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (whole && WIFEXITED(status)) ran.code = WEXITSTATUS(status);
  if (!whole) ran.err += "it took longer than " + std::to_string(patience.count() / 1000) + " s, and was ended";
  return ran;
}

// The image's file has them as permitted alone, so that it can be started where they are not to be had; a program that we start
// has only what is ambient.
bool take_up_rights() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct halves[2]{};
  if (::syscall(SYS_capget, &header, halves) != 0) return false;
  const uint32_t wanted = halves[0].permitted & (1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW);
  halves[0].effective |= wanted;
  halves[0].inheritable |= wanted;
  if (::syscall(SYS_capset, &header, halves) == 0)
    for (const int one : {CAP_NET_ADMIN, CAP_NET_RAW})
      if (wanted & 1u << one) ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, one, 0, 0);
  return wanted & 1u << CAP_NET_ADMIN;
}

}  // namespace outrider::capture
