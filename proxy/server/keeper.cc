#include "server/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/text.h"
#include "net/capabilities.h"
#include "server/handover.h"

extern char** environ;

namespace outrider::server {

namespace {

constexpr int kPassed[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT};

// A message is a letter and what belongs to it: to the keeper S(path), with a descriptor, K(pid), C(pid); from it P(pid), E(why),
// X(pid,how), G(number).
std::string message(char letter, std::string_view rest) { return letter + std::string(rest); }

std::string contents(const char* path) {
  std::string text;
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  char piece[4096];
  for (ssize_t n; fd >= 0 && (n = ::read(fd, piece, sizeof piece)) > 0;) text.append(piece, size_t(n));
  if (fd >= 0) ::close(fd);
  return text;
}

std::string reason(int os_error) { return std::strerror(os_error); }

// Nobody but root and whoever runs us may put another file there: whoever asks for an upgrade over the loopback port is not
// known.
std::string why_not_trusted(const std::string& path) {
  for (std::string part = path;; part = part.substr(0, std::max<size_t>(1, part.rfind('/')))) {
    struct stat file {};
    if (::lstat(part.c_str(), &file) != 0) return part + ": " + reason(errno);
    const bool sticky = S_ISDIR(file.st_mode) && (file.st_mode & S_ISVTX);
    if ((file.st_uid != 0 && file.st_uid != ::geteuid()) || ((file.st_mode & (S_IWGRP | S_IWOTH)) && !sticky))
      return part + " could be written by another user";
    if (part == "/") return {};
  }
}

std::string why_not_ours(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat file {};
  if (fd < 0 || ::fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) {
    const std::string why = fd < 0 ? reason(errno) : "is no file";
    if (fd >= 0) ::close(fd);
    return path + ": " + why;
  }
  void* const all = file.st_size ? ::mmap(nullptr, size_t(file.st_size), PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
  ::close(fd);
  if (all == MAP_FAILED) return path + " is no outrider that can take over";
  const bool found = ::memmem(all, size_t(file.st_size), kTakesOver, sizeof kTakesOver - 1) != nullptr;
  ::munmap(all, size_t(file.st_size));
  return found ? std::string() : path + " is no outrider that can take over";
}

class Keeping {
 public:
  Keeping(Keeps keeps, std::vector<std::string> words, std::string own, const sigset_t& mask)
      : keeps_(keeps), words_(std::move(words)), own_(std::move(own)), mask_(mask) {}
  void add(int socket, pid_t process) { proxies_.push_back({socket, process}); }
  int run();

 private:
  struct Proxy {
    int socket;
    pid_t process;  // 0: it is not our child
  };
  void on_signal(int signals);
  void on_message(Proxy& from);
  void start(int asker, std::string binary, int channel);
  void exec(const std::string& path, int channel, int control, int told);
  void tell(int socket, char letter, std::string_view rest) { (void)net::send_message(socket, message(letter, rest)); }
  const Keeps keeps_;
  const std::vector<std::string> words_;
  const std::string own_;
  const sigset_t mask_;
  std::vector<Proxy> proxies_;
  size_t current_ = 0;
  int code_ = 0;
};

int Keeping::run() {
  sigset_t heard;
  sigemptyset(&heard);
  sigaddset(&heard, SIGCHLD);
  if (keeps_ == Keeps::Pid)
    for (const int number : kPassed) sigaddset(&heard, number);
  const int signals = ::signalfd(-1, &heard, SFD_NONBLOCK | SFD_CLOEXEC);
  for (;;) {
    for (size_t i = proxies_.size(); i-- > 0;) {  // those that are history
      if (i == current_ || proxies_[i].socket >= 0 || proxies_[i].process > 0) continue;
      proxies_.erase(proxies_.begin() + ptrdiff_t(i));
      if (i < current_) --current_;
    }
    std::vector<pollfd> all{{signals, POLLIN, 0}};
    bool any = false;
    for (const auto& proxy : proxies_) {
      all.push_back({proxy.socket, POLLIN, 0});
      any |= proxy.socket >= 0 || (keeps_ == Keeps::Pid && proxy.process > 0);
    }
    if (!any) return code_;
    if (::poll(all.data(), nfds_t(all.size()), -1) < 0) continue;
    for (size_t i = 1; i < all.size(); ++i)
      if (all[i].revents) on_message(proxies_[i - 1]);
    if (all[0].revents) on_signal(signals);
  }
}

void Keeping::on_signal(int signals) {
  for (signalfd_siginfo one; ::read(signals, &one, sizeof one) == ssize_t(sizeof one);)
    if (one.ssi_signo != SIGCHLD && proxies_[current_].socket >= 0)
      tell(proxies_[current_].socket, 'G', std::to_string(one.ssi_signo));
  int status = 0;
  for (pid_t gone; (gone = ::waitpid(-1, &status, WNOHANG)) > 0;) {  // orphans, too
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    const auto how =
        WIFEXITED(status) ? "exited with " + std::to_string(code) : "was ended by signal " + std::to_string(code - 128);
    for (size_t i = 0; i < proxies_.size(); ++i) {
      if (proxies_[i].process != gone) continue;
      proxies_[i].process = 0;
      if (i == current_) code_ = code;
      for (const auto& other : proxies_)
        if (other.socket >= 0) tell(other.socket, 'X', std::to_string(gone) + "," + how);
    }
  }
}

void Keeping::on_message(Proxy& from) {
  auto received = net::receive_message(from.socket);
  if (received.what == net::Received::What::End) {
    ::close(std::exchange(from.socket, -1));
    return;
  }
  if (received.what == net::Received::What::Nothing || received.bytes.empty()) return;
  const std::string rest = received.bytes.substr(1);
  switch (received.bytes[0]) {
    case 'S': return start(from.socket, rest, received.fd);
    case 'C':
      for (size_t i = 0; i < proxies_.size(); ++i)
        if (proxies_[i].process > 0 && std::to_string(proxies_[i].process) == rest) current_ = i;
      break;
    case 'K':
      for (const auto& proxy : proxies_)  // our children alone
        if (proxy.process > 0 && std::to_string(proxy.process) == rest) ::kill(proxy.process, SIGKILL);
      break;
    default: break;
  }
  if (received.fd >= 0) ::close(received.fd);
}

void Keeping::start(int asker, std::string binary, int channel) {
  std::string why = channel < 0 ? "there is nothing to be handed over" : std::string();
  if (why.empty() && !binary.empty()) {
    char whole[PATH_MAX];
    if (!::realpath(binary.c_str(), whole)) why = binary + ": " + reason(errno);
    else why = why_not_trusted(binary = whole);
  }
  if (why.empty()) why = why_not_ours(binary.empty() ? own_ : binary);
  const auto [control, theirs] = why.empty() ? net::messenger_pair() : std::pair(-1, -1);
  int told[2] = {-1, -1};
  if (why.empty() && (control < 0 || ::pipe2(told, O_CLOEXEC) != 0)) why = reason(errno);
  pid_t child = -1;
  if (why.empty() && (child = ::fork()) == 0) exec(binary.empty() ? own_ : binary, channel, theirs, told[1]);
  if (why.empty() && child < 0) why = "fork: " + reason(errno);
  for (const int fd : {channel, theirs, told[1]})
    if (fd >= 0) ::close(fd);
  int failed = 0;  // of exec; the end of the pipe where there was none
  if (child > 0 && ::read(told[0], &failed, sizeof failed) == ssize_t(sizeof failed))
    why = (binary.empty() ? own_ : binary) + ": " + reason(failed);
  if (told[0] >= 0) ::close(told[0]);
  if (!why.empty()) {
    if (control >= 0) ::close(control);
    return tell(asker, 'E', why);
  }
  tell(asker, 'P', std::to_string(child));
  add(control, child);
}

// In the child. As we were started: the same words, environment, signals.
void Keeping::exec(const std::string& path, int channel, int control, int told) {
  if (keeps_ == Keeps::Pid) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int fd : {channel, control}) ::fcntl(fd, F_SETFD, 0);
  ::setenv(Inheritance::kWord, (std::to_string(channel) + "," + std::to_string(control)).c_str(), 1);
  ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
  std::vector<char*> words;
  for (const auto& word : words_) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execve(path.c_str(), words.data(), environ);
  const int failed = errno;
  (void)!::write(told, &failed, sizeof failed);
  ::_exit(127);
}

}  // namespace

int start_keeper(Keeps keeps, bool upgrades, std::string& why) {
  std::vector<std::string> words;
  const std::string line = contents("/proc/self/cmdline");  // each word ends with a 0
  for (size_t at = 0; at < line.size(); at = line.find('\0', at) + 1) words.emplace_back(line.c_str() + at);
  char own[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", own, sizeof own);
  if (words.empty() || length <= 0) return why = "/proc is not there: " + reason(errno), -1;
  const auto [ours, theirs] = net::messenger_pair();
  if (ours < 0) return why = reason(errno), -1;
  sigset_t all, mask;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &mask);
  const pid_t self = ::getpid(), child = ::fork();
  if (child < 0) {
    why = "fork: " + reason(errno);
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
    ::close(ours);
    ::close(theirs);
    return -1;
  }
  const bool is_keeper = (child == 0) == (keeps == Keeps::Nothing);
  ::close(is_keeper ? ours : theirs);
  if (!is_keeper) {
    if (child == 0) ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // ours to outlive nobody
    if (child == 0 && ::getppid() != self) ::_exit(0);
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
    return ours;
  }
  ::prctl(PR_SET_NAME, "outrider-keeper");
  if (!upgrades) (void)net::Capabilities{}.apply();
  Keeping keeping(keeps, std::move(words), std::string(own, size_t(length)), mask);
  keeping.add(theirs, keeps == Keeps::Pid ? child : 0);
  ::_exit(keeping.run());
}

Keeper::Keeper(net::Loop& control, KeeperEvents& events, int socket) : events_(events) {
  net::MessengerEvents& self = *this;
  if (socket >= 0) messenger_ = std::make_unique<net::Messenger>(control, self, socket);
}

void Keeper::start(const std::string& binary, int channel) { messenger_->send(message('S', binary), channel); }

void Keeper::kill(pid_t process) {
  if (messenger_) messenger_->send(message('K', std::to_string(process)));
}

void Keeper::say_current(pid_t process) {
  if (messenger_) messenger_->send(message('C', std::to_string(process)));
}

void Keeper::on_message(std::string_view bytes, int fd) {
  if (fd >= 0) ::close(fd);
  std::string_view rest = bytes.substr(1);
  switch (bytes[0]) {
    case 'P': return events_.on_started(pid_t(parse_number(rest).value_or(0)));
    case 'E': return events_.on_not_started(std::string(rest));
    case 'G': return events_.on_passed_signal(int(parse_number(rest).value_or(0)));
    case 'X': {
      const auto process = parse_number(next_part(rest, ','));
      return events_.on_ended(pid_t(process.value_or(0)), std::string(rest));
    }
    default: return;
  }
}

void Keeper::on_hung_up() {
  messenger_.reset();
  events_.on_not_started("the keeper, which could start a process, is gone");
}

}  // namespace outrider::server
