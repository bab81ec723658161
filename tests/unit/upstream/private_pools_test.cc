// Where endpoints are told who calls, each client has connections of his own, which end with him.

#include "ground.h"
#include "upstream/caller.h"
#include "upstream/pool.h"

namespace outrider::upstream {
namespace {

wire::Relayed from(const std::string& client) { return {*net::Address::parse(client), *net::Address::parse("198.51.100.7:80")}; }

// What each connection has said first; then it is HTTP/1.
struct Teller final : AttemptOwner {
  explicit Teller(net::Loop& loop) : body(loop.blocks()) {
    head.method_text = "GET";
    head.path = "/a";
    head.authority = "web";
    body.ended = true;
  }
  Sending sending(Attempt&) override { return {head, {}, body}; }
  void on_attempt(Attempt&) override {}
  upstream::Caller* caller() override { return client.get(); }
  Arena arena;
  http::RequestHead head{arena};
  http::Pipe body;
  std::unique_ptr<Caller> client;
};

class PrivatePools : public testing::Test {
 protected:
  PrivatePools() {
    ground.plan->proxy_protocol = wire::ProxyProtocol::V1;
    for (Teller* teller : {&one, &two, &nobody}) teller->head.headers.add("host", "web");
    one.client = std::make_unique<Caller>(from("203.0.113.1:1"));
    two.client = std::make_unique<Caller>(from("203.0.113.2:2"));
  }
  void begin() {
    cluster = ground.cluster(set_of({instance(origin.address())}));
    seat = cluster->pick({});
    ASSERT_TRUE(seat);
  }
  Attempt& ask(Teller& of) {
    Ref<Attempt>& made = asked.emplace_back(attempts.take());
    made->start(of, *cluster, Ref(seat), Protocol::Http1, milliseconds(0));
    return *made;
  }
  bool answered(Attempt& attempt) {
    return ground.until([&] { return attempt.state() == Attempt::State::Ended || attempt.state() == Attempt::State::Failed; }) &&
           attempt.state() == Attempt::State::Ended;
  }
  // Asked and answered, and the connection is given back.
  bool served(Teller& of) {
    Attempt& attempt = ask(of);
    const bool fine = answered(attempt);
    attempt.finish();
    return fine;
  }
  void serve(Origin::Peer& peer) {
    if (said.size() < peer.number) {
      const size_t end = peer.received.find("\r\n");
      if (end == std::string::npos) return;
      said.push_back(peer.received.substr(0, end));
      peer.received.erase(0, end + 2);
    }
    if (answers) answer_all(peer);
    else if (peer.ended) peer.close();
  }
  size_t open() { return cluster->pool(*seat).open_count(); }
  static std::string line(int n) {
    const std::string id = std::to_string(n);
    return "PROXY TCP4 203.0.113." + id + " 198.51.100.7 " + id + " 80";
  }

  Ground ground;
  bool answers = true;
  std::vector<std::string> said;
  Origin origin{ground.loop, [this](Origin::Peer& peer) { serve(peer); }};
  Teller one{ground.loop}, two{ground.loop}, nobody{ground.loop};
  Ref<Cluster> cluster;
  Ref<Seat> seat;
  AttemptPool attempts{ground.loop};
  std::vector<Ref<Attempt>> asked;
};

TEST_F(PrivatePools, NobodyHasAnothersConnection) {
  begin();
  for (int i = 0; i < 3; ++i)
    for (Teller* teller : {&one, &two, &nobody}) ASSERT_TRUE(served(*teller));
  EXPECT_EQ(said, (std::vector<std::string>{line(1), line(2), "PROXY UNKNOWN"}));
  EXPECT_EQ(open(), 3u) << "of all of them";
}

TEST_F(PrivatePools, WithTheClientHisIdleOnesGo) {
  begin();
  ASSERT_TRUE(served(one) && served(two));
  one.client.reset();
  ASSERT_TRUE(ground.until([&] { return origin.open_peers() == 1; }));
  EXPECT_EQ(open(), 1u);
  one.client = std::make_unique<Caller>(from("203.0.113.1:1"));  // most likely where the other was
  ASSERT_TRUE(served(one));
  EXPECT_EQ(said.size(), 3u) << "whatever its address, it is another";
}

TEST_F(PrivatePools, WhatIsBusyGoesWhenItIsGivenBack) {
  begin();
  answers = false;
  Attempt& attempt = ask(one);
  ASSERT_TRUE(ground.until([&] { return said.size() == 1; }));
  one.client.reset();
  ground.turns(4);
  EXPECT_EQ(open(), 1u);
  EXPECT_EQ(attempt.state(), Attempt::State::Open);
  attempt.cancel();
  ASSERT_TRUE(ground.until([&] { return origin.open_peers() == 0; }));
  EXPECT_EQ(open(), 0u);
}

TEST_F(PrivatePools, WhoWaitsHearsThatHeIsNotWaitedForAnyMore) {
  ground.plan->max_connections = 1;
  begin();
  answers = false;
  Attempt& busy = ask(two);
  ASSERT_TRUE(ground.until([&] { return said.size() == 1; }));
  Attempt& waiting = ask(one);
  ground.turns(4);
  EXPECT_EQ(waiting.state(), Attempt::State::Waiting);
  one.client.reset();
  ASSERT_TRUE(ground.until([&] { return waiting.state() == Attempt::State::Failed; }));
  EXPECT_EQ(busy.state(), Attempt::State::Open);
}

TEST_F(PrivatePools, WhatConnectsIsGivenUpWithItsClient) {
  begin();
  Attempt& attempt = ask(one);
  EXPECT_EQ(attempt.state(), Attempt::State::Waiting);
  attempt.cancel();
  one.client.reset();
  ASSERT_TRUE(ground.until([&] { return open() == 0; }));
}

TEST_F(PrivatePools, TheLimitIsOfAllTogetherAndWhoIsIdleMakesRoom) {
  ground.plan->max_connections = 2;
  begin();
  for (int i = 0; i < 3; ++i)
    for (Teller* teller : {&one, &two, &nobody}) {
      ASSERT_TRUE(served(*teller));
      EXPECT_LE(open(), 2u);
    }
  EXPECT_GE(said.size(), 5u);
}

TEST_F(PrivatePools, AnEndpointThatLeavesTakesThemAll) {
  begin();
  ASSERT_TRUE(served(one) && served(two));
  answers = false;
  Attempt& busy = ask(two);
  ASSERT_TRUE(ground.until([&] { return busy.state() == Attempt::State::Open; }));
  cluster->adopt(set_of({}));
  ASSERT_TRUE(ground.until([&] { return origin.open_peers() == 1; }));
  Attempt& late = ask(one);
  EXPECT_EQ(late.state(), Attempt::State::Failed);
  busy.cancel();
  ASSERT_TRUE(ground.until([&] { return origin.open_peers() == 0; }));
  asked.clear();
  seat = {};
  ground.turns(3);
  one.client.reset();  // after the pools it had
  two.client.reset();
  ground.turns(3);
}

TEST_F(PrivatePools, ManyComeAndGo) {
  begin();
  for (int i = 0; i < 200; ++i) {
    Teller teller(ground.loop);
    teller.client = std::make_unique<Caller>(from("203.0.113.3:" + std::to_string(1000 + i)));
    ASSERT_TRUE(served(teller));
  }
  ASSERT_TRUE(ground.until([&] { return open() == 0; }));
  EXPECT_EQ(said.size(), 200u);
}

}  // namespace
}  // namespace outrider::upstream
