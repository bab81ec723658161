#include <algorithm>
#include <set>

#include "ground.h"
#include "stats/names.h"
#include "upstream/cluster_table.h"
#include "upstream/pool.h"

namespace outrider::upstream {
namespace {

int64_t wall_ms() { return to_ms(std::chrono::system_clock::now()); }

const Error kRefused{Code::Refused, Side::Upstream, Retry::Yes, 111, "connection_refused"};
const Outcome kFailed{Outcome::Kind::Failed};

// --- endpoint sets -------------------------------------------------------------------------------------------------

TEST(EndpointSet, SurvivorsAreTheSameObjects) {
  const auto first = next_set(nullptr, Known::Yes, {instance("10.0.0.1:80"), instance("10.0.0.2:80")});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->revision, 1u);
  const auto second = next_set(first, Known::Yes, {instance("10.0.0.2:80", 50), instance("10.0.0.3:80")});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->revision, 2u);
  ASSERT_EQ(second->members.size(), 2u);
  EXPECT_EQ(second->members[0].endpoint, first->members[1].endpoint);
  EXPECT_EQ(second->members[0].facts->weight, 50u);
  EXPECT_EQ(second->members[1].endpoint->address, "10.0.0.3:80");
  EXPECT_TRUE(second->members[1].endpoint->socket.valid());
}

TEST(EndpointSet, AnotherIdentityIsAnotherEndpoint) {
  auto before = instance("10.0.0.1:80");
  before->identity = "spiffe://mesh/a";
  auto after = instance("10.0.0.1:80");
  after->identity = "spiffe://mesh/b";
  const auto first = next_set(nullptr, Known::Yes, {before});
  const auto second = next_set(first, Known::Yes, {after});
  ASSERT_TRUE(second);
  EXPECT_NE(second->members[0].endpoint, first->members[0].endpoint);
}

TEST(EndpointSet, ReSigningIsNoChange) {
  auto before = instance("10.0.0.1:80");
  before->sequence = 1;
  const auto first = next_set(nullptr, Known::Yes, {before});
  auto after = instance("10.0.0.1:80");
  after->sequence = 2;
  after->issued = after->expires = std::chrono::system_clock::now();
  EXPECT_EQ(next_set(first, Known::Yes, {after}), nullptr);
  after->draining = true;
  EXPECT_NE(next_set(first, Known::Yes, {after}), nullptr);
  after->draining = false;
  after->labels = {{"version", "2"}};
  EXPECT_NE(next_set(first, Known::Yes, {after}), nullptr);
}

TEST(EndpointSet, OrderIsNoChange) {
  const auto first = next_set(nullptr, Known::Yes, {instance("10.0.0.1:80"), instance("10.0.0.2:80")});
  EXPECT_EQ(next_set(first, Known::Yes, {instance("10.0.0.2:80"), instance("10.0.0.1:80")}), nullptr);
}

TEST(EndpointSet, OfTwoRecordsOfOneEndpointTheNewestCounts) {
  auto older = instance("10.0.0.1:80", 10), newer = instance("10.0.0.1:80", 20);
  older->sequence = 1;
  newer->sequence = 2;
  for (const Instances& all : {Instances{older, newer}, Instances{newer, older}}) {
    const auto set = next_set(nullptr, Known::Yes, all);
    ASSERT_EQ(set->members.size(), 1u);
    EXPECT_EQ(set->members[0].facts->weight, 20u);
  }
}

TEST(EndpointSet, SilenceTakesNobodyAway) {
  const auto first = next_set(nullptr, Known::Yes, {instance("10.0.0.1:80")});
  const auto silent = next_set(first, Known::Stale, {});
  ASSERT_TRUE(silent);
  EXPECT_EQ(silent->known, Known::Stale);
  ASSERT_EQ(silent->members.size(), 1u);
  EXPECT_EQ(silent->members[0].endpoint, first->members[0].endpoint);
  EXPECT_EQ(next_set(silent, Known::Stale, {}), nullptr);
  const auto absent = next_set(silent, Known::Absent, {});
  ASSERT_TRUE(absent);
  EXPECT_TRUE(absent->members.empty());
}

