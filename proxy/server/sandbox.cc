#include "server/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "net/address.h"
#include "net/capabilities.h"
#include "net/transparent.h"

namespace outrider::server {

namespace {

using net::Capabilities;

bool may_read(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno != EACCES;
  ::close(fd);
  return true;
}

// What libuv, OpenSSL, OpenDHT, the C library and the proxy itself ask the kernel for once everything is open.
constexpr int kAllowed[] = {
    // memory
    SCMP_SYS(brk),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(mincore),
    SCMP_SYS(membarrier),
    // threads and signals
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(getcpu),
    SCMP_SYS(wait4),
    SCMP_SYS(waitid),
    // time
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(times),
    // who and where we are
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(getcwd),
    SCMP_SYS(umask),
    SCMP_SYS(capget),
    // waiting
    SCMP_SYS(epoll_create),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(eventfd),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
    SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch),
    // descriptors
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(splice),
    SCMP_SYS(tee),
    SCMP_SYS(sendfile),
    SCMP_SYS(close),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(fcntl),
    SCMP_SYS(lseek),
    // files: the user's own rights are the limit
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(stat),
    SCMP_SYS(fstat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(getdents64),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fchmod),
    SCMP_SYS(fallocate),
    SCMP_SYS(flock),
    // sockets; of which families, below
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(connect),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(shutdown),
    SCMP_SYS(socketpair),
};

std::atomic<uint64_t> refused{0};
std::atomic<int> first_refused{-1};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

// The kernel has not done the call and asks us what it is to answer.
void on_refused(int, siginfo_t* about, void* context) {
  int none = -1;
  first_refused.compare_exchange_strong(none, about->si_syscall);
  refused.fetch_add(1, std::memory_order_relaxed);
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  registers.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
  registers.regs[0] = uint64_t(-EPERM);
#endif
}

#if defined(__x86_64__) || defined(__aarch64__)
constexpr uint32_t kRefuse = SCMP_ACT_TRAP;
#else
constexpr uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);
#endif

class Rules {
 public:
  Rules() : filter_(seccomp_init(kRefuse)) {
    if (!filter_) {
      failed_ = ENOMEM;
      return;
    }
    check(seccomp_attr_set(filter_, SCMP_FLTATR_CTL_TSYNC, 1));
    check(seccomp_attr_set(filter_, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM)));
    seccomp_attr_set(filter_, SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a search instead of a walk
    seccomp_attr_set(filter_, SCMP_FLTATR_CTL_SSB, 1);       // no slower branches: we run nobody else's code
  }
  ~Rules() { seccomp_release(filter_); }
  Rules(const Rules&) = delete;
  void allow(int call) { check(seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, call, 0, nullptr)); }
  void allow(int call, scmp_arg_cmp argument) { check(seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, call, 1, &argument)); }
  void answer(int call, int os_error) {
    check(seccomp_rule_add_array(filter_, SCMP_ACT_ERRNO(uint32_t(os_error)), call, 0, nullptr));
  }
  int load() {
    if (failed_ == 0) check(seccomp_load(filter_));
    return failed_;
  }

 private:
  void check(int result) {
    if (result < 0) fail(-result);
  }
  void fail(int os_error) {
    if (failed_ == 0) failed_ = os_error;
  }
  scmp_filter_ctx filter_;
  int failed_ = 0;
};

}  // namespace

namespace {

std::vector<std::string> secrets_of(const config::Document& document) {
  std::vector<std::string> files;
  const auto add = [&](const std::string& file) {
    if (!file.empty()) files.push_back(file);
  };
  if (const std::string& dir = document.identity.dir; !dir.empty())
    for (const char* name : {"/tls.crt", "/tls.key", "/ca.crt"}) files.push_back(dir + name);
  add(document.registry.key);
  if (document.registry.kind == config::Registry::Kind::Kubernetes)
    for (const std::string& file : {document.registry.kubernetes.token_file, document.registry.kubernetes.ca}) add(file);
  for (const auto& [domain, file] : document.identity.trust) add(file);
  for (const auto& listener : document.listeners)
    for (const auto& site : listener.tls.sites) {
      for (const auto* list : {&site.cert, &site.key})
        for (const std::string& file : *list) add(file);
      add(site.client_ca);
    }
  const auto add_options = [&](config::Chain uses) {
    for (auto& use : uses)
      use.options.each_scalar([&](const config::Node& option) {
        if (option.text().starts_with("file:")) add(option.text().substr(5));
      });
  };
  for (const auto& listener : document.listeners)
    for (const auto& route : listener.routes) add_options(route.filters);
  for (const auto& cluster : document.clusters)
    for (const std::string& file : {cluster.tls.ca, cluster.tls.cert, cluster.tls.key}) add(file);
  return files;
}

}  // namespace

