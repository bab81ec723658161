// Connections of HTTP/2 that have served long enough: they take nothing new, end what they carry, and say goodbye.

#include "upstream/pool.h"
#include "ground.h"
#include "tests/unit/http/frames.h"

namespace outrider::upstream {
namespace {

using http::frame;
using http::number;

// What each connection of an endpoint has been sent, in lines of frames.
class H2Origin {
 public:
  explicit H2Origin(net::Loop& loop) : origin(loop, [this](Origin::Peer& peer) { read(peer); }) {}
  void answer(uint32_t connection, uint32_t stream) { peer(connection).say(http::headers(stream, {{":status", "204"}})); }
  std::string lines(uint32_t connection) { return read_[connection].lines; }
  bool ended(uint32_t connection) { return peer(connection).ended || peer(connection).was_reset; }
  Origin origin;

 private:
  Origin::Peer& peer(uint32_t connection) { return origin.peer(connection - 1); }
  void read(Origin::Peer& peer) {
    auto& read = read_[peer.number];
    if (!read.greeted && peer.received.size() >= http::kPreface.size()) {
      peer.say(frame(NGHTTP2_SETTINGS, 0, 0) + frame(NGHTTP2_SETTINGS, http::kAck, 0));
      peer.received.erase(0, http::kPreface.size());
      read.greeted = true;
    }
    while (read.greeted && peer.received.size() >= 9) {
      const auto byte = [&](size_t i) { return size_t(uint8_t(peer.received[i])); };
      const size_t whole = 9 + (byte(0) << 16 | byte(1) << 8 | byte(2));
      if (peer.received.size() < whole) break;
      read.lines += read.reader.read(peer.received.substr(0, whole));
      peer.received.erase(0, whole);
    }
    if (peer.ended) peer.close();
  }
  struct Read {
    http::FrameReader reader;
    std::string lines;
    bool greeted = false;
  };
  std::map<uint32_t, Read> read_;
};

class PoolRotation : public testing::Test, protected AttemptOwner {
 protected:
  PoolRotation() {
    head.method_text = "GET";
    head.path = "/a";
    head.authority = "web";
    body.ended = true;
  }
  void begin() {
    cluster = ground.cluster(set_of({instance(origin.origin.address())}));
    seat = cluster->pick({});
    ASSERT_TRUE(seat);
  }
  Attempt& ask() {
    Ref<Attempt>& made = asked.emplace_back(attempts.take());
    made->start(*this, *cluster, Ref(seat), Protocol::Http2, milliseconds(0));
    return *made;
  }
  Pool& pool() { return cluster->pool(*seat); }
  bool seen(uint32_t connection, std::string_view line) {
    return ground.until([&] { return origin.lines(connection).find(line) != std::string::npos; });
  }
  // Answered, and given back.
  void finish(Attempt& attempt, uint32_t connection, uint32_t stream) {
    origin.answer(connection, stream);
    ASSERT_TRUE(ground.until([&] { return attempt.state() == Attempt::State::Ended; }));
    attempt.finish();
  }
  bool said_goodbye(uint32_t connection) {
    return ground.until([&] { return origin.ended(connection); }) && origin.lines(connection).ends_with("GOAWAY 0 NO_ERROR\n");
  }
  void wait(milliseconds time) {
    const TimePoint until = ground.loop.now() + time;
    net::Loop& loop = ground.loop;
    struct Alarm {
      void on() {}
      net::BoundTimer<Alarm, &Alarm::on> timer{*this};
    } alarm;
    loop.arm(alarm.timer, time);
    ASSERT_TRUE(ground.until([&] { return loop.now() >= until; }));
  }