TEST(EndpointSet, SinceIsKeptWhileNothingButMembersChanges) {
  auto first = std::make_shared<EndpointSet>(*next_set(nullptr, Known::Yes, {instance("10.0.0.1:80")}));
  first->since_ms = 1000;
  EXPECT_EQ(next_set(first, Known::Yes, {instance("10.0.0.2:80")})->since_ms, 1000);
  EXPECT_GT(next_set(first, Known::Yes, {})->since_ms, 1000);
  EXPECT_GT(next_set(first, Known::Stale, {instance("10.0.0.1:80")})->since_ms, 1000);
}

TEST(EndpointSet, AnAddressThatIsNoneIsKeptAndInvalid) {
  const auto set = next_set(nullptr, Known::Yes, {instance("nowhere")});
  ASSERT_EQ(set->members.size(), 1u);
  EXPECT_FALSE(set->members[0].endpoint->socket.valid());
}

TEST(EndpointState, SaysWhyOneIsNotUsed) {
  const auto set = set_of({instance("10.0.0.1:80")});
  Member member = set->members[0];
  const auto now = std::chrono::system_clock::now();
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now)), "ready");
  EXPECT_STREQ(name_of(state_of(member, Known::Stale, now)), "stale");
  member.endpoint->ejected_until_ms = to_ms(now) + 1000;
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now)), "ejected");
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now + seconds(2))), "ready");
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now - seconds(3600))), "ready");  // the clock has jumped back
  member.endpoint->health = Health::Unhealthy;
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now)), "unhealthy");
  member.facts = instance("10.0.0.1:80", 0);
  EXPECT_STREQ(name_of(state_of(member, Known::Yes, now)), "draining");
}

// --- which seats are used ------------------------------------------------------------------------------------------

class ClusterTest : public testing::Test {
 protected:
  Instances four() {
    return {instance("10.0.0.1:80"), instance("10.0.0.2:80"), instance("10.0.0.3:80"), instance("10.0.0.4:80")};
  }
  static void attempt(Cluster& cluster, Seat& seat, const Outcome& outcome, const Error* failure) {
    cluster.begin(seat);
    cluster.report(seat, outcome, failure);
  }
  uint64_t read(stats::Slot slot) { return ground.shard->read(slot); }
  Ground ground;
};

TEST_F(ClusterTest, PicksNobodyBeforeASetIsKnown) {
  Ref<Cluster> cluster(new Cluster(ground.context, ground.plan, ground.limits));
  EXPECT_EQ(cluster->known(), Known::NotYet);
  EXPECT_FALSE(cluster->pick({}));
}

TEST_F(ClusterTest, PicksNobodyFromAnEmptySet) {
  for (const Known known : {Known::Yes, Known::Absent}) {
    auto cluster = ground.cluster(set_of({}, known));
    EXPECT_EQ(cluster->known(), known);
    EXPECT_FALSE(cluster->pick({}));
    EXPECT_FALSE(cluster->panicking());
  }
}

TEST_F(ClusterTest, UsesStaleMembers) {
  auto cluster = ground.cluster(set_of(four(), Known::Stale));
  EXPECT_EQ(cluster->usable_count(), 4u);
}

TEST_F(ClusterTest, CallsThoseWhoWaitForASet) {
  struct Counter {
    void called() { ++times; }
    int times = 0;
  } counter;
  BoundPlace<Counter, &Counter::called> place(counter);
  Ref<Cluster> cluster(new Cluster(ground.context, ground.plan, ground.limits));
  cluster->await_set(place);
  cluster->await_set(place);
  cluster->adopt(set_of({}, Known::NotYet));
  EXPECT_EQ(counter.times, 0);
  cluster->adopt(set_of({}, Known::Absent));
  EXPECT_EQ(counter.times, 1);
  cluster->adopt(set_of(four()));
  EXPECT_EQ(counter.times, 1);
}

