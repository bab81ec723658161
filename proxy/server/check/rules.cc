// Rules of nft and iptables that redirect connections to a transparent listener.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "base/text.h"
#include "server/check/machine.h"

extern char** environ;

namespace outrider::server {

namespace {

constexpr int kPatienceMs = 3000;
constexpr size_t kMost = 4 << 20;

// What a program says on standard output. False: it is not there, failed, or took too long.
bool output_of(std::vector<const char*> words, std::string& out) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  words.push_back(nullptr);
  pid_t pid = -1;
  const int failed = posix_spawnp(&pid, words[0], &actions, nullptr, const_cast<char**>(words.data()), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  bool whole = false;
  while (!failed && out.size() < kMost) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now()).count();
    pollfd waiting{ends[0], POLLIN, 0};
    if (left <= 0 || ::poll(&waiting, 1, int(left)) <= 0) break;
    char part[16384];
    const ssize_t n = ::read(ends[0], part, sizeof part);
    if (n > 0) out.append(part, size_t(n));
    else if ((whole = n == 0) || errno != EINTR) break;
  }
  ::close(ends[0]);
  if (failed) return false;
  if (!whole) ::kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return whole && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// `what` in the line, and no digit behind it.
bool has_number(std::string_view line, const std::string& what) {
  for (size_t at = line.find(what); at != line.npos; at = line.find(what, at + 1))
    if (at + what.size() == line.size() || !is_digit(line[at + what.size()])) return true;
  return false;
}

template <class Fits>
bool any_line(const std::string& rules, Fits fits) {
  const auto lines = split(rules, '\n');
  return std::any_of(lines.begin(), lines.end(), fits);
}

bool redirects_to(const std::string& rules, uint16_t port) {
  const std::string number = std::to_string(port);
  return any_line(rules, [&](std::string_view line) {
    const bool by_tproxy = line.find("tproxy") != line.npos && has_number(line, ":" + number);
    return by_tproxy || has_number(line, "redirect to :" + number) || has_number(line, "--to-ports " + number) ||
           has_number(line, "--to-port " + number) || has_number(line, "--on-port " + number);
  });
}

// Users and groups by their number.
bool leaves_out(const std::string& rules, uint32_t user) {
  const std::string id = std::to_string(user);
  return any_line(rules, [&](std::string_view line) {
    const auto has = [&](const char* text) { return line.find(text) != line.npos; };
    if (has_number(line, "skuid != " + id) || has_number(line, "! --uid-owner " + id)) return true;
    const bool lets_go = has("return") || has("accept") || has("RETURN") || has("ACCEPT");
    return lets_go && (has_number(line, "skuid " + id) || has_number(line, "skuid == " + id) ||
                       has_number(line, "--uid-owner " + id) || has("skgid ") || has("--gid-owner "));
  });
}

}  // namespace

Rules look_at_rules(uint32_t user) {
  Rules rules;
  rules.user = user;
  bool any = false;
  for (const auto& words : {std::vector<const char*>{"nft", "--numeric", "list", "ruleset"},
                            {"iptables-save", "-t", "nat"},
                            {"ip6tables-save", "-t", "nat"}})
    any |= output_of(words, rules.text);
  if (!any)
    rules.why =
        geteuid() == 0 ? "neither nft nor iptables-save is installed here" : "only root may read the rules of nft and iptables";
  return rules;
}

Fact judge(const Rules& rules, const Redirected& wanted) {
  const std::string name = "redirection";
  if (!wanted.outbound && !wanted.inbound) return skipped(name, "no listener is transparent");
  if (!rules.why.empty()) return skipped(name, rules.why);
  std::string missing, there;
  const auto add = [](std::string& to, const std::string& more) { to += (to.empty() ? "" : " and ") + more; };
  for (const auto& [port, what] : {std::pair{wanted.outbound, "what the app sends"}, {wanted.inbound, "what others send to it"}})
    if (port) add(redirects_to(rules.text, *port) ? there : missing, std::string(what) + " to port " + std::to_string(*port));
  const std::string id = std::to_string(rules.user);
  if (there.empty())
    return warning(
        name, "no rule of nft or iptables redirects here: only what is sent to the proxy's own ports comes to it",
        "none, if the app calls the proxy itself; else rules such as `meta skuid " + id +
            " return; meta l4proto tcp redirect to :" + std::to_string(wanted.outbound.value_or(wanted.inbound.value_or(0))) +
            "` in a nat chain of the hook output");
  if (wanted.outbound && redirects_to(rules.text, *wanted.outbound) && !leaves_out(rules.text, rules.user))
    return wrong(name,
                 there + " is redirected, and so is what the proxy itself sends (user " + id +
                     "): its connections come back to it, and are refused",
                 "`meta skuid " + id + " return` before the redirection (iptables: -m owner --uid-owner " + id + " -j RETURN)");
  if (!missing.empty())
    return warning(name, there + " is redirected; " + missing + " is not",
                   "a rule for it too, if that is meant to go through the proxy");
  return fine(name, there + " is redirected, but for user " + id + ", the proxy's own");
}

}  // namespace outrider::server
