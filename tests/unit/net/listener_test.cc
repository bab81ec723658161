#include "net/listener.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/loop.h"
#include "tests/support/sockets.h"

namespace outrider::net {
namespace {

using test::Fd;
using test::run_turns;
using test::run_until;

struct Accepting final : ListenerEvents {
  void on_accept(int fd, const Address& peer) override {
    EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    if (int on = 0; !peer.is_unix()) {
      socklen_t size = sizeof on;
      EXPECT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
      EXPECT_NE(on, 0);
    }
    fds.emplace_back(fd);
    peers.push_back(peer);
  }
  std::vector<Fd> fds;
  std::vector<Address> peers;
};

TEST(Listener, AcceptsOverIpv4Ipv6AndUnixSockets) {
  test::TemporaryDirectory directory;
  for (const auto& text : {std::string("127.0.0.1:0"), std::string("[::1]:0"), "unix:" + directory.file("a")}) {
    Loop loop;
    Accepting accepting;
    auto fd = open_listener(*Address::parse(text));
    ASSERT_TRUE(fd) << text;
    Listener listener(loop, accepting, *fd);
    ASSERT_TRUE(listener.local().valid());
    Fd client = test::connected_to(listener.local());
    ASSERT_TRUE(client) << text;
    ASSERT_TRUE(run_until(loop, [&] { return !accepting.fds.empty(); }));
    EXPECT_EQ(accepting.peers[0].family(), listener.local().family());
    if (!listener.local().is_unix()) {
      EXPECT_EQ(accepting.peers[0], Address::local_of(client.get()));
    }
    client.write_some("x");
    EXPECT_TRUE(run_until(loop, [&] {
      loop.post([] {});
      return accepting.fds[0].read_some().bytes == "x";
    }));
  }
}

TEST(Listener, EveryAddressMeansBothFamilies) {
  Loop loop;
  Accepting accepting;
  auto fd = open_listener(*Address::parse(":0"));
  ASSERT_TRUE(fd);
  Listener listener(loop, accepting, *fd);
  Fd v4 = test::connected_to(Address::loopback(listener.local().port()));
  auto six = *Address::parse("[::1]:0");
  six.set_port(listener.local().port());
  Fd v6 = test::connected_to(six);
  ASSERT_TRUE(v4 && v6);
  ASSERT_TRUE(run_until(loop, [&] { return accepting.fds.size() == 2; }));
  EXPECT_NE(accepting.peers[0].family() == AF_INET, accepting.peers[1].family() == AF_INET)
      << "one of each, and the first not as ::ffff:127.0.0.1";
}

TEST(Listener, WhatOnlyThisMachineReachesHasThePlainestCongestionControl) {
  const Fd untouched(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (const auto& [text, wanted] :
       {std::pair(std::string("127.0.0.1:0"), std::string("reno")), std::pair(std::string("[::1]:0"), std::string("reno")),
        std::pair(std::string(":0"), untouched.congestion_control())}) {
    Loop loop;
    Accepting accepting;
    auto fd = open_listener(*Address::parse(text));
    ASSERT_TRUE(fd) << text;
    Listener listener(loop, accepting, *fd);
    const Fd client =
        test::connected_to(listener.local().is_wildcard() ? Address::loopback(listener.local().port()) : listener.local());
    ASSERT_TRUE(client) << text;
    ASSERT_TRUE(run_until(loop, [&] { return !accepting.fds.empty(); }));
    EXPECT_EQ(accepting.fds[0].congestion_control(), wanted) << text;
  }
}

TEST(Listener, LeavesConnectionsInTheQueueWhilePaused) {
  Loop loop;
  Accepting accepting;
  Listener listener(loop, accepting, *open_listener(Address::loopback(0)));
  listener.pause();
  Fd client = test::connected_to(listener.local());
  ASSERT_TRUE(client);
  run_turns(loop, 20);
  EXPECT_TRUE(accepting.fds.empty());
  listener.resume();
  EXPECT_TRUE(run_until(loop, [&] { return !accepting.fds.empty(); }));
}

TEST(Listener, SeveralOfOursShareAPort) {
  Loop loop;
  Accepting first, second;
  Listener one(loop, first, *open_listener(Address::loopback(0)));
  auto fd = open_listener(one.local(), Port::Shared);
  ASSERT_TRUE(fd);
  Listener two(loop, second, *fd);
  std::vector<Fd> clients;
  for (int i = 0; i < 64; ++i) clients.push_back(test::connected_to(one.local()));
  EXPECT_TRUE(run_until(loop, [&] { return first.fds.size() + second.fds.size() == 64; }));
  EXPECT_FALSE(first.fds.empty());
  EXPECT_FALSE(second.fds.empty());
}

TEST(Listener, RefusesAPortThatAnotherListenerHasAlthoughBothCouldShareIt) {
  auto held = open_listener(Address::loopback(0));
  ASSERT_TRUE(held);
  Fd keep(*held);
  const auto again = open_listener(Address::local_of(keep.get()));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().os_error, EADDRINUSE);
  EXPECT_EQ(again.error().code, Code::Config);
  // Every address of that port as well.
  auto any = *Address::parse(":0");
  any.set_port(Address::local_of(keep.get()).port());
  const auto wider = open_listener(any);
  ASSERT_FALSE(wider);
  EXPECT_EQ(wider.error().os_error, EADDRINUSE);
}

TEST(Listener, RefusesAPortThatAnotherProcessHas) {
  for (const bool shares : {false, true}) {  // with SO_REUSEPORT the kernel alone would let us in
    int told[2], finish[2];
    ASSERT_EQ(::pipe2(told, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(finish, O_CLOEXEC), 0);
    const pid_t other = ::fork();
    if (other == 0) {
      const int fd = ::socket(AF_INET, SOCK_STREAM, 0), on = 1;
      if (shares) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
      const auto at = Address::loopback(0);
      uint16_t port = 0;
      if (::bind(fd, at.raw(), at.length()) == 0 && ::listen(fd, 1) == 0) port = Address::local_of(fd).port();
      char c;
      if (::write(told[1], &port, sizeof port) == sizeof port && ::close(finish[1]) == 0) (void)!::read(finish[0], &c, 1);
      ::_exit(0);
    }
    ASSERT_GT(other, 0);
    ::close(finish[0]);
    uint16_t port = 0;
    ASSERT_EQ(::read(told[0], &port, sizeof port), ssize_t(sizeof port));
    ASSERT_NE(port, 0);
    const auto fd = open_listener(Address::loopback(port));
    EXPECT_FALSE(fd) << "shares: " << shares;
    if (fd) ::close(*fd);
    else EXPECT_EQ(fd.error().os_error, EADDRINUSE);
    ::close(finish[1]);
    ::waitpid(other, nullptr, 0);
    ::close(told[0]);
    ::close(told[1]);
  }
}

TEST(Listener, TakesAPortAgainAsSoonAsItIsFree) {
  Loop loop;
  Address at;
  {
    Accepting accepting;
    Listener listener(loop, accepting, *open_listener(Address::loopback(0)));
    at = listener.local();
    Fd client = test::connected_to(at);
    ASSERT_TRUE(run_until(loop, [&] { return !accepting.fds.empty(); }));
    accepting.fds.clear();  // ours closes first: TIME_WAIT is ours
  }
  auto again = open_listener(at);
  ASSERT_TRUE(again) << again.error().os_error;
  Fd close(*again);
}

TEST(Listener, RemovesAStaleSocketFileAndLeavesALiveOne) {
  test::TemporaryDirectory directory;
  const auto at = *Address::parse("unix:" + directory.file("a"));
  Fd first(*open_listener(at));
  const auto second = open_listener(at);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().os_error, EADDRINUSE);
  EXPECT_TRUE(test::connected_to(at)) << "still there";
  first.close();  // as a process that died leaves it
  auto third = open_listener(at);
  ASSERT_TRUE(third);
  Fd close(*third);
}

TEST(Listener, LeavesAFileThatIsNoSocketAlone) {
  test::TemporaryDirectory directory;
  const std::string path = directory.file("b");
  Fd(::open(path.c_str(), O_CREAT | O_WRONLY, 0600)).close();
  EXPECT_FALSE(open_listener(*Address::parse("unix:" + path)));
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
}

class NoDescriptors : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizer looks at memory through a pipe, and takes every object for a bad one when it gets none";
#endif
    getrlimit(RLIMIT_NOFILE, &before);
    const int top = ::dup(0);
    ASSERT_GE(top, 0);
    ::close(top);
    rlimit few = before;
    few.rlim_cur = rlim_t(top);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  }
  void TearDown() override { come_back(); }
  void come_back() {
    if (before.rlim_cur) setrlimit(RLIMIT_NOFILE, &before);
  }
  // How often the loop turned meanwhile.
  int pass(milliseconds time) {
    test::Guard over;
    loop.arm(over, time);
    int turns = 0;
    for (; !over.fired && turns < 100000; ++turns) loop.run_turn(true);
    return turns;
  }
  Loop loop;
  Accepting accepting;
  std::unique_ptr<Listener> listener = std::make_unique<Listener>(loop, accepting, *open_listener(Address::loopback(0)));
  Fd client = test::connected_to(listener->local());
  rlimit before{};
};

TEST_F(NoDescriptors, AListenerDoesNotSpinAndGoesOnWhenTheyComeBack) {
  EXPECT_LT(pass(milliseconds(100)), 200) << "a turn each for nothing";
  EXPECT_TRUE(accepting.fds.empty());
  come_back();
  EXPECT_TRUE(run_until(loop, [&] { return !accepting.fds.empty(); }));
}

TEST_F(NoDescriptors, AListenerThatIsPausedStaysSoWhenTheyComeBack) {
  run_turns(loop);
  listener->pause();
  come_back();
  pass(milliseconds(300));
  EXPECT_TRUE(accepting.fds.empty());
}

}  // namespace
}  // namespace outrider::net