TEST_F(ClusterTest, ANameThatARequestBroughtIsALabelOnceTheRegistryKnowsIt) {
  auto plan = std::make_shared<ClusterPlan>(*ground.plan);
  plan->name = plan->service = "default/anything";
  plan->found = true;
  Ref<Cluster> cluster(new Cluster(ground.context, plan, ground.limits));
  EXPECT_EQ(cluster->label(), "__unknown__");
  cluster->adopt(set_of({}, Known::Absent));
  EXPECT_EQ(cluster->label(), "__unknown__");
  for (const auto* series : ground.context.catalog.series())
    for (const auto& label : series->labels) EXPECT_NE(label.value, plan->name) << series->name.name;
  cluster->adopt(set_of(four()));
  EXPECT_EQ(cluster->label(), plan->name);
  cluster->adopt(set_of({}, Known::Absent));
  EXPECT_EQ(cluster->label(), plan->name) << "what it has counted stays";
}

TEST_F(ClusterTest, DrainingAndWeightZeroGetNothing) {
  auto all = four();
  auto draining = instance("10.0.0.2:80");
  draining->draining = true;
  all[1] = draining;
  all[2] = instance("10.0.0.3:80", 0);
  auto cluster = ground.cluster(set_of(all));
  EXPECT_EQ(cluster->usable_count(), 2u);
  EXPECT_FALSE(cluster->panicking());  // they do not count as lost either
  for (int i = 0; i < 100; ++i) {
    const auto address = cluster->pick({})->member.endpoint->address;
    EXPECT_TRUE(address == "10.0.0.1:80" || address == "10.0.0.4:80") << address;
  }
}

TEST_F(ClusterTest, KeepsToSomeOfManyAndTakesMoreWhileItHasMoreInFlight) {
  Instances many;
  for (int i = 0; i < 300; ++i) many.push_back(instance("10.0.1." + std::to_string(i) + ":80"));
  ground.plan->subset_size = 16;
  ground.plan->subset_hold = milliseconds(1);
  auto cluster = ground.cluster(set_of(many));
  std::set<Seat*> chosen;
  for (int i = 0; i < 100; ++i) chosen.insert(cluster->pick({}).get());
  EXPECT_EQ(chosen.size(), 16u);

  std::vector<Ref<Seat>> busy;
  for (int i = 0; i < 100; ++i) {
    busy.push_back(cluster->pick({}));
    cluster->begin(*busy.back());
  }
  EXPECT_EQ(cluster->usable_count(), 128u);
  for (Seat* seat : chosen)
    EXPECT_TRUE(std::any_of(busy.begin(), busy.end(), [&](auto& one) { return one.get() == seat; })) << "nobody was given up";
  for (auto& seat : busy) cluster->report(*seat, {}, nullptr);
  EXPECT_TRUE(ground.until([&] { return cluster->usable_count() == 16; }));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(chosen.contains(cluster->pick({}).get()));
}

TEST_F(ClusterTest, AnotherOfTheManyStandsInForOneThatCannotBeReached) {
  Instances many;
  for (int i = 0; i < 100; ++i) many.push_back(instance("10.0.1." + std::to_string(i) + ":80"));
  ground.plan->subset_size = 4;
  auto cluster = ground.cluster(set_of(many));
  const auto lost = cluster->pick({});
  for (int i = 0; i < 3; ++i) cluster->on_connect_failure(*lost->member.endpoint, kRefused);
  std::set<Seat*> chosen;
  for (int i = 0; i < 20; ++i) chosen.insert(cluster->pick({}).get());
  EXPECT_EQ(chosen.size(), 4u);
  EXPECT_FALSE(chosen.contains(lost.get()));
}

TEST_F(ClusterTest, CountsPicks) {
  auto set = set_of({instance("10.0.0.1:80")});
  auto cluster = ground.cluster(set);
  for (int i = 0; i < 3; ++i) cluster->pick({});
  EXPECT_EQ(set->members[0].endpoint->picks, 3u);
  EXPECT_EQ(read(cluster->stats().picks), 3u);
}

