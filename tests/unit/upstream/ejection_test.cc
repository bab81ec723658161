#include <set>

#include "cluster_ground.h"
#include "stats/names.h"

namespace outrider::upstream {
namespace {

// An endpoint's answer with that status, or a failure.
Outcome answer(uint16_t status) { return {.kind = status < 500 ? Outcome::Kind::Ok : Outcome::Kind::Failed, .status = status}; }
const Error kTooSlow{Code::Timeout, Side::Upstream, Retry::No, 0, kTryTimeout};

TEST_F(ClusterTest, ConnectFailuresInARowEject) {
  struct Told final : Cluster::Ejections {
    void on_ejected(const std::string& cluster) override { names.push_back(cluster); }
    std::vector<std::string> names;
  } told;
  auto cluster = ground.cluster(set_of(four()));
  cluster->ejections = &told;
  auto seat = cluster->pick({});
  auto& endpoint = *seat->member.endpoint;
  const int64_t before = wall_ms();
  for (int i = 0; i < 2; ++i) cluster->on_connect_failure(endpoint, kRefused);
  EXPECT_EQ(cluster->usable_count(), 4u);
  cluster->on_connect_failure(endpoint, kRefused);
  EXPECT_EQ(cluster->usable_count(), 3u);
  EXPECT_GE(endpoint.ejected_until_ms, before + 10000);
  EXPECT_LE(endpoint.ejected_until_ms, wall_ms() + 10000);
  EXPECT_EQ(told.names, std::vector<std::string>{"web"});
  for (int i = 0; i < 50; ++i) EXPECT_NE(cluster->pick({}).get(), seat.get());
  EXPECT_EQ(read(ground.catalog.slot(stats::names::kClusterEjections, {{"cluster", "web"}, {"reason", "connect_failure"}})), 1u);
}

TEST_F(ClusterTest, ManyFailuresOfOneOutageAreOne) {
  auto cluster = ground.cluster(set_of(four()));
  auto seat = cluster->pick({});
  for (int i = 0; i < 20; ++i) cluster->on_connect_failure(*seat->member.endpoint, kRefused);
  EXPECT_EQ(seat->member.endpoint->ejections, 1u);
  EXPECT_LE(seat->member.endpoint->ejected_until_ms, wall_ms() + 10000);
}

TEST_F(ClusterTest, TheTimeDoublesToTheLongest) {
  ground.plan->outliers.consecutive_local = 1;
  ground.plan->outliers.max_ejection = milliseconds(70000);
  auto cluster = ground.cluster(set_of(four()));
  auto& endpoint = *cluster->pick({})->member.endpoint;
  for (const int64_t expected : {10000, 20000, 40000, 70000, 70000}) {
    const int64_t before = wall_ms();
    cluster->on_connect_failure(endpoint, kRefused);
    EXPECT_GE(endpoint.ejected_until_ms, before + expected);
    EXPECT_LE(endpoint.ejected_until_ms, wall_ms() + expected);
    endpoint.ejected_until_ms = wall_ms() - 1;  // its time is over
  }
  cluster->on_connected(endpoint);
  EXPECT_EQ(endpoint.ejections, 0u);
  const int64_t before = wall_ms();
  cluster->on_connect_failure(endpoint, kRefused);
  EXPECT_LE(endpoint.ejected_until_ms - before, 10000 + (wall_ms() - before));
}

TEST_F(ClusterTest, AConnectionThatStandsEndsAnEjectionForConnections) {
  ground.plan->outliers.consecutive_local = 1;
  auto cluster = ground.cluster(set_of(four()));
  auto seat = cluster->pick({});
  cluster->on_connect_failure(*seat->member.endpoint, kRefused);
  ASSERT_EQ(cluster->usable_count(), 3u);
  cluster->on_connected(*seat->member.endpoint);
  EXPECT_EQ(cluster->usable_count(), 4u);
  attempt(*cluster, *seat, kFailed, &kTooSlow);
  ASSERT_EQ(cluster->usable_count(), 3u);
  cluster->on_connected(*seat->member.endpoint);
  EXPECT_EQ(cluster->usable_count(), 3u);
}

TEST_F(ClusterTest, TimeoutsCountAsLocalAndAnAnswerBetweenThemStartsAnew) {
  auto cluster = ground.cluster(set_of(four()));
  auto seat = cluster->pick({});
  for (const bool answered : {true, true, false}) {
    for (int i = 0; i < 2; ++i) attempt(*cluster, *seat, kFailed, &kTooSlow);
    if (answered) attempt(*cluster, *seat, answer(200), nullptr);
  }
  EXPECT_EQ(cluster->usable_count(), 4u);
  attempt(*cluster, *seat, kFailed, &kTooSlow);
  EXPECT_EQ(cluster->usable_count(), 3u);
}

TEST_F(ClusterTest, GatewayErrorsInARowEjectAndOther5xxOnlyWhereAsked) {
  auto cluster = ground.cluster(set_of(four()));
  auto seat = cluster->pick({}), other = cluster->pick({});
  for (int i = 0; i < 20; ++i) attempt(*cluster, *seat, answer(500), nullptr);
  for (int i = 0; i < 4; ++i) attempt(*cluster, *seat, answer(503), nullptr);
  EXPECT_EQ(cluster->usable_count(), 4u);
  attempt(*cluster, *seat, answer(502), nullptr);
  EXPECT_EQ(cluster->usable_count(), 3u);
  ground.plan->outliers.consecutive_5xx = 2;
  for (int i = 0; i < 2; ++i) attempt(*cluster, *other, answer(500), nullptr);
  EXPECT_EQ(cluster->usable_count(), 2u);
  EXPECT_STREQ(name_of(other->member.endpoint->ejected_for), "5xx");
}

TEST_F(ClusterTest, ALowSuccessRateEjectsOnlyByEnoughRequestsOfOneInterval) {
  ground.plan->outliers.success_rate = 0.9;
  ground.plan->outliers.min_requests = 10;
  ground.plan->outliers.consecutive_gateway = 0;
  auto cluster = ground.cluster(set_of(four()));
  auto seat = cluster->pick({});
  auto& endpoint = *seat->member.endpoint;
  const auto interval = [&](int good, int bad) {
    for (int i = 0; i < good + bad; ++i) attempt(*cluster, *seat, answer(i < good ? 200 : 503), nullptr);
    endpoint.interval_ends_ms = 0;  // is over
    attempt(*cluster, *seat, answer(200), nullptr);
    endpoint.asked = endpoint.failed = 0;
  };
  interval(0, 9);
  EXPECT_EQ(cluster->usable_count(), 4u);
  interval(18, 2);
  EXPECT_EQ(cluster->usable_count(), 4u);
  interval(17, 3);
  EXPECT_EQ(cluster->usable_count(), 3u);
  EXPECT_STREQ(name_of(endpoint.ejected_for), "success_rate");
}

TEST_F(ClusterTest, NoMoreThanTheirShareAreEjected) {
  auto cluster = ground.cluster(set_of(four()));
  std::vector<Ref<Seat>> seats;
  for (int i = 0; i < 4; ++i) seats.push_back(cluster->pick({}));
  for (auto& seat : seats)
    for (int i = 0; i < 6; ++i) attempt(*cluster, *seat, answer(503), nullptr);
  EXPECT_EQ(cluster->usable_count(), 2u);
  EXPECT_FALSE(cluster->panicking());
}

TEST_F(ClusterTest, WhoIsAloneIsNotEjectedForItsAnswers) {
  auto cluster = ground.cluster(set_of({instance("10.0.0.1:80")}));
  auto seat = cluster->pick({});
  for (int i = 0; i < 20; ++i) attempt(*cluster, *seat, answer(503), nullptr);
  for (int i = 0; i < 20; ++i) attempt(*cluster, *seat, kFailed, &kTooSlow);
  EXPECT_EQ(seat->member.endpoint->ejections, 0u);
  EXPECT_FALSE(cluster->panicking());
}

TEST_F(ClusterTest, OffEjectsNobody) {
  ground.plan->outliers.on = false;
  auto cluster = ground.cluster(set_of(four()));
  auto seat = cluster->pick({});
  for (int i = 0; i < 20; ++i) {
    cluster->on_connect_failure(*seat->member.endpoint, kRefused);
    attempt(*cluster, *seat, kFailed, &kTooSlow);
    attempt(*cluster, *seat, answer(503), nullptr);
  }
  EXPECT_EQ(cluster->usable_count(), 4u);
}

// Ejected for its answers, and its time is over.
class HalfOpen : public ClusterTest {
 protected:
  void SetUp() override {
    for (int i = 0; i < 5; ++i) attempt(*cluster, *seat, answer(503), nullptr);
    ASSERT_EQ(cluster->usable_count(), 3u);
    end();
  }
  void end() {
    endpoint.ejected_until_ms = wall_ms() - 1;
    cluster->refresh();
  }
  int picked(int of) {
    int times = 0;
    for (int i = 0; i < of; ++i) times += cluster->pick({}).get() == seat.get();
    return times;
  }
  Ref<Cluster> cluster = ground.cluster(set_of(four()));
  Ref<Seat> seat = cluster->pick({});
  Endpoint& endpoint = *seat->member.endpoint;
};

TEST_F(HalfOpen, GetsOneRequestWhoseSuccessTakesItBack) {
  EXPECT_STREQ(name_of(state_of(seat->member, Known::Yes, std::chrono::system_clock::now())), "ejected");
  EXPECT_EQ(picked(50), 1);
  cluster->refresh();
  EXPECT_EQ(picked(50), 0);
  attempt(*cluster, *seat, answer(200), nullptr);
  EXPECT_EQ(cluster->usable_count(), 4u);
  EXPECT_EQ(endpoint.ejections, 0u);
}

TEST_F(HalfOpen, OneFaultEjectsItForTwiceAsLong) {
  EXPECT_EQ(picked(50), 1);
  const int64_t before = wall_ms();
  attempt(*cluster, *seat, answer(503), nullptr);
  EXPECT_GE(endpoint.ejected_until_ms, before + 20000);
  EXPECT_EQ(endpoint.ejections, 2u);
  EXPECT_EQ(picked(50), 0);
  end();
  EXPECT_EQ(picked(50), 1);
}

TEST_F(HalfOpen, ARequestThatEndedUndecidedLeavesItToTheNext) {
  EXPECT_EQ(picked(50), 1);
  for (const auto kind : {Outcome::Kind::Cancelled, Outcome::Kind::Outrun}) {
    attempt(*cluster, *seat, {.kind = kind, .first_byte_us = 1000}, nullptr);
    EXPECT_EQ(picked(50), 1);
  }
}

TEST_F(HalfOpen, IsTakenBackAsSoonAsItsAnswerBegins) {
  EXPECT_EQ(picked(1), 1);
  cluster->on_answer(*seat, 200);
  EXPECT_EQ(cluster->usable_count(), 4u);
}

TEST_F(HalfOpen, OfTwoWorkersOneTries) {
  auto shard = ground.catalog.make_shard();
  Ref<Cluster> there(new Cluster({ground.loop, ground.catalog, *shard}, ground.plan, ground.limits));
  there->adopt(std::make_shared<EndpointSet>(*cluster->set()));
  EXPECT_EQ(picked(50), 1);
  for (int i = 0; i < 50; ++i) EXPECT_NE(there->pick({})->member.endpoint.get(), &endpoint);
}

// Whoever is ejected is better than whoever has just failed this request.
TEST_F(ClusterTest, WhereAllOthersHaveFailedARequestTheEjectedIsAsked) {
  auto cluster = ground.cluster(set_of({instance("10.0.0.1:80"), instance("10.0.0.2:80")}));
  auto seat = cluster->pick({});
  for (int i = 0; i < 5; ++i) attempt(*cluster, *seat, answer(503), nullptr);
  auto other = cluster->pick({});
  ASSERT_NE(other.get(), seat.get());
  const Seat* const tried[] = {other.get()};
  EXPECT_EQ(cluster->pick({.tried = tried}).get(), seat.get());
  const Seat* const both[] = {other.get(), seat.get()};
  EXPECT_EQ(cluster->pick({.tried = both}).get(), other.get());
}

TEST_F(ClusterTest, AFewFailuresOfOtherKindsEjectNobody) {
  auto cluster = ground.cluster(set_of(four()));
  auto seat = cluster->pick({});
  for (const Error& why : {Error{Code::Closed, Side::Upstream, Retry::IfReused, 0, "connection_reset"},
                           Error{Code::Timeout, Side::Upstream, Retry::No, 0, "try_timeout"},
                           Error{Code::Overload, Side::Local, Retry::No, 0, "circuit_breaker_pending"},
                           Error{Code::NoEndpoint, Side::Upstream, Retry::Yes, 0, "endpoint_left"}})
    attempt(*cluster, *seat, kFailed, &why);
  EXPECT_EQ(cluster->usable_count(), 4u);
}

TEST_F(ClusterTest, TheEndOfAnEjectionIsSeenWithoutAMessage) {
  auto set = set_of(four());
  auto cluster = ground.cluster(set);
  set->members[0].endpoint->ejected_until_ms = wall_ms() + 30;
  cluster->refresh();
  ASSERT_EQ(cluster->usable_count(), 3u);
  EXPECT_TRUE(ground.until([&] { return cluster->usable_count() == 4; }));
}

TEST_F(ClusterTest, AllEjectedAreUsedAllTheSame) {
  ground.plan->outliers.consecutive_local = 1;
  auto cluster = ground.cluster(set_of({instance("10.0.0.1:80")}));
  auto seat = cluster->pick({});
  cluster->on_connect_failure(*seat->member.endpoint, kRefused);
  EXPECT_TRUE(cluster->panicking());
  EXPECT_EQ(cluster->pick({}).get(), seat.get());
}

}  // namespace
}  // namespace outrider::upstream
