#include <algorithm>
#include <set>

#include "cluster_ground.h"
#include "stats/names.h"
#include "upstream/cluster_table.h"
#include "upstream/pool.h"
#include "upstream/tiers.h"

namespace outrider::upstream {
namespace {

// --- which seats are used ------------------------------------------------------------------------------------------

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
  EXPECT_EQ(read(cluster->stats().picks[size_t(Locality::Unknown)]), 3u);
}

TEST_F(ClusterTest, KnowsHowLongAnswersTakeOnceSomebodyHasAsked) {
  auto cluster = ground.cluster(set_of(four()));
  const auto seat = cluster->pick({});
  const auto answer = [&](Outcome::Kind kind, uint64_t us) {
    attempt(*cluster, *seat, {.kind = kind, .first_byte_us = us}, nullptr);
  };
  answer(Outcome::Kind::Ok, 500'000);
  EXPECT_FALSE(cluster->usual_first_byte(0.5, 1)) << "nobody had asked before";
  for (int i = 0; i < 90; ++i) answer(Outcome::Kind::Ok, 2'000);
  for (int i = 0; i < 10; ++i) answer(Outcome::Kind::Outrun, 60'000);
  for (int i = 0; i < 500; ++i) answer(Outcome::Kind::Cancelled, 900'000);
  for (int i = 0; i < 500; ++i) answer(Outcome::Kind::Failed, 0);
  EXPECT_FALSE(cluster->usual_first_byte(0.5, 101));
  EXPECT_EQ(cluster->usual_first_byte(0.5, 100), milliseconds(2));
  EXPECT_GT(cluster->usual_first_byte(0.95, 100), milliseconds(50)) << "who was outrun was slow";
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