TEST_F(ClusterTest, SurvivorsKeepTheirSeats) {
  auto first = next_set(nullptr, Known::Yes, four());
  auto cluster = ground.cluster(first);
  std::vector<Ref<Seat>> seats;
  for (int i = 0; i < 4; ++i) seats.push_back(cluster->pick({}));
  Seat* held = nullptr;
  for (auto& seat : seats)
    if (seat->member.endpoint->address == "10.0.0.2:80") held = seat.get();
  ASSERT_TRUE(held);
  held->latency_us = 123;
  cluster->pool(*held);
  auto second = next_set(first, Known::Yes, {instance("10.0.0.2:80", 30), instance("10.0.0.9:80", 30)});
  cluster->adopt(second);
  bool found = false;
  for (int i = 0; i < 4; ++i) {
    auto seat = cluster->pick({});
    if (seat.get() != held) continue;
    found = true;
    EXPECT_EQ(seat->latency_us, 123);
    EXPECT_TRUE(seat->pool);
    EXPECT_EQ(seat->member.facts->weight, 30u);
  }
  EXPECT_TRUE(found);
  // Who has left the set is still whole for those who hold it.
  for (auto& seat : seats) EXPECT_FALSE(seat->member.endpoint->address.empty());
}

TEST_F(ClusterTest, WithoutACheckHealthIsNotLookedAt) {
  auto set = set_of(four());
  for (auto& member : set->members) member.endpoint->health = Health::Unhealthy;
  auto cluster = ground.cluster(set);
  EXPECT_EQ(cluster->usable_count(), 4u);
  EXPECT_FALSE(cluster->panicking());
}

TEST_F(ClusterTest, UnknownIsUsedOnlyWhenNobodyIsHealthy) {
  ground.plan->health.kind = HealthPlan::Kind::Tcp;
  auto set = set_of(four());
  auto cluster = ground.cluster(set);
  EXPECT_EQ(cluster->usable_count(), 4u);
  set->members[2].endpoint->health = Health::Healthy;
  cluster->refresh();
  EXPECT_EQ(cluster->usable_count(), 1u);
  EXPECT_FALSE(cluster->panicking());  // three that nobody has asked yet are no reason
  EXPECT_EQ(cluster->pick({})->member.endpoint->address, "10.0.0.3:80");
  set->members[2].endpoint->health = Health::Unhealthy;
  cluster->refresh();
  EXPECT_EQ(cluster->usable_count(), 3u);
}

TEST_F(ClusterTest, FewerThanTheThresholdIsPanic) {
  ground.plan->health.kind = HealthPlan::Kind::Tcp;
  auto set = set_of(four());
  auto cluster = ground.cluster(set);
  for (size_t i = 0; i < 4; ++i) set->members[i].endpoint->health = i < 2 ? Health::Unhealthy : Health::Healthy;
  cluster->refresh();
  EXPECT_EQ(cluster->usable_count(), 2u);  // half is not less than half
  EXPECT_FALSE(cluster->panicking());
  EXPECT_EQ(read(cluster->stats().panic), 0u);
  set->members[2].endpoint->health = Health::Unhealthy;
  cluster->refresh();
  EXPECT_EQ(cluster->usable_count(), 4u);
  EXPECT_TRUE(cluster->panicking());
  EXPECT_EQ(read(cluster->stats().panic), 1u);
  set->members[0].endpoint->health = Health::Healthy;
  cluster->refresh();
  EXPECT_EQ(cluster->usable_count(), 2u);
  EXPECT_EQ(read(cluster->stats().panic), 0u);
}

