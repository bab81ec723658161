#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "net/datagram.h"
#include "net/listener.h"
#include "net/transport.h"
#include "tests/support/loop.h"
#include "tests/support/seed.h"
#include "tests/support/sockets.h"

namespace outrider::net {
namespace {

using test::Fd;
using test::run_turns;
using test::run_until;
using test::tcp_pair;
using test::unix_pair;

// A transport whose events are written down.
struct Recorder final : TransportEvents {
  explicit Recorder(Loop& l) : loop(l), transport(l, *this), received(l.blocks()) {}
  void on_ready() override { ready = true; }
  void on_readable() override {
    ++readable;
    if (!reads) return;
    for (;;) {
      const auto got = transport.read(received, at_most);
      if (!got) {
        read_error = got.error();
        return;
      }
      ended |= got->ended;
      if (got->bytes == 0) return;
    }
  }
  void on_writable() override { ++writable; }
  void on_closed(const Error& why) override {
    EXPECT_FALSE(closed) << "twice";
    closed = why;
  }
  Loop& loop;
  Transport transport;
  Buffer received;
  size_t at_most = 65536;
  bool ready = false, ended = false, reads = true;
  int readable = 0, writable = 0;
  std::optional<Error> closed, read_error;
};

// --- transport: connecting ----------------------------------------------------------------------------------------

TEST(Transport, ConnectsAndTalks) {
  Loop loop;
  Fd listener = test::tcp_listener();
  Recorder client(loop);
  ASSERT_TRUE(client.transport.connect(Address::local_of(listener.get())));
  EXPECT_FALSE(client.transport.connected());
  ASSERT_TRUE(run_until(loop, [&] { return client.ready; }));
  EXPECT_TRUE(client.transport.connected());
  Fd server(::accept(listener.get(), nullptr, nullptr));
  Buffer out(loop.blocks());
  out.append("hello");
  ASSERT_EQ(*client.transport.write(out), 5u);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(server.read_some().bytes, "hello");
  server.write_some("you");
  ASSERT_TRUE(run_until(loop, [&] { return client.received.size() == 3; }));
  EXPECT_EQ(client.received.text(), "you");
}

TEST(Transport, SaysThatAConnectionWasRefused) {
  Loop loop;
  Fd listener = test::tcp_listener();
  const Address gone = Address::local_of(listener.get());
  listener.close();
  Recorder client(loop);
  const auto started = client.transport.connect(gone);
  if (started) {
    ASSERT_TRUE(run_until(loop, [&] { return client.closed.has_value(); }));
  }
  const Error why = started ? *client.closed : started.error();
  EXPECT_EQ(why.code, Code::Refused);
  EXPECT_EQ(why.side, Side::Upstream);
  EXPECT_EQ(why.retry, Retry::Yes);
  EXPECT_EQ(why.os_error, ECONNREFUSED);
  EXPECT_STREQ(why.what, "connection_refused");
  EXPECT_FALSE(client.ready);
  EXPECT_FALSE(client.transport.open());
}

TEST(Transport, SaysThatThereIsNoSocketFile) {
  Loop loop;
  Recorder client(loop);
  const auto started = client.transport.connect(*Address::parse("unix:/nonexistent/socket"));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::Refused);
  EXPECT_EQ(started.error().retry, Retry::Yes);
  EXPECT_FALSE(client.transport.open());
}

TEST(Transport, TakesAFullBacklogForARefusal) {
  Loop loop;
  test::TemporaryDirectory directory;
  const auto at = *Address::parse("unix:" + directory.file("a"));
  Fd listener(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(listener.get(), at.raw(), at.length()), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  std::vector<std::unique_ptr<Recorder>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Recorder>(loop));
    const auto started = clients.back()->transport.connect(at);
    if (started) continue;
    EXPECT_EQ(started.error().os_error, EAGAIN);
    EXPECT_EQ(started.error().code, Code::Refused);
    EXPECT_EQ(started.error().retry, Retry::Yes) << "nothing was sent: it may go elsewhere";
    EXPECT_STREQ(started.error().what, "backlog_full");
    return;
  }
  FAIL() << "the backlog never filled";
}

TEST(Transport, EveryFailureToConnectMayBeTriedElsewhere) {
  Loop loop;
  Recorder client(loop);
  const auto started = client.transport.connect(Address());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().retry, Retry::Yes);
  EXPECT_EQ(started.error().side, Side::Upstream);
}

TEST(Transport, DestroyedWhileConnectingItSaysNothing) {
  Loop loop;
  Fd listener = test::tcp_listener();
  {
    Recorder client(loop);
    ASSERT_TRUE(client.transport.connect(Address::local_of(listener.get())));
  }
  run_turns(loop);
}

// --- transport: reading and ending --------------------------------------------------------------------------------

