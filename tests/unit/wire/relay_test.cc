#include "wire/relay.h"

#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/loop.h"
#include "tests/support/seed.h"
#include "tests/support/sockets.h"

namespace outrider::wire {
namespace {

using test::drive_until;
using test::Fd;
using test::run_until;

// One of the two connections a relay joins, as far as a relay needs one.
class Side final : public ConnectionOwner, public http::StreamEvents {
 public:
  Side(net::Loop& l, int fd) : loop(l), connection(new HttpConnection(l, *this)) { connection->accept(fd, http::Wire::Raw, {}); }
  ~Side() { HttpConnection::retire(std::move(connection)); }
  http::RequestHead* request_head() override { return &head; }
  void on_head(bool) override { headed = true; }
  void on_body(Buffer&& data, bool) override {
    EXPECT_TRUE(expects_body || data.empty()) << "bytes came by the codec";
    body += data.text();
  }
  void on_trailers(http::HeaderMap&) override {}
  void on_sendable() override {}
  void on_reset(const Error&) override { was_reset = true; }
  http::StreamEvents* on_stream(http::StreamId) override { return this; }
  void on_idle() override {}
  void on_draining() override {}
  void on_gone(const Error&) override { gone = true; }
  net::Loop& loop;
  Arena arena;
  http::RequestHead head{arena};
  bool headed = false, was_reset = false, gone = false, expects_body = false;
  std::string body;
  std::unique_ptr<HttpConnection> connection;
};

// client - (down) relay (up) - server, all on one loop and one thread.
struct Joined : RelayEvents {
  explicit Joined(bool tcp, Relay::Bounds bounds = {Relay::kUnbounded, Relay::kUnbounded}) {
    std::signal(SIGPIPE, SIG_IGN);
    auto [a, b] = tcp ? test::tcp_pair() : test::unix_pair();
    auto [c, d] = tcp ? test::tcp_pair() : test::unix_pair();
    client = std::move(a);
    server = std::move(c);
    down = std::make_unique<Side>(loop, b.release());
    up = std::make_unique<Side>(loop, d.release());
    EXPECT_TRUE(run_until(loop, [&] { return down->headed && up->headed; }));
    relay = std::make_unique<Relay>(*down->connection, *up->connection, pipes, *this, bounds);
    relay->start();
  }
  ~Joined() {
    relay->stop();
    down.reset();
    up.reset();
    test::run_turns(loop);
    relay.reset();
  }
  void on_relay_over() override { over = true; }

  // Sends all of `bytes` one way while the far end reads; what arrived.
  std::string pass(Fd& from, Fd& to, std::string_view bytes, size_t step = size_t(1) << 30) {
    std::string arrived;
    size_t sent = 0;
    EXPECT_TRUE(drive_until(loop,
                            [&] {
                              sent += from.write_some(bytes.substr(sent, step));
                              arrived += to.read_some(step).bytes;
                              return arrived.size() >= bytes.size();
                            }))
        << arrived.size() << " of " << bytes.size();
    return arrived;
  }
  // Sends until nothing more is taken; how much that was.
  size_t stuff(Fd& from) {
    size_t sent = 0;
    for (int still = 0; still < 50; ++still) {
      const size_t n = from.write_some(std::string(65536, 'z'));
      sent += n;
      if (n) still = 0;
      loop.run_turn(false);
      if (sent > size_t(64) << 20) break;
    }
    return sent;
  }
  bool ended(Fd& at) {
    Fd::Got got;
    return drive_until(loop,
                       [&] {
                         got = at.read_some();
                         return got.end || got.error;
                       }) &&
           got.end;
  }