TEST_F(ClusterTest, PanicOfTwoWorkersIsOneInTheGauge) {
  ground.plan->health.kind = HealthPlan::Kind::Tcp;
  auto set = set_of(four());
  for (auto& member : set->members) member.endpoint->health = Health::Unhealthy;
  auto other = ground.catalog.make_shard();
  auto here = ground.cluster(set);
  Ref<Cluster> there(new Cluster({ground.loop, ground.catalog, *other}, ground.plan, ground.limits));
  there->adopt(set);
  EXPECT_TRUE(here->panicking());
  EXPECT_TRUE(there->panicking());
  EXPECT_EQ(read(here->stats().panic) + other->read(here->stats().panic), 1u);
  for (auto& member : set->members) member.endpoint->health = Health::Healthy;
  there->refresh();
  here->refresh();
  EXPECT_EQ(read(here->stats().panic) + other->read(here->stats().panic), 0u);
}

TEST_F(ClusterTest, WithoutPanicNobodyIsLeft) {
  ground.plan->health.kind = HealthPlan::Kind::Tcp;
  ground.plan->panic = 0;
  auto set = set_of(four());
  for (auto& member : set->members) member.endpoint->health = Health::Unhealthy;
  auto cluster = ground.cluster(set);
  EXPECT_FALSE(cluster->pick({}));
}

// --- ejection ------------------------------------------------------------------------------------------------------

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
  attempt(*cluster, *seat, {Outcome::Kind::Cancelled}, nullptr);
  EXPECT_EQ(picked(50), 1);
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

// --- slow start ----------------------------------------------------------------------------------------------------

// One old endpoint, and one that came `age` ago; the weight the newcomer has.
uint32_t weight_at(Ground& ground, milliseconds age, milliseconds age_of_other) {
  auto set = set_of({instance("10.0.0.1:80")}, Known::Yes, age_of_other);
  set->members.push_back(set_of({instance("10.0.0.2:80")}, Known::Yes, age)->members[0]);
  auto cluster = ground.cluster(set);
  for (int i = 0; i < 100; ++i)
    if (auto seat = cluster->pick({}); seat->member.endpoint->address == "10.0.0.2:80") return seat->weight;
  return 0;
}

TEST_F(ClusterTest, ANewcomerHasItsShareAtOnceUnlessToldOtherwise) {
  EXPECT_EQ(weight_at(ground, milliseconds(0), seconds(3600)), weight_at(ground, seconds(3600), seconds(7200)));
}

TEST_F(ClusterTest, ANewcomerBeginsWithATenth) {
  ground.plan->slow_start = seconds(30);
  const uint32_t whole = weight_at(ground, seconds(3600), seconds(7200));
  EXPECT_NEAR(weight_at(ground, milliseconds(0), seconds(3600)), whole * 0.1, whole * 0.05);
  EXPECT_NEAR(weight_at(ground, seconds(15), seconds(3600)), whole * 0.55, whole * 0.05);
  EXPECT_EQ(weight_at(ground, seconds(31), seconds(3600)), whole);
}

TEST_F(ClusterTest, WhereAllAreNewNobodyStartsSlowly) {
  ground.plan->slow_start = seconds(30);
  const uint32_t whole = weight_at(ground, seconds(3600), seconds(7200));
  EXPECT_EQ(weight_at(ground, milliseconds(0), milliseconds(0)), whole);
  EXPECT_EQ(weight_at(ground, milliseconds(0), seconds(20)), whole);
  // It came while the other was new: that the other has aged since changes nothing.
  EXPECT_EQ(weight_at(ground, seconds(20), seconds(40)), whole);
}

TEST_F(ClusterTest, SlowStartGoesOnByItself) {
  ground.plan->slow_start = milliseconds(400);
  auto set = set_of({instance("10.0.0.1:80")});
  set->members.push_back(set_of({instance("10.0.0.2:80")}, Known::Yes, milliseconds(0))->members[0]);
  auto cluster = ground.cluster(set);
  Ref<Seat> seat;
  while (!seat || seat->member.endpoint->address != "10.0.0.2:80") seat = cluster->pick({});
  const uint32_t first = seat->weight;
  EXPECT_TRUE(ground.until([&] { return seat->weight > first; }));
  EXPECT_TRUE(ground.until([&] { return seat->weight == 10000; }));
}

