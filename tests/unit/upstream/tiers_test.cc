// Rows 65 (locality), 68 (priority failover) and the constraints of 71 in the table of features.

#include "upstream/tiers.h"

#include <map>

#include "cluster_ground.h"
#include "tests/support/seed.h"

namespace outrider::upstream {
namespace {

class TiersTest : public ClusterTest {
 protected:
  struct Place {
    std::string zone = {};
    uint8_t priority = 0;
    ClusterPlan::Labels labels = {};
    uint32_t weight = 100;
  };
  void have(const std::vector<Place>& places) {
    Instances all;
    for (size_t i = 0; i < places.size(); ++i) {
      const auto one = instance("10.0.0." + std::to_string(i + 1) + ":80", places[i].weight);
      one->zone = places[i].zone;
      one->priority = places[i].priority;
      one->labels = places[i].labels;
      all.push_back(one);
    }
    set = set_of(all);
    cluster = ground.cluster(set);
  }
  void lose(size_t i) {
    set->members[i].endpoint->health = Health::Unhealthy;
    cluster->refresh();
  }
  // Of a thousand requests, to each endpoint.
  std::vector<int> shares() {
    std::map<const Endpoint*, int> counts;
    for (int i = 0; i < 1000; ++i)
      if (const auto seat = cluster->pick({})) ++counts[seat->member.endpoint.get()];
    std::vector<int> out;
    for (const auto& member : set->members) out.push_back(counts[member.endpoint.get()]);
    return out;
  }
  void expect_shares(const std::vector<int>& wanted) {
    const auto got = shares();
    ASSERT_EQ(got.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(got[i], wanted[i], wanted[i] == 0 ? 0 : 10) << i;
  }
  ClusterPlan& plan() { return *ground.plan; }
  std::shared_ptr<EndpointSet> set;
  Ref<Cluster> cluster;
};

TEST_F(TiersTest, ThoseOfOurZoneComeFirst) {
  plan().zone = "a";
  have({{"b"}, {"a"}, {"a"}, {}});
  expect_shares({0, 500, 500, 0});
  EXPECT_EQ(ground.shard->read(cluster->stats().picks[size_t(Locality::Local)]), 1000u);
}

TEST_F(TiersTest, WithoutAZoneOfOurOwnOrWithLocalityOffZonesDoNotMatter) {
  have({{"b"}, {"a"}, {"a"}, {}});
  expect_shares({250, 250, 250, 250});
  EXPECT_EQ(ground.shard->read(cluster->stats().picks[size_t(Locality::Unknown)]), 1000u);
  plan().zone = "a";
  plan().local_first = false;
  have({{"b"}, {"a"}, {"a"}, {}});
  expect_shares({250, 250, 250, 250});
  EXPECT_EQ(ground.shard->read(cluster->stats().picks[size_t(Locality::Other)]), 250u);
}

TEST_F(TiersTest, AZoneIsLeftInPartOnceLessOfItIsFitThanTheShareToSpillAt) {
  plan().zone = "a";
  plan().health.kind = HealthPlan::Kind::Http;
  have({{"a"}, {"a"}, {"a"}, {"a"}, {"b"}, {"b"}});
  lose(0);
  expect_shares({0, 333, 333, 333, 0, 0});  // 75 % of it is left
  lose(1);                                  // 50 % of 70 %: 714 of a thousand stay
  expect_shares({0, 0, 357, 357, 143, 143});
  plan().spill = 0.5;
  cluster->refresh();
  expect_shares({0, 0, 500, 500, 0, 0});
  lose(2), lose(3);
  expect_shares({0, 0, 0, 0, 500, 500});
  EXPECT_FALSE(cluster->panicking());
}

TEST_F(TiersTest, CapacityIsCountedByWeight) {
  plan().zone = "a";
  plan().health.kind = HealthPlan::Kind::Http;
  have({{"a", 0, {}, 900}, {"a", 0, {}, 100}, {"b"}});
  lose(1);
  expect_shares({1000, 0, 0});
}

TEST_F(TiersTest, BackupsHaveRequestsOnlyWhereTheFirstAreTooFew) {
  plan().health.kind = HealthPlan::Kind::Http;
  have({{"", 0}, {"", 0}, {"", 1}, {"", 5}});
  expect_shares({500, 500, 0, 0});
  lose(0);
  expect_shares({0, 714, 286, 0});
  lose(1);
  expect_shares({0, 0, 1000, 0});
  lose(2);
  expect_shares({0, 0, 0, 1000});
  EXPECT_FALSE(cluster->panicking()) << "one of four, and it is enough for all";
  lose(3);
  EXPECT_TRUE(cluster->panicking());
  expect_shares({250, 250, 250, 250});
}

TEST_F(TiersTest, AFailoverEndsWhenTheFirstAreBack) {
  plan().health.kind = HealthPlan::Kind::Http;
  have({{"", 0}, {"", 1}});
  lose(0);
  expect_shares({0, 1000});
  set->members[0].endpoint->health = Health::Healthy;
  cluster->refresh();
  expect_shares({1000, 0});
}

TEST_F(TiersTest, EjectedOnesCountAsLost) {
  have({{"", 0}, {"", 0}, {"", 1}});
  for (int i = 0; i < 2; ++i) set->members[size_t(i)].endpoint->ejected_until_ms = wall_ms() + 60'000;
  cluster->refresh();
  expect_shares({0, 0, 1000});
}

// Its trial is a request like any other: it is made once requests come to its tier, and for those of the first at once.
TEST_F(TiersTest, AnEjectedBackupIsTriedOnlyOnceRequestsComeToIt) {
  plan().panic = 0;
  have({{"", 0}, {"", 0}, {"", 1}, {"", 1}});
  const auto half_open = [&](size_t i) {
    set->members[i].endpoint->ejections = 1;
    set->members[i].endpoint->ejected_until_ms = wall_ms() - 1;
  };
  half_open(2);
  cluster->refresh();
  expect_shares({500, 500, 0, 0});
  EXPECT_EQ(set->members[2].endpoint->ejections, 1u) << "it is still to show that it is well";
  half_open(0);
  half_open(1);
  cluster->refresh();
  const auto got = shares();
  EXPECT_EQ(got[0], 1) << "of the first tier one trial each";
  EXPECT_EQ(got[1], 1);
  EXPECT_EQ(got[2], 1) << "and of the second, which has the requests";
  EXPECT_EQ(got[3], 997);
}

TEST_F(TiersTest, DrainingOnesAreNoCapacityThatIsMissing) {
  have({{"", 0}, {"", 0, {}, 0}, {"", 1}});
  expect_shares({1000, 0, 0});
}

TEST_F(TiersTest, BeforeTheFirstCheckNobodyIsLost) {
  plan().health.kind = HealthPlan::Kind::Http;
  have({{"", 0}, {"", 0}, {"", 1}});
  set->members[2].endpoint->health = Health::Healthy;  // checked first
  cluster->refresh();
  expect_shares({500, 500, 0});
}

TEST_F(TiersTest, PriorityComesBeforeZone) {
  plan().zone = "a";
  plan().health.kind = HealthPlan::Kind::Http;
  have({{"b", 0}, {"a", 1}, {"b", 1}});
  expect_shares({1000, 0, 0});
  lose(0);
  expect_shares({0, 1000, 0});
}

TEST_F(TiersTest, WhoLacksARequiredLabelIsNotOfTheCluster) {
  plan().require = {{"gpu", "true"}, {"disk", "ssd"}};
  have({{"", 0, {{"gpu", "true"}}}, {"", 0, {{"disk", "ssd"}, {"gpu", "true"}}}, {}});
  expect_shares({0, 1000, 0});
  plan().panic = 1;
  have({{"", 0, {{"gpu", "false"}}}});
  EXPECT_FALSE(cluster->pick({}));
}

TEST_F(TiersTest, WhoHasAPreferredLabelComesFirst) {
  plan().prefer = {{"disk", "ssd"}};
  plan().health.kind = HealthPlan::Kind::Http;
  plan().zone = "a";
  have({{"a", 0}, {"b", 0, {{"disk", "ssd"}}}, {"a", 0, {{"disk", "hdd"}}}});
  expect_shares({0, 1000, 0});
  lose(1);
  expect_shares({500, 0, 500});
}

TEST_F(TiersTest, ARetryGoesToTheNextTierRatherThanToWhoHasFailed) {
  have({{"", 0}, {"", 1}, {"", 2}});
  const auto first = cluster->pick({});
  ASSERT_EQ(first->member.facts->priority, 0);
  const Seat* tried[] = {first.get(), nullptr};
  const auto second = cluster->pick({.tried = {tried, 1}});
  EXPECT_EQ(second->member.facts->priority, 1);
  tried[1] = second.get();
  EXPECT_EQ(cluster->pick({.tried = tried})->member.facts->priority, 2);
}

// Whatever is lost, and however they weigh: the shares of all make one, and nobody who is lost has any.
TEST_F(TiersTest, EveryRequestHasAnEndpointWhileAnyIsFit) {
  Random random = test::seeded_random();
  plan().health.kind = HealthPlan::Kind::Http;
  plan().zone = "a";
  plan().panic = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<Place> places(1 + random.below(12));
    for (auto& place : places) place = {random.below(2) ? "a" : "b", uint8_t(random.below(3)), {}, 1 + random.below(1000)};
    have(places);
    std::vector<bool> lost(places.size());
    for (size_t i = 0; i < places.size(); ++i)
      if ((lost[i] = random.below(3) == 0)) set->members[i].endpoint->health = Health::Unhealthy;
    cluster->refresh();
    const auto got = shares();
    int all = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      all += got[i];
      if (lost[i]) EXPECT_EQ(got[i], 0) << "round " << round;
    }
    const bool any = std::find(lost.begin(), lost.end(), false) != lost.end();
    EXPECT_EQ(all, any ? 1000 : 0) << "round " << round;
  }
}

}  // namespace
}  // namespace outrider::upstream