  net::Loop loop;
  PipePool pipes;
  Fd client, server;
  std::unique_ptr<Side> down, up;
  std::unique_ptr<Relay> relay;
  bool over = false;
};

class RelayOver : public ::testing::TestWithParam<bool> {};  // TCP, or a unix pair
INSTANTIATE_TEST_SUITE_P(Sockets, RelayOver, ::testing::Bool(), [](const auto& p) { return p.param ? "Tcp" : "Unix"; });

TEST_P(RelayOver, SmallMessagesPassBothWays) {
  Joined j(GetParam());
  for (int i = 0; i < 100; ++i) {
    const std::string word = "message " + std::to_string(i);
    EXPECT_EQ(j.pass(j.client, j.server, word), word);
    EXPECT_EQ(j.pass(j.server, j.client, word), word);
  }
  EXPECT_EQ(j.relay->bytes_up(), j.relay->bytes_down());
}

// Large enough to come to splice(2), with trickles before and behind it.
TEST_P(RelayOver, BulkPassesWholeAndInOrder) {
  Random random = test::seeded_random();
  Joined j(GetParam());
  const std::string bulk = test::random_bytes(random, 8 << 20);
  for (auto [from, to] : {std::pair(&j.client, &j.server), std::pair(&j.server, &j.client)}) {
    EXPECT_EQ(j.pass(*from, *to, "before"), "before");
    EXPECT_TRUE(j.pass(*from, *to, bulk) == bulk);
    EXPECT_EQ(j.pass(*from, *to, "behind"), "behind");
    EXPECT_TRUE(j.pass(*from, *to, bulk.substr(0, 300000), 1000) == bulk.substr(0, 300000));
  }
  EXPECT_EQ(j.relay->bytes_up(), bulk.size() + 300000 + 12);
  EXPECT_EQ(j.relay->bytes_down(), bulk.size() + 300000 + 12);
}

TEST_P(RelayOver, AReaderThatStopsStopsTheWriter) {
  Joined j(GetParam());
  const size_t sent = j.stuff(j.client);
  EXPECT_LT(sent, size_t(32) << 20);
  EXPECT_LT(j.loop.blocks().in_use_bytes(), size_t(1) << 20);
  size_t arrived = 0;
  ASSERT_TRUE(drive_until(j.loop,
                          [&] {
                            arrived += j.server.read_some(100000).bytes.size();
                            return arrived == sent;
                          }))
      << arrived << " of " << sent;
  EXPECT_EQ(j.pass(j.client, j.server, "on"), "on");
}

TEST_P(RelayOver, OneWayStandsStillWhileTheOtherRuns) {
  Joined j(GetParam());
  j.stuff(j.client);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(j.pass(j.server, j.client, "answer"), "answer");
}

TEST_P(RelayOver, AFinIsPassedOnAsAFin) {
  Joined j(GetParam());
  j.client.write_some("question");
  j.client.shut_write();
  EXPECT_EQ(j.pass(j.server, j.client, "first"), "first");
  std::string question;
  ASSERT_TRUE(drive_until(j.loop, [&] {
    question += j.server.read_some().bytes;
    return question.size() == 8;
  }));
  EXPECT_TRUE(j.ended(j.server));
  EXPECT_FALSE(j.over);
  EXPECT_EQ(j.pass(j.server, j.client, "answer"), "answer");
  j.server.shut_write();
  EXPECT_TRUE(j.ended(j.client));
  EXPECT_TRUE(run_until(j.loop, [&] { return j.over; }));
  EXPECT_FALSE(j.down->was_reset || j.up->was_reset);
}

// The end comes behind all the bytes, though the far side takes them late.
TEST_P(RelayOver, AFinWaitsForWhatIsStillUnderWay) {
  Joined j(GetParam());
  const size_t sent = j.stuff(j.client);
  j.client.shut_write();
  test::run_turns(j.loop);
  size_t arrived = 0;
  bool end = false;
  ASSERT_TRUE(drive_until(j.loop, [&] {
    const auto got = j.server.read_some(50000);
    arrived += got.bytes.size();
    end |= got.end;
    return end;
  }));
  EXPECT_EQ(arrived, sent);
}

TEST_P(RelayOver, OnceStoppedTheSocketsAreTheirConnectionsAgain) {
  Joined j(GetParam());
  EXPECT_EQ(j.pass(j.client, j.server, "hello"), "hello");
  j.relay->stop();
  j.server.close();
  ASSERT_TRUE(run_until(j.loop, [&] { return j.up->gone || j.up->connection->codec().bypass(1, http::Way::Request) == 0; }));
}

TEST(Relay, AResetIsToldToItsStream) {
  for (const bool bulk : {false, true}) {
    for (const bool by_client : {false, true}) {
      Joined j(true);
      if (bulk) j.stuff(j.client);
      (by_client ? j.client : j.server).close_with_reset();
      Side& told = by_client ? *j.down : *j.up;
      EXPECT_TRUE(run_until(j.loop, [&] { return told.was_reset && told.gone; })) << bulk << by_client;
      EXPECT_FALSE(j.over);
    }
  }
}

// A body of known length: exactly so much goes by, and the sockets are their codecs' again.
TEST(Relay, AWayWithABoundCarriesThatMuchAndNoMore) {
  Random random = test::seeded_random();
  const std::string bulk = test::random_bytes(random, 3 << 20);
  for (const size_t bound : {size_t(1), size_t(65536), size_t(1000003), bulk.size() - 1}) {
    Joined j(true, {0, bound});
    std::string arrived;
    size_t sent = 0;
    ASSERT_TRUE(drive_until(j.loop,
                            [&] {
                              if (sent < bound) sent += j.server.write_some(std::string_view(bulk).substr(sent, bound - sent));
                              arrived += j.client.read_some().bytes;
                              return arrived.size() >= bound && j.over;
                            }))
        << arrived.size() << " of " << bound;
    EXPECT_TRUE(arrived == bulk.substr(0, bound));
    EXPECT_EQ(j.relay->bytes_down(), bound);
    EXPECT_EQ(j.relay->bytes_up(), 0u);
    j.relay->stop();
    j.down->expects_body = j.up->expects_body = true;
    j.server.write_some("by the codec");
    EXPECT_TRUE(run_until(j.loop, [&] { return j.up->body == "by the codec"; })) << j.up->body;
    EXPECT_FALSE(j.client.read_some().end) << "a bound is no end";
  }
}

TEST(Relay, AnEndBeforeTheBoundIsSaidAndNotPassedOn) {
  Joined j(true, {0, 1000000});
  EXPECT_EQ(j.pass(j.server, j.client, std::string(200000, 'a')).size(), 200000u);
  j.server.shut_write();
  ASSERT_TRUE(run_until(j.loop, [&] { return j.over; }));
  EXPECT_EQ(j.relay->bytes_down(), 200000u);
  const auto got = j.client.read_some();
  EXPECT_FALSE(got.end || got.error);
}

TEST(Relay, WithABoundOneWayTheOtherStaysWithTheCodecs) {
  Joined j(true, {0, 1000000});
  j.down->expects_body = true;
  j.client.write_some("upload");
  EXPECT_TRUE(run_until(j.loop, [&] { return j.down->body == "upload"; }));
  EXPECT_EQ(j.pass(j.server, j.client, std::string(200000, 'a')).size(), 200000u);
}

TEST(PipePool, KeepsWhatIsEmptyAndClosesTheRest) {
  PipePool pool;
  PipeLoan loan;
  ASSERT_TRUE(pool.lend(loan));
  const int first = loan.read;
  pool.take_back(loan);
  EXPECT_FALSE(loan.active());
  ASSERT_TRUE(pool.lend(loan));
  EXPECT_EQ(loan.read, first);
  loan.held = 1;
  pool.take_back(loan);
  EXPECT_EQ(::fcntl(first, F_GETFD), -1);
  pool.take_back(loan);
  EXPECT_EQ(pool.lent(), 0u);
}

TEST(PipePool, TakesTheLeastUsedPipeBackWhenManyAreOut) {
  PipePool pool;
  std::vector<PipeLoan> loans(PipePool::kLent);
  for (PipeLoan& loan : loans) ASSERT_TRUE(pool.lend(loan));
  pool.note_use(loans[0]);
  PipeLoan late, later;
  ASSERT_TRUE(pool.lend(late));
  EXPECT_TRUE(loans[0].active());
  EXPECT_FALSE(loans[1].active());
  loans[2].held = 1;  // the least used now, and it is not empty
  EXPECT_FALSE(pool.lend(later));
  EXPECT_TRUE(loans[2].active());
  EXPECT_EQ(pool.lent(), PipePool::kLent);
  for (PipeLoan& loan : loans) pool.take_back(loan);
  pool.take_back(late);
}

}  // namespace
}  // namespace outrider::wire