// --- breakers ------------------------------------------------------------------------------------------------------

TEST_F(ClusterTest, ABreakerShowsThatItRefusesUntilThereIsRoom) {
  auto cluster = ground.cluster(set_of(four()));
  auto other_shard = ground.catalog.make_shard();
  Ref<Cluster> other(new Cluster({ground.loop, ground.catalog, *other_shard}, ground.plan, ground.limits));
  const auto gauge = cluster->stats().breaker_requests;
  const auto shown = [&] { return read(gauge) + other_shard->read(gauge); };
  Breaker& breaker = ground.limits->requests;
  EXPECT_TRUE(cluster->enter(breaker, 2, gauge));
  EXPECT_TRUE(cluster->enter(breaker, 2, gauge));
  EXPECT_EQ(shown(), 0u);
  EXPECT_FALSE(cluster->enter(breaker, 2, gauge));
  EXPECT_FALSE(other->enter(breaker, 2, gauge));
  EXPECT_EQ(shown(), 1u);
  other->leave(breaker, 2, gauge);  // on another worker than the one that refused
  EXPECT_EQ(shown(), 0u);
  EXPECT_TRUE(other->enter(breaker, 2, gauge));
}

// --- names found at run time ---------------------------------------------------------------------------------------

class Names final : public ServiceSource {
 public:
  explicit Names(Ground& ground) : ground_(ground) {}
  std::shared_ptr<const ClusterPlan> plan_for(std::string_view service) override {
    auto plan = std::make_shared<ClusterPlan>(*ground_.plan);
    plan->name = std::string(service);
    return plan;
  }
  std::shared_ptr<Limits> limits_for(std::string_view) override { return std::make_shared<Limits>(); }
  void watch(const std::string& service) override { events += "+" + service; }
  void unwatch(const std::string& service) override { events += "-" + service; }
  std::string events;

 private:
  Ground& ground_;
};

TEST_F(ClusterTest, ANameIsWatchedOnceAndFoundAgain) {
  Names names(ground);
  ClusterTable table(ground.context, names, 10, seconds(600));
  EXPECT_EQ(table.existing("a"), nullptr);
  auto first = table.find("a");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->known(), Known::NotYet);
  EXPECT_EQ(table.find("a").get(), first.get());
  EXPECT_EQ(table.existing("a"), first.get());
  EXPECT_EQ(names.events, "+a");
}

TEST_F(ClusterTest, AFullTableLetsTheLeastRecentlyUsedGo) {
  Names names(ground);
  ClusterTable table(ground.context, names, 2, seconds(600));
  table.find("a")->last_used = TimePoint{} + seconds(2);
  table.find("b")->last_used = TimePoint{} + seconds(1);
  EXPECT_TRUE(table.find("c"));
  EXPECT_EQ(names.events, "+a+b-b+c");
  EXPECT_EQ(table.size(), 2u);
}

TEST_F(ClusterTest, AFullTableOfHeldNamesRefuses) {
  Names names(ground);
  ClusterTable table(ground.context, names, 2, seconds(600));
  auto a = table.find("a"), b = table.find("b");
  EXPECT_FALSE(table.find("c"));
  b = {};
  EXPECT_TRUE(table.find("c"));
  EXPECT_EQ(names.events, "+a+b-b+c");
}

TEST_F(ClusterTest, AnUnusedNameIsLetGo) {
  Names names(ground);
  ClusterTable table(ground.context, names, 10, milliseconds(50));
  auto held = table.find("a");
  table.find("b");
  EXPECT_TRUE(ground.until([&] { return table.size() == 1; }));
  EXPECT_EQ(table.existing("b"), nullptr);
  EXPECT_EQ(table.existing("a"), held.get());
  held = {};
  EXPECT_TRUE(ground.until([&] { return table.size() == 0; }));
}

}  // namespace
}  // namespace outrider::upstream
