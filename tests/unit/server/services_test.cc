// What the registry says, on its way to workers and pages.

#include "server/services.h"

#include <gtest/gtest.h>

#include <set>

#include "discovery/fixed/fixed_registry.h"
#include "server/worker.h"
#include "stats/names.h"

namespace outrider::server {
namespace {

discovery::Instance instance(uint64_t sequence, WallTime expires) {
  discovery::Instance facts;
  facts.address = "10.0.0.1:80";
  facts.instance = "0a";
  facts.sequence = sequence;
  facts.expires = expires;
  return facts;
}

struct ServicesTest : testing::Test {
  net::Loop control;
  stats::Catalog catalog;
  std::unique_ptr<stats::Shard> shard = catalog.make_shard();
  discovery::FixedRegistry registry;
  std::vector<std::unique_ptr<Worker>> workers;
  Services services{control, catalog, *shard, workers};
  std::shared_ptr<upstream::ClusterPlan> plan = std::make_shared<upstream::ClusterPlan>();
};

// A record is signed anew every few minutes. Workers need not hear of that, but whoever asks how long it holds must.
TEST_F(ServicesTest, ARecordThatIsSignedAnewChangesItsLeaseAndNothingElse) {
  plan->name = plan->service = "default/web";
  const WallTime soon = net::Loop::wall() + std::chrono::minutes(1), later = soon + std::chrono::minutes(10);
  registry.add("default/web", {instance(1, soon)});
  services.add(plan, std::make_shared<upstream::Limits>(), [&] { return Services::Source{&registry, "default/web"}; });
  const auto& group = services.all().at("default/web");
  const auto set = group.set;
  ASSERT_EQ(set->members.size(), 1u);
  EXPECT_EQ(group.expires(set->members[0]), soon);
  registry.add("default/web", {instance(2, later)});
  EXPECT_EQ(group.set, set);
  EXPECT_EQ(group.expires(set->members[0]), later);
}

// A rule's cluster and one found by a Host header may be of the same service: when the latter goes the former still hears.
TEST_F(ServicesTest, AServiceIsFollowedWhileAnyClusterIsOfIt) {
  plan->name = "cart";
  plan->service = "shop/cart";
  services.by_name(&registry, upstream::ClusterPlan());
  services.add(plan, std::make_shared<upstream::Limits>(), [&] { return Services::Source{&registry, "shop/cart"}; });
  services.watch(0, "shop/cart");
  services.unwatch(0, "shop/cart");
  registry.add("shop/cart", {instance(1, net::Loop::wall() + std::chrono::minutes(1))});
  EXPECT_EQ(services.all().at("cart").set->members.size(), 1u);
  EXPECT_EQ(services.all().count("shop/cart"), 0u);
}

struct CountingRegistry final : discovery::Registry {
  void watch(const std::string& service, discovery::Watcher&) override { watched.insert(service); }
  void unwatch(const std::string& service, discovery::Watcher&) override { watched.erase(watched.find(service)); }
  void announce(const std::string&, const discovery::Instance&) override {}
  void withdraw(const std::string&) override {}
  std::multiset<std::string> watched;
};

TEST_F(ServicesTest, OnlyWhatSomebodyAsksForIsLookedUpAndOnceForAllWorkers) {
  CountingRegistry counting;
  services.by_name(&counting, upstream::ClusterPlan());
  EXPECT_EQ(counting.watched.size(), 0u);
  for (int worker : {0, 1}) services.watch(worker, "shop/cart");
  EXPECT_EQ(counting.watched, std::multiset<std::string>{"shop/cart"});
  services.unwatch(0, "shop/cart");
  EXPECT_EQ(counting.watched.size(), 1u) << "the other worker still asks";
  services.unwatch(1, "shop/cart");
  EXPECT_EQ(counting.watched.size(), 0u);
}

}  // namespace
}  // namespace outrider::server
