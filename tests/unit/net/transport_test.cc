#include "net/transport.h"

#include <gtest/gtest.h>

#include <string>

#include "net/listener.h"
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

// --- connecting ----------------------------------------------------------------------------------------

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

TEST(Transport, HasThePlainestCongestionControlInsideTheHost) {
  Loop loop;
  Fd listener = test::tcp_listener();
  Recorder client(loop);
  ASSERT_TRUE(client.transport.connect(Address::local_of(listener.get())));
  const Fd looked_at(::dup(client.transport.fd()));
  EXPECT_EQ(looked_at.congestion_control(), "reno");
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

// --- reading and ending --------------------------------------------------------------------------------

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

// --- writing -------------------------------------------------------------------------------------------

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

}  // namespace
}  // namespace outrider::net