TEST(Transport, ReadsNoMoreThanItIsAsked) {
  Loop loop;
  auto [here, there] = unix_pair();
  Recorder side(loop);
  side.reads = false;
  side.transport.adopt(here.release());
  EXPECT_TRUE(side.transport.connected());
  there.write_some("0123456789");
  ASSERT_TRUE(run_until(loop, [&] { return side.readable > 0; }));
  auto got = side.transport.read(side.received, 4);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->bytes, 4u);
  EXPECT_TRUE(got->full);
  EXPECT_FALSE(got->ended);
  got = side.transport.read(side.received, 100);
  EXPECT_EQ(got->bytes, 6u);
  EXPECT_FALSE(got->full);
  got = side.transport.read(side.received, 100);
  EXPECT_EQ(got->bytes, 0u);
  EXPECT_FALSE(got->ended);
  EXPECT_EQ(side.received.text(), "0123456789");
}

TEST(Transport, HoldsNoBlockForAReadThatFoundNothing) {
  Loop loop;
  auto [here, there] = unix_pair();
  Recorder side(loop);
  side.transport.adopt(here.release());
  ASSERT_TRUE(side.transport.read(side.received, 65536));
  EXPECT_EQ(loop.blocks().in_use_bytes(), 0u);
  there.close();
  ASSERT_TRUE(run_until(loop, [&] { return side.ended; }));
  EXPECT_EQ(loop.blocks().in_use_bytes(), 0u);
}

TEST(Transport, TellsOfAHalfCloseOnceAndStillWrites) {
  Loop loop;
  auto [here, there] = tcp_pair();
  Recorder side(loop);
  side.transport.adopt(here.release());
  there.write_some("last words");
  there.shut_write();
  ASSERT_TRUE(run_until(loop, [&] { return side.ended; }));
  EXPECT_EQ(side.received.text(), "last words");
  const int before = side.readable;
  run_turns(loop);
  EXPECT_EQ(side.readable, before) << "a FIN is not watched for again";
  Buffer out(loop.blocks());
  out.append("answer");
  ASSERT_TRUE(side.transport.write(out));
  side.transport.shut_write();
  ASSERT_TRUE(run_until(loop, [&, got = std::string()]() mutable {
    const auto part = there.read_some();
    got += part.bytes;
    return got == "answer" && part.end;
  }));
  EXPECT_FALSE(side.closed);
}

TEST(Transport, PausedItHearsNothingUntilItGoesOn) {
  Loop loop;
  auto [here, there] = tcp_pair();
  Recorder side(loop);
  side.transport.adopt(here.release());
  side.transport.pause_reading();
  EXPECT_FALSE(side.transport.reading());
  there.write_some("wait");
  there.shut_write();
  run_turns(loop, 20);
  EXPECT_EQ(side.readable, 0);
  EXPECT_FALSE(side.closed) << "a FIN is no reason to close";
  side.transport.resume_reading();
  ASSERT_TRUE(run_until(loop, [&] { return side.ended; }));
  EXPECT_EQ(side.received.text(), "wait");
}

TEST(Transport, HearsOfAResetEvenWhilePaused) {
  Loop loop;
  auto [here, there] = tcp_pair();
  Recorder side(loop);
  side.transport.adopt(here.release());
  side.transport.pause_reading();
  run_turns(loop);
  there.close_with_reset();
  ASSERT_TRUE(run_until(loop, [&] { return side.closed.has_value(); }));
  EXPECT_EQ(side.closed->code, Code::Closed);
  EXPECT_STREQ(side.closed->what, "connection_reset");
}

TEST(Transport, ReadsWhatCameBeforeAReset) {
  Loop loop;
  auto [here, there] = tcp_pair();
  Recorder side(loop);
  side.transport.adopt(here.release());
  there.write_some("HTTP/1.1 413 Too much\r\n\r\n");
  there.close_with_reset();
  ASSERT_TRUE(run_until(loop, [&] { return side.closed || side.read_error; }));
  EXPECT_EQ(side.received.text(), "HTTP/1.1 413 Too much\r\n\r\n");
  EXPECT_EQ((side.closed ? *side.closed : *side.read_error).code, Code::Closed);
}

TEST(Transport, AbortIsSeenAsAReset) {
  Loop loop;
  auto [here, there] = tcp_pair();
  Recorder side(loop);
  side.transport.adopt(here.release());
  Buffer out(loop.blocks());
  out.append("part of it");
  ASSERT_TRUE(side.transport.write(out));
  side.transport.abort();
  Fd::Got got;
  ASSERT_TRUE(run_until(loop, [&] { return (got = there.read_some()).error != 0 || got.end; }));
  EXPECT_EQ(got.error, ECONNRESET);
  EXPECT_FALSE(side.closed) << "who aborts is not told";
}