std::vector<std::string> files_of(const config::Document& document) {
  std::vector<std::string> files = secrets_of(document);
  for (const auto& cluster : document.clusters)
    if (!cluster.endpoints_file.empty()) files.push_back(cluster.endpoints_file);
  for (const auto& file : document.included) files.push_back(file.file);
  return files;
}

bool holds_keys(const config::Document& document) { return document.identity || !secrets_of(document).empty(); }

bool binds_low_port(const config::Document& document) {
  if (document.registry.kind != config::Registry::Kind::Dht) return false;
  const auto at = net::Address::parse(document.registry.bind);
  return at && at->port() > 0 && at->port() < 1024;
}

bool takes_others_connections(const config::Document& document) {
  return std::any_of(document.listeners.begin(), document.listeners.end(), [](const auto& listener) { return listener.tproxy; });
}

std::string drop_capabilities(const std::vector<std::string>& files, bool signals, bool low_port, bool transparent) {
  const uint64_t had = Capabilities::now().permitted;
  if (had == 0) return {};
  if (!Capabilities{0, had}.apply()) return std::strerror(errno);
  uint64_t kept = 0;
  for (const std::string& file : files)
    if (!may_read(file)) kept |= Capabilities::only(CAP_DAC_READ_SEARCH);
  if (signals) kept |= Capabilities::only(CAP_KILL);
  if (transparent) kept |= net::transparency();
  const uint64_t laid_down = low_port ? Capabilities::only(CAP_NET_BIND_SERVICE) : 0;
  return Capabilities{kept & had, (kept | laid_down) & had}.apply() ? std::string() : std::strerror(errno);
}

void keep_memory_private() { ::prctl(PR_SET_DUMPABLE, 0); }

std::string confine(pid_t app) {
  if (!kConfines) return {};
  struct sigaction action {};
  action.sa_sigaction = on_refused;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;
  ::sigaction(SIGSYS, &action, nullptr);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return std::string("no-new-privileges: ") + std::strerror(errno);
  Rules rules;
  for (const int call : kAllowed) rules.allow(call);
  for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK})
    rules.allow(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, scmp_datum_t(family)));
  for (const unsigned long request : {FIONBIO, FIONREAD, FIOCLEX, TCGETS, TIOCGWINSZ, SIOCGIFNAME, SIOCGIFINDEX})
    rules.allow(SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, request));
  rules.allow(SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0));  // asked, not set
  rules.allow(SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, scmp_datum_t(::getpid())));
  if (app > 0) rules.allow(SCMP_SYS(kill), SCMP_A0(SCMP_CMP_EQ, scmp_datum_t(app)));
  // Threads and no processes. What clone3() is asked for lies in memory, where nothing can look; the library then takes clone().
  rules.allow(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
  for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE})
    rules.allow(SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, scmp_datum_t(option)));
  rules.answer(SCMP_SYS(clone3), ENOSYS);
  const int failed = rules.load();
  return failed == 0 ? std::string() : std::string("seccomp: ") + std::strerror(failed);
}

uint64_t refused_calls() {
  static bool told = false;
  const int first = first_refused.load();
  if (first >= 0 && !std::exchange(told, true)) {
    char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, first);
    log::warn("sandbox: a system call was refused (lifecycle.sandbox)", {{"call", name ? name : "unknown"}, {"number", first}});
    std::free(name);
  }
  return refused.load(std::memory_order_relaxed);
}

}  // namespace outrider::server