  Sending sending(Attempt&) override { return {head, {}, body}; }
  void on_attempt(Attempt&) override {}
  Ground ground;
  Arena arena;
  http::RequestHead head{arena};
  http::Pipe body{ground.loop.blocks()};
  H2Origin origin{ground.loop};
  Ref<Cluster> cluster;
  Ref<Seat> seat;
  AttemptPool attempts{ground.loop};
  std::vector<Ref<Attempt>> asked;
};

TEST_F(PoolRotation, AConnectionTakesAsManyStreamsAsItMayAndNoMore) {
  ground.plan->pool.max_requests = 2;
  begin();
  Attempt &first = ask(), &second = ask(), &third = ask();
  ASSERT_TRUE(seen(1, "HEADERS 3") && seen(2, "HEADERS 1"));
  EXPECT_EQ(pool().open_count(), 2u);
  finish(first, 1, 1);
  EXPECT_EQ(pool().open_count(), 2u) << "another stream is on it";
  finish(second, 1, 3);
  EXPECT_TRUE(said_goodbye(1)) << origin.lines(1);
  EXPECT_EQ(pool().open_count(), 1u);
  Attempt& fourth = ask();
  ASSERT_TRUE(seen(2, "HEADERS 3"));
  finish(third, 2, 1);
  finish(fourth, 2, 3);
  EXPECT_TRUE(said_goodbye(2)) << origin.lines(2);
  EXPECT_EQ(origin.origin.accepted, 2u);
  EXPECT_EQ(pool().open_count(), 0u);
}

TEST_F(PoolRotation, AStreamThatGoesOnKeepsAnOldConnectionAndTheNextGoesToAnother) {
  ground.plan->pool.max_age = milliseconds(20);
  begin();
  Attempt& call = ask();
  ASSERT_TRUE(seen(1, "HEADERS 1"));
  wait(milliseconds(21));
  ask();
  ASSERT_TRUE(seen(2, "HEADERS 1"));
  EXPECT_EQ(origin.lines(1).find("GOAWAY"), std::string::npos);
  EXPECT_FALSE(origin.ended(1));
  EXPECT_EQ(call.state(), Attempt::State::Open);
  finish(call, 1, 1);
  EXPECT_TRUE(said_goodbye(1)) << origin.lines(1);
  EXPECT_EQ(origin.origin.accepted, 2u);
}

TEST_F(PoolRotation, AnIdleConnectionGoesWhenItsTimeComes) {
  ground.plan->pool.max_age = milliseconds(50);
  begin();
  Attempt& only = ask();
  ASSERT_TRUE(seen(1, "HEADERS 1"));
  finish(only, 1, 1);
  EXPECT_TRUE(said_goodbye(1)) << origin.lines(1);
  EXPECT_EQ(pool().open_count(), 0u);
}

// Each connection a stream, one after the other: whoever balances connections behind the endpoint's address is asked anew.
TEST_F(PoolRotation, CallsThatNeverPauseMoveToNewConnections) {
  ground.plan->pool.max_requests = 3;
  begin();
  uint32_t connection = 1, stream = 1;
  Attempt* last = &ask();
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(seen(connection, "HEADERS " + std::to_string(stream)));
    Attempt* next = &ask();  // before the other ends
    finish(*last, connection, stream);
    last = next;
    stream += 2;
    if (stream > 5) ++connection, stream = 1;
  }
  EXPECT_EQ(origin.origin.accepted, 5u);
  for (uint32_t old = 1; old < 5; ++old) EXPECT_TRUE(said_goodbye(old)) << old << ": " << origin.lines(old);
}

TEST_F(PoolRotation, AServerThatSaysGoodbyeIsLeftForAnother) {
  begin();
  Attempt& first = ask();
  ASSERT_TRUE(seen(1, "HEADERS 1"));
  origin.origin.peer(0).say(frame(NGHTTP2_GOAWAY, 0, 0, number(1) + number(0)));
  ASSERT_TRUE(ground.until([&] { return !first.codec().can_open(); }));
  ask();
  ASSERT_TRUE(seen(2, "HEADERS 1"));
  EXPECT_EQ(first.state(), Attempt::State::Open);
  finish(first, 1, 1);
  EXPECT_TRUE(ground.until([&] { return origin.ended(1); }));
}

}  // namespace
}  // namespace outrider::upstream