TEST(Transport, CloseIsSeenAsAnEnd) {
  Loop loop;
  auto [here, there] = tcp_pair();
  {
    Recorder side(loop);
    side.transport.adopt(here.release());
  }
  Fd::Got got;
  ASSERT_TRUE(run_until(loop, [&] { return (got = there.read_some()).error != 0 || got.end; }));
  EXPECT_TRUE(got.end);
}

TEST(Transport, MayBeClosedFromInsideItsOwnEvents) {
  struct Closer final : TransportEvents {
    explicit Closer(Loop& l) : transport(l, *this) {}
    void on_ready() override {}
    void on_readable() override {
      ++events;
      transport.close();
    }
    void on_writable() override {
      ++events;
      transport.close();
    }
    void on_closed(const Error&) override { ADD_FAILURE(); }
    Transport transport;
    int events = 0;
  };
  Loop loop;
  auto [here, there] = unix_pair();
  Closer side(loop);
  side.transport.adopt(here.release());
  there.write_some("x");
  side.transport.want_writable();
  ASSERT_TRUE(run_until(loop, [&] { return side.events > 0; }));
  run_turns(loop);
  EXPECT_EQ(side.events, 1);
}

// --- transport: writing -------------------------------------------------------------------------------------------

TEST(Transport, WritesEverythingWhateverTheReaderTakesAtATime) {
  Random random = test::seeded_random();
  for (const bool tcp : {false, true}) {
    Loop loop;
    auto [here, there] = tcp ? tcp_pair() : unix_pair();
    Recorder side(loop);
    const int small = 65536;
    setsockopt(here.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    side.transport.adopt(here.release());
    const std::string model = test::random_bytes(random, 3 << 20);
    Buffer out(loop.blocks());
    for (size_t at = 0; at < model.size();) {  // many slices of many sizes
      const size_t n = std::min<size_t>(1 + random.below(9000), model.size() - at);
      Buffer piece(loop.blocks());
      piece.append(std::string_view(model).substr(at, n));
      out.append(std::move(piece));
      at += n;
    }
    std::string got;
    size_t wrote = *side.transport.write(out);
    EXPECT_LT(wrote, model.size()) << "the kernel holds less than this";
    EXPECT_EQ(side.writable, 0);
    int seen = 0;
    ASSERT_TRUE(run_until(loop, [&] {
      got += there.read_some(1 + random.below(200000)).bytes;
      if (side.writable > seen && !out.empty()) {
        seen = side.writable;
        wrote += *side.transport.write(out);
      }
      // The reader is no part of the loop: keep it turning.
      loop.post([] {});
      return got.size() == model.size();
    }));
    EXPECT_EQ(wrote, model.size());
    EXPECT_TRUE(got == model);
    run_turns(loop);
    const int before = side.writable;
    run_turns(loop);
    EXPECT_EQ(side.writable, before) << "nobody waits to write any more";
  }
}

TEST(Transport, WritingToAPeerThatIsGoneIsAnError) {
  Loop loop;
  auto [here, there] = unix_pair();
  Recorder side(loop);
  side.transport.adopt(here.release());
  there.close();
  Buffer out(loop.blocks());
  out.append("x");
  const auto wrote = side.transport.write(out);
  ASSERT_FALSE(wrote);
  EXPECT_EQ(wrote.error().code, Code::Closed);
}

// --- listener -----------------------------------------------------------------------------------------------------

struct Accepting final : ListenerEvents {
  void on_accept(int fd, const Address& peer) override {
    EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
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

TEST(Listener, DoesNotSpinWhenThereAreNoDescriptorsLeft) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer looks at memory through a pipe, and takes every object for a bad one when it gets none";
#endif
  Loop loop;
  Accepting accepting;
  Listener listener(loop, accepting, *open_listener(Address::loopback(0)));
  Fd client = test::connected_to(listener.local());
  ASSERT_TRUE(client);
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int top = ::dup(0);
  ASSERT_GE(top, 0);
  ::close(top);
  rlimit few = before;
  few.rlim_cur = rlim_t(top);
  setrlimit(RLIMIT_NOFILE, &few);
  int turns = 0;
  test::Guard over;
  loop.arm(over, milliseconds(100));
  for (; !over.fired && turns < 100000; ++turns) loop.run_turn(true);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(accepting.fds.empty());
  EXPECT_LT(turns, 200) << "a turn each for nothing";
  EXPECT_TRUE(run_until(loop, [&] { return !accepting.fds.empty(); })) << "and goes on when there are some again";
}

TEST(Listener, PausedItStaysPausedWhenDescriptorsComeBack) {
  Loop loop;
  Accepting accepting;
  auto listener = std::make_unique<Listener>(loop, accepting, *open_listener(Address::loopback(0)));
  Fd client = test::connected_to(listener->local());
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int top = ::dup(0);
  ::close(top);
  rlimit few = before;
  few.rlim_cur = rlim_t(top);
  setrlimit(RLIMIT_NOFILE, &few);
  run_turns(loop);
  listener->pause();
  setrlimit(RLIMIT_NOFILE, &before);
  test::Guard over;
  loop.arm(over, milliseconds(300));
  while (!over.fired) loop.run_turn(true);
  EXPECT_TRUE(accepting.fds.empty());
}

// --- datagram -----------------------------------------------------------------------------------------------------

struct Inbox final : DatagramEvents {
  void on_datagram(std::span<char> bytes, const Address& from) override {
    texts.emplace_back(bytes.data(), bytes.size());
    senders.push_back(from);
  }
  std::vector<std::string> texts;
  std::vector<Address> senders;
};

TEST(Datagram, SendsAndReceives) {
  Loop loop;
  Inbox a_box, b_box;
  Datagram a(loop, a_box), b(loop, b_box);
  ASSERT_TRUE(a.bind(Address::loopback(0)));
  ASSERT_TRUE(b.bind(Address::loopback(0)));
  ASSERT_NE(a.local().port(), 0);
  for (const auto& text : {std::string("hello"), std::string(), std::string(60000, 'x')}) EXPECT_EQ(a.send(text, b.local()), 0);
  ASSERT_TRUE(run_until(loop, [&] { return b_box.texts.size() == 3; }));
  EXPECT_EQ(b_box.texts[0], "hello");
  EXPECT_EQ(b_box.texts[1], "");
  EXPECT_EQ(b_box.texts[2].size(), 60000u);
  EXPECT_EQ(b_box.senders[0], a.local());
  EXPECT_EQ(b.send("back", b_box.senders[0]), 0);
  ASSERT_TRUE(run_until(loop, [&] { return !a_box.texts.empty(); }));
  EXPECT_EQ(a.send(std::string(70000, 'x'), b.local()), EMSGSIZE);
}

TEST(Datagram, OneSocketSpeaksBothFamilies) {
  Loop loop;
  Inbox a_box, b_box;
  Datagram dual(loop, a_box), v4(loop, b_box);
  ASSERT_TRUE(dual.bind(*Address::parse(":0")));
  ASSERT_TRUE(v4.bind(Address::loopback(0)));
  EXPECT_EQ(v4.send("in", Address::loopback(dual.local().port())), 0);
  ASSERT_TRUE(run_until(loop, [&] { return !a_box.texts.empty(); }));
  EXPECT_EQ(a_box.senders[0], v4.local());
  EXPECT_EQ(dual.send("out", v4.local()), 0);
  EXPECT_TRUE(run_until(loop, [&] { return !b_box.texts.empty(); }));
}

TEST(Datagram, GoesOnAfterSendingToNobody) {
  Loop loop;
  Inbox a_box, b_box;
  Datagram a(loop, a_box), b(loop, b_box);
  ASSERT_TRUE(a.bind(Address::loopback(0)));
  Address gone;
  {
    Datagram c(loop, b_box);
    ASSERT_TRUE(c.bind(Address::loopback(0)));
    gone = c.local();
  }
  a.send("anybody?", gone);
  run_turns(loop);
  ASSERT_TRUE(b.bind(Address::loopback(0)));
  EXPECT_EQ(b.send("here", a.local()), 0);
  EXPECT_TRUE(run_until(loop, [&] { return a_box.texts == std::vector<std::string>{"here"}; }));
}

TEST(Datagram, SaysThatAPortIsTakenAndMayTryAnother) {
  Loop loop;
  Inbox box;
  Datagram a(loop, box), b(loop, box);
  ASSERT_TRUE(a.bind(Address::loopback(0)));
  const auto taken = b.bind(a.local());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().os_error, EADDRINUSE);
  EXPECT_TRUE(b.bind(Address::loopback(0)));
}

TEST(Datagram, MayBeDestroyedFromInsideItsEvent) {
  struct Ends final : DatagramEvents {
    void on_datagram(std::span<char>, const Address&) override {
      ++count;
      socket.reset();
    }
    std::unique_ptr<Datagram> socket;
    int count = 0;
  } ends;
  Loop loop;
  Inbox box;
  Datagram a(loop, box);
  ASSERT_TRUE(a.bind(Address::loopback(0)));
  ends.socket = std::make_unique<Datagram>(loop, ends);
  ASSERT_TRUE(ends.socket->bind(Address::loopback(0)));
  const Address to = ends.socket->local();
  a.send("one", to);
  a.send("two", to);
  ASSERT_TRUE(run_until(loop, [&] { return ends.count > 0; }));
  run_turns(loop);
  EXPECT_EQ(ends.count, 1);
}

}  // namespace
}  // namespace outrider::net
