// What thousands of connections that say nothing cost, and that it is given back when they have left.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <thread>

#include "tests/support/program.h"
#include "tests/support/sockets.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OUTRIDER_MEASURES_MEMORY 0
#else
#define OUTRIDER_MEASURES_MEMORY 1
#endif

namespace outrider::test {
namespace {

constexpr size_t kMany = 8000;

// Looks again and again; only a hang meets the limit.
template <class Condition>
bool until(Condition done) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

// As many connections as the descriptors of a process allow, up to kMany: of this one, and of the proxy, which inherits
// the limit.
size_t as_many_as_allowed(size_t descriptors_each) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return std::min<size_t>(kMany, (limit.rlim_cur - 200) / descriptors_each);
}

// The program with one worker and one listener, and its clients.
struct Crowd {
  explicit Crowd(const std::string& protocol, const std::string& routes_and_clusters) {
    std::ofstream(folder.file("a")) << "version: 1\nmode: edge\nregistry: {kind: none}\noverload: {threads: 1}\n"
                                       "admin: {address: off, health: off}\n"
                                       "telemetry: {metrics: {address: off}, access_log: off}\n"
                                       "listeners: {edge: {address: \"127.0.0.1:0\", protocol: "
                                    << protocol << "}}\n"
                                    << routes_and_clusters;
    program.emplace(std::vector<std::string>{"run", "-c", folder.file("a")}, folder.file("b"));
    const std::string mark = "address=127.0.0.1:";
    EXPECT_TRUE(until([&] {
      std::string line;
      for (std::ifstream log(folder.file("b")); std::getline(log, line);)
        if (const size_t at = line.find(mark); at != line.npos)
          to = net::Address::loopback(uint16_t(std::atoi(&line[at + mark.size()])));
      return to.valid();
    }));
  }
  // From several addresses: a port each is needed.
  Fd connect() {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto from = *net::Address::parse("127.0.0." + std::to_string(2 + clients.size() % 16) + ":0");
    EXPECT_EQ(::bind(fd.get(), from.raw(), from.length()), 0);
    EXPECT_EQ(::connect(fd.get(), to.raw(), to.length()), 0);
    return fd;
  }
  // Each has been served once.
  void grow(size_t n, std::string_view ask, std::string_view answer) {
    char text[4096];
    while (clients.size() < n && !testing::Test::HasFailure()) {
      clients.push_back(connect());
      const int fd = clients.back().get();
      ASSERT_EQ(::send(fd, ask.data(), ask.size(), MSG_NOSIGNAL), ssize_t(ask.size()));
      size_t got = 0;
      while (!std::string_view(text, got).ends_with(answer)) {
        const ssize_t part = ::recv(fd, text + got, sizeof text - got, 0);
        ASSERT_GT(part, 0);
        got += size_t(part);
      }
    }
  }
  // Page by page, since what statm says may be dozens of pages a core behind; without the program's own, which come when
  // they are first used.
  size_t resident() {
    std::ifstream rollup("/proc/" + std::to_string(program->pid()) + "/smaps_rollup");
    for (std::string word; rollup >> word;)
      if (word == "Anonymous:" && rollup >> word) return size_t(std::stoul(word)) << 10;
    return 0;
  }

  TemporaryDirectory folder;
  std::optional<Program> program;
  net::Address to;
  std::vector<Fd> clients;
};

constexpr double kMiB = 1024 * 1024;

// As many clients as are allowed are to come; one has been.
class Memory : public testing::Test {
 protected:
  void SetUp() override {
    if (!OUTRIDER_MEASURES_MEMORY) GTEST_SKIP() << "a sanitizer has its own malloc";
    if (many < 2000) GTEST_SKIP() << "too few descriptors: " << many;
    crowd.emplace("http", "routes: {edge: [{respond: {status: 200, body: fine}}]}\n");
    crowd->grow(1, ask, "fine");
    start = crowd->resident();
  }
  const size_t many = as_many_as_allowed(1);
  const std::string ask = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";
  std::optional<Crowd> crowd;
  size_t start = 0;
};

TEST_F(Memory, OfIdleConnectionsIsLittleAndIsGivenBack) {
  crowd->grow(1000, ask, "fine");
  const size_t few = crowd->resident();
  crowd->grow(many, ask, "fine");
  const double each = double(crowd->resident() - few) / double(many - 1000);
  RecordProperty("bytes_each", std::to_string(each));
  EXPECT_LE(each, 600);
  EXPECT_GE(each, 100);  // or they were not there
  crowd->clients.clear();
  EXPECT_TRUE(until([&] { return double(crowd->resident()) <= double(start) + 2 * kMiB; }))
      << (double(crowd->resident()) - double(start)) / kMiB << " MiB are not back";
  RecordProperty("bytes_left", std::to_string(double(crowd->resident()) - double(start)));
}

// The last few hold a page each, here and there, when most of it goes back.
TEST_F(Memory, OfACrowdThatDoesNotLeaveAtOnceIsGivenBackToo) {
  crowd->grow(many, ask, "fine");
  const size_t full = crowd->resident();
  std::vector<Fd> last;
  for (size_t i = 0; i < many; i += 18) last.push_back(std::move(crowd->clients[i]));
  crowd->clients.clear();
  EXPECT_TRUE(until([&] { return crowd->resident() < full - (full - start) / 4; })) << "most of it is not back";
  const double held = double(crowd->resident()) - double(start);
  last.clear();
  EXPECT_TRUE(until([&] { return double(crowd->resident()) - double(start) < held / 2; }))
      << held / kMiB << " MiB are still held";
}

}  // namespace
}  // namespace outrider::test
