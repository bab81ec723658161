#include "server/sandbox.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <thread>

#include "net/datagram.h"
#include "tests/support/sockets.h"

namespace outrider::server {
namespace {

// The line of /proc/thread-self/status, without its name.
std::string status(const std::string& name) {
  std::ifstream file("/proc/thread-self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  return {};
}

// A sandbox cannot be left: each case is a process of its own, which says with its exit code whether all was well.
template <class F>
void apart(F&& all_is_well) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(all_is_well() ? 0 : 1), testing::ExitedWithCode(0), "");
}

bool fails(long result, int os_error) {
  if (result == -1 && errno == os_error) return true;
  std::fprintf(stderr, "result %ld, errno %d\n", result, errno);
  return false;
}

TEST(Sandbox, RefusesWhatAProxyHasNoNeedOfAndCountsIt) {
  if (!kConfines) GTEST_SKIP() << "with a sanitizer nothing is confined";
  apart([] {
    if (!confine(0).empty()) return false;
    return fails(::mount("none", "/", "none", 0, nullptr), EPERM) && fails(::chroot("/"), EPERM) &&
           fails(::socket(AF_PACKET, SOCK_RAW, 0), EPERM) && refused_calls() == 3;
  });
}

TEST(Sandbox, StartsNoProgramAndSignalsNobodyButTheApp) {
  if (!kConfines) GTEST_SKIP() << "with a sanitizer nothing is confined";
  apart([] {
    if (!confine(::getppid()).empty()) return false;
    return fails(::execl("/bin/true", "true", nullptr), EPERM) && fails(::fork(), EPERM) && fails(::kill(1, 0), EPERM) &&
           ::kill(::getppid(), 0) == 0;
  });
}

TEST(Sandbox, ClosesAroundThreadsThatRunAndThoseToCome) {
  if (!kConfines) GTEST_SKIP() << "with a sanitizer nothing is confined";
  apart([] {
    std::atomic<bool> closed{false};
    std::string before, after;
    std::thread running([&] {
      while (!closed) std::this_thread::yield();
      before = status("Seccomp") + status("NoNewPrivs");
    });
    const bool done = confine(0).empty();
    closed = true;
    running.join();
    std::thread([&] { after = status("Seccomp") + status("NoNewPrivs"); }).join();
    return done && before == "21" && after == "21";
  });
}

TEST(Sandbox, CapabilitiesAreGone) {
  apart([] {
    if (!drop_capabilities({"/proc/self/status", "/no/such/file"}, false, false).empty()) return false;
    const std::string none = "0000000000000000";
    return status("CapEff") == none && status("CapPrm") == none;
  });
}

TEST(Sandbox, AKeyThatRootAloneCanReadStaysReadable) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root has capabilities to keep";
  apart([] {
    char name[] = "/tmp/outrider-key-XXXXXX";
    ::close(::mkstemp(name));
    bool well = ::chown(name, 65534, 65534) == 0 && ::chmod(name, 0600) == 0;
    well = well && drop_capabilities({name}, false, false).empty() && status("CapEff") == "0000000000000004" &&
           std::ifstream(name).good();
    return well;
  });
}

// The registry binds its port when all the rest is open, and has threads of its own from then on.
TEST(Sandbox, OneLowPortIsBoundAndNoneAfterIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root has capabilities to keep";
  apart([] {
    struct : net::DatagramEvents {
      void on_datagram(std::span<char>, const net::Address&) override {}
    } nobody;
    net::Loop loop;
    const net::Address low = test::free_low_port();
    net::Datagram first(loop, nobody), second(loop, nobody);
    const std::string none = "0000000000000000";
    std::string later;
    bool well = drop_capabilities({}, false, true).empty() && status("CapEff") == none && first.bind(low);
    std::thread([&] { later = status("CapEff") + status("CapPrm"); }).join();
    well = well && later == none + none && status("CapPrm") == none;
    const auto again = second.bind(*net::Address::parse("127.0.0.2:" + std::to_string(low.port())));
    return well && (again || again.error().os_error == EACCES);
  });
}

TEST(Sandbox, MemoryIsPrivate) {
  apart([] {
    keep_memory_private();
    return ::prctl(PR_GET_DUMPABLE) == 0;
  });
}

}  // namespace
}  // namespace outrider::server
