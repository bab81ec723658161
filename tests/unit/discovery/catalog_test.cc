#include "discovery/catalog.h"

#include <gtest/gtest.h>

#include <set>

#include "discovery/fixed/fixed_registry.h"

namespace outrider::discovery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const std::string kWeb = "default/web";

struct Told final : Watcher {
  struct Set {
    Known known;
    std::vector<std::string> addresses;
    std::vector<std::shared_ptr<const Instance>> all;
  };
  void on_instances(const std::string&, Known known, std::vector<std::shared_ptr<const Instance>> all) override {
    Set set{known, {}, all};
    for (const auto& one : all) set.addresses.push_back(one->address);
    sets.push_back(std::move(set));
    if (then) then();
  }
  const Set& last() const { return sets.back(); }
  std::vector<Set> sets;
  std::function<void()> then;
};

// A catalog, a clock that is moved by hand, and one watcher.
struct CatalogTest : testing::Test {
  Catalog catalog{Catalog::Options{}};
  Moment now{TimePoint(hours(1)), WallTime(hours(24 * 365 * 50))};
  Told told;

  std::shared_ptr<Instance> record(const std::string& address, const std::string& id, uint64_t sequence = 1,
                                   milliseconds valid = minutes(10)) {
    auto facts = std::make_shared<Instance>();
    facts->address = address;
    facts->instance = id;
    facts->sequence = sequence;
    facts->issued = now.wall;
    facts->expires = now.wall + valid;
    return facts;
  }
  // As an owner with a timer: wakes up whenever the catalog wants to be woken.
  void pass(milliseconds time) {
    const TimePoint until = now.steady + time;
    while (catalog.due() <= until) {
      const TimePoint due = std::max(catalog.due(), now.steady);
      move(due - now.steady);
      const TimePoint before = catalog.due();
      catalog.tick(now);
      ASSERT_NE(catalog.due(), before) << "a tick that changes nothing would spin";
    }
    move(until - now.steady);
  }
  void move(TimePoint::duration time) {
    now.steady += time;
    now.wall += std::chrono::duration_cast<WallTime::duration>(time);
  }
  void online() {
    catalog.answering(true, now);
    catalog.watch(kWeb, told, now);
    catalog.answered(kWeb, now);
  }
  Learned learn(std::shared_ptr<Instance> facts, bool tombstone = false) { return catalog.learn(kWeb, facts, tombstone, now); }
  std::vector<std::string> addresses() const { return told.sets.empty() ? std::vector<std::string>{} : told.last().addresses; }
  using List = std::vector<std::string>;
};

TEST_F(CatalogTest, AServiceNobodyAnnouncesIsAbsentOnceTheLookUpIsDone) {
  catalog.answering(true, now);
  EXPECT_TRUE(catalog.watch(kWeb, told, now));
  pass(milliseconds(500));
  EXPECT_TRUE(told.sets.empty());  // not known yet
  catalog.answered(kWeb, now);
  ASSERT_EQ(told.sets.size(), 1u);
  EXPECT_EQ(told.last().known, Known::Absent);
}

TEST_F(CatalogTest, WhenNothingAnswersWatchersHearSoAfterABoundedWait) {
  catalog.watch(kWeb, told, now);
  pass(milliseconds(1999));
  EXPECT_TRUE(told.sets.empty());
  pass(milliseconds(1));
  ASSERT_EQ(told.sets.size(), 1u);
  EXPECT_EQ(told.last().known, Known::Stale);
  EXPECT_TRUE(told.last().addresses.empty());
}

TEST_F(CatalogTest, TheFirstInstanceIsPublishedAtOnceAndLaterWatchersGetTheSetInsideWatch) {
  catalog.answering(true, now);
  catalog.watch(kWeb, told, now);
  EXPECT_EQ(learn(record("10.0.0.1:80", "a")), Learned::New);
  ASSERT_EQ(told.sets.size(), 1u);
  EXPECT_EQ(told.last().known, Known::Yes);
  EXPECT_EQ(addresses(), List{"10.0.0.1:80"});
  Told late;
  EXPECT_FALSE(catalog.watch(kWeb, late, now));
  ASSERT_EQ(late.sets.size(), 1u);
  EXPECT_EQ(late.last().addresses, List{"10.0.0.1:80"});
}

TEST_F(CatalogTest, ManyChangesWithinTheHoldDownAreOnePublication) {
  online();
  pass(milliseconds(200));
  const size_t before = told.sets.size();
  for (int i = 0; i < 50; ++i) learn(record("10.0.0." + std::to_string(i) + ":80", "i" + std::to_string(i)));
  EXPECT_EQ(told.sets.size(), before + 1);  // the first at once
  pass(milliseconds(99));
  EXPECT_EQ(told.sets.size(), before + 1);
  pass(milliseconds(1));
  EXPECT_EQ(told.sets.size(), before + 2);
  EXPECT_EQ(addresses().size(), 50u);
  pass(minutes(1));
  EXPECT_EQ(told.sets.size(), before + 2);  // and then nothing
}

TEST_F(CatalogTest, AChangeThatIsUndoneWithinTheHoldDownIsNotPublished) {
  online();
  auto a = record("10.0.0.1:80", "a");
  learn(a);
  pass(milliseconds(200));
  learn(record("10.0.0.2:80", "b"));
  pass(milliseconds(10));
  const size_t before = told.sets.size();
  auto c = record("10.0.0.3:80", "c");
  learn(c);
  catalog.lapse(kWeb, *c, now);
  pass(minutes(1));
  EXPECT_EQ(told.sets.size(), before);
}

TEST_F(CatalogTest, TheNewestSequenceWinsInWhateverOrderTheyCome) {
  online();
  auto newest = record("10.0.0.3:80", "a", 3);
  EXPECT_EQ(learn(newest), Learned::New);
  EXPECT_EQ(learn(record("10.0.0.2:80", "a", 2)), Learned::Older);
  EXPECT_EQ(learn(record("10.0.0.3:80", "a", 3)), Learned::Same);
  pass(milliseconds(200));
  EXPECT_EQ(addresses(), List{"10.0.0.3:80"});
  EXPECT_EQ(told.last().all[0], newest);
  EXPECT_EQ(learn(record("10.0.0.4:80", "a", 4)), Learned::Newer);
  pass(milliseconds(200));
  EXPECT_EQ(addresses(), List{"10.0.0.4:80"});
}

TEST_F(CatalogTest, AnotherIdentityCannotReplaceAnInstanceByItsId) {
  online();
  auto honest = record("10.0.0.1:80", "a", 1);
  honest->identity = "spiffe://mesh/ns/default/sa/web";
  learn(honest);
  auto thief = record("10.0.0.66:80", "a", 999);
  thief->identity = "spiffe://mesh/ns/default/sa/other";
  learn(thief, true);
  pass(milliseconds(200));
  EXPECT_EQ(addresses(), List{"10.0.0.1:80"});
}

TEST_F(CatalogTest, ATombstoneEndsAnInstanceAndOlderVersionsCannotBringItBack) {
  online();
  learn(record("10.0.0.1:80", "a", 5));
  learn(record("10.0.0.2:80", "b", 5));
  pass(milliseconds(200));
  EXPECT_EQ(learn(record("10.0.0.1:80", "a", 6), true), Learned::Newer);
  pass(milliseconds(200));
  EXPECT_EQ(addresses(), List{"10.0.0.2:80"});
  EXPECT_EQ(learn(record("10.0.0.1:80", "a", 5)), Learned::Older);
  pass(minutes(9));
  EXPECT_EQ(learn(record("10.0.0.1:80", "a", 4)), Learned::Older);
  EXPECT_EQ(catalog.counts(now).tombstones, 1u);
  EXPECT_EQ(learn(record("10.0.0.1:80", "a", 7)), Learned::Newer);  // it has come back itself
  pass(milliseconds(200));
  EXPECT_EQ(addresses(), (List{"10.0.0.1:80", "10.0.0.2:80"}));
}

TEST_F(CatalogTest, TheLastTombstoneEmptiesTheSetAtOnce) {
  online();
  learn(record("10.0.0.1:80", "a", 5));
  pass(milliseconds(200));
  learn(record("10.0.0.1:80", "a", 6), true);
  EXPECT_EQ(told.last().known, Known::Absent);
  EXPECT_TRUE(addresses().empty());
}

TEST_F(CatalogTest, ATombstoneSeenBeforeItsRecordDoesNotMakeAServiceAbsentBeforeTheLookUpIsDone) {
  catalog.answering(true, now);
  catalog.watch(kWeb, told, now);
  learn(record("10.0.0.1:80", "a", 6), true);
  EXPECT_TRUE(told.sets.empty());
  learn(record("10.0.0.2:80", "b", 1));
  EXPECT_EQ(told.last().known, Known::Yes);
}

TEST_F(CatalogTest, AnInstanceWhoseLeaseLapsedLeavesWhileOthersAreFresh) {
  online();
  auto a = record("10.0.0.1:80", "a");
  learn(a);
  learn(record("10.0.0.2:80", "b"));
  pass(milliseconds(200));
  catalog.lapse(kWeb, *a, now);
  pass(milliseconds(200));
  EXPECT_EQ(addresses(), List{"10.0.0.2:80"});
  EXPECT_EQ(told.last().known, Known::Yes);
  EXPECT_EQ(learn(record("10.0.0.1:80", "a")), Learned::Same);  // it was only away
  pass(milliseconds(200));
  EXPECT_EQ(addresses(), (List{"10.0.0.1:80", "10.0.0.2:80"}));
}

TEST_F(CatalogTest, TheLapseOfAnOlderVersionIsNoLapse) {
  online();
  auto old = record("10.0.0.1:80", "a", 1);
  learn(old);
  learn(record("10.0.0.1:80", "a", 2));
  learn(record("10.0.0.2:80", "b", 1));
  catalog.lapse(kWeb, *old, now);
  pass(milliseconds(200));
  EXPECT_EQ(addresses().size(), 2u);
}

TEST_F(CatalogTest, WhenAllLeasesLapseTheSetStaysAsStaleUntilValidityAndGraceAreOver) {
  online();
  auto a = record("10.0.0.1:80", "a"), b = record("10.0.0.2:80", "b");
  learn(a);
  learn(b);
  pass(milliseconds(200));
  catalog.lapse(kWeb, *a, now);
  catalog.lapse(kWeb, *b, now);
  pass(milliseconds(200));
  EXPECT_EQ(told.last().known, Known::Stale);
  EXPECT_EQ(addresses().size(), 2u);
  pass(hours(1));  // valid for 10 minutes, then an hour of grace
  EXPECT_EQ(addresses().size(), 2u);
  pass(minutes(10));
  EXPECT_EQ(told.last().known, Known::Absent);
  EXPECT_TRUE(addresses().empty());
  EXPECT_EQ(catalog.held(kWeb, now).size(), 0u);
}

TEST_F(CatalogTest, ARecordThatIsNotRenewedEndsByOurOwnTimer) {
  online();
  learn(record("10.0.0.1:80", "a", 1, minutes(10)));
  learn(record("10.0.0.2:80", "b", 1, minutes(5)));
  pass(minutes(4));
  EXPECT_EQ(addresses().size(), 2u);
  pass(minutes(1));
  EXPECT_EQ(addresses(), List{"10.0.0.1:80"});
  EXPECT_EQ(told.last().known, Known::Yes);
}

TEST_F(CatalogTest, ARenewedRecordIsPublishedAsTheSameEndpointWithItsNewLease) {
  online();
  learn(record("10.0.0.1:80", "a", 1));
  pass(minutes(5));
  auto renewed = record("10.0.0.1:80", "a", 2);
  learn(renewed);
  pass(minutes(8));  // past the end of the first
  EXPECT_EQ(told.last().known, Known::Yes);
  ASSERT_EQ(told.last().all.size(), 1u);
  EXPECT_EQ(told.last().all[0], renewed);
}

TEST_F(CatalogTest, AWallClockThatJumpsEndsNoLease) {
  online();
  learn(record("10.0.0.1:80", "a"));
  pass(milliseconds(200));
  now.wall += hours(24);
  pass(minutes(9));
  EXPECT_EQ(told.last().known, Known::Yes);
  EXPECT_EQ(addresses().size(), 1u);
}

TEST_F(CatalogTest, SilenceNeverEmptiesASet) {
  online();
  for (int i = 1; i <= 5; ++i) learn(record("10.0.0." + std::to_string(i) + ":80", "i" + std::to_string(i), 1, minutes(i)));
  pass(milliseconds(200));
  catalog.answering(false, now);
  pass(minutes(30));  // all of them end meanwhile
  EXPECT_EQ(told.last().known, Known::Stale);
  EXPECT_EQ(addresses().size(), 5u);
  const auto summary = catalog.summary(now);
  ASSERT_EQ(summary.size(), 1u);
  EXPECT_GE(summary[0].age.value(), minutes(29));
  pass(hours(1));
  EXPECT_TRUE(addresses().empty());  // validity and grace are over for each
}

TEST_F(CatalogTest, AfterSilenceTheOldAreUsedBesideTheNewUntilTheLookUpIsDone) {
  online();
  for (const char* id : {"1", "2", "3"}) learn(record("10.0.0." + std::string(id) + ":80", id));
  pass(milliseconds(200));
  catalog.answering(false, now);
  for (const auto& held : catalog.held(kWeb, now)) catalog.lapse(kWeb, *held.facts, now);
  pass(minutes(1));
  catalog.answering(true, now);
  learn(record("10.0.0.1:80", "1"));  // the first to be heard again
  pass(milliseconds(200));
  EXPECT_EQ(addresses().size(), 3u);
  learn(record("10.0.0.2:80", "2"));
  catalog.answered(kWeb, now);
  pass(milliseconds(200));
  EXPECT_EQ(addresses(), (List{"10.0.0.1:80", "10.0.0.2:80"}));
  EXPECT_EQ(told.last().known, Known::Yes);
}

TEST_F(CatalogTest, AfterSilenceALookUpThatNeverEndsDoesNotKeepTheOldForEver) {
  online();
  for (const char* id : {"1", "2"}) learn(record("10.0.0." + std::string(id) + ":80", id));
  pass(milliseconds(200));
  catalog.answering(false, now);
  for (const auto& held : catalog.held(kWeb, now)) catalog.lapse(kWeb, *held.facts, now);
  pass(minutes(1));
  catalog.answering(true, now);
  learn(record("10.0.0.1:80", "1"));
  pass(milliseconds(10'200));
  EXPECT_EQ(addresses(), List{"10.0.0.1:80"});
}

TEST_F(CatalogTest, WhatIsRememberedIsServedWhenNothingAnswersAndOnlyThen) {
  catalog.watch(kWeb, told, now);
  EXPECT_EQ(catalog.remember(kWeb, record("10.0.0.1:80", "a", 1, minutes(-30)), now), Learned::New);
  EXPECT_EQ(catalog.remember(kWeb, record("10.0.0.2:80", "b", 1, minutes(5)), now), Learned::New);
  EXPECT_EQ(catalog.remember(kWeb, record("10.0.0.3:80", "c", 1, hours(-2)), now), Learned::Ended);
  pass(milliseconds(499));
  EXPECT_TRUE(told.sets.empty());
  pass(milliseconds(1));
  ASSERT_EQ(told.sets.size(), 1u);
  EXPECT_EQ(told.last().known, Known::Stale);
  EXPECT_EQ(addresses(), (List{"10.0.0.1:80", "10.0.0.2:80"}));
  catalog.answering(true, now);
  learn(record("10.0.0.2:80", "b", 1, minutes(5)));  // confirmed
  catalog.answered(kWeb, now);
  pass(milliseconds(200));
  EXPECT_EQ(told.last().known, Known::Yes);
  EXPECT_EQ(addresses(), List{"10.0.0.2:80"});
}

TEST_F(CatalogTest, ARememberedRecordNeverReplacesWhatWasLearned) {
  online();
  learn(record("10.0.0.1:80", "a", 1));
  EXPECT_EQ(catalog.remember(kWeb, record("10.0.0.9:80", "a", 2), now), Learned::Older);
  pass(milliseconds(200));
  EXPECT_EQ(addresses(), List{"10.0.0.1:80"});
}

TEST_F(CatalogTest, AReplicaThatWasRestartedOnItsAddressIsOneEndpoint) {
  online();
  learn(record("10.0.0.1:80", "before", 100));
  learn(record("10.0.0.1:80", "after", 200));
  pass(milliseconds(200));
  ASSERT_EQ(told.last().all.size(), 1u);
  EXPECT_EQ(told.last().all[0]->instance, "after");
}

// Else whoever may speak for a service could take a replica's place with a higher sequence.
TEST_F(CatalogTest, NobodyTakesTheAddressOfAnotherIdentity) {
  online();
  const auto replica = record("10.0.0.1:80", "a", 100), other = record("10.0.0.1:80", "b", UINT64_MAX);
  replica->identity = "spiffe://mesh.local/ns/shop/sa/cart";
  other->identity = "spiffe://mesh.local/ns/shop/sa/other";
  other->draining = true;
  learn(replica);
  learn(other);
  pass(milliseconds(200));
  ASSERT_EQ(told.last().all.size(), 2u);
  EXPECT_EQ(told.last().all[0]->identity, replica->identity);
  EXPECT_FALSE(told.last().all[0]->draining);
}

TEST_F(CatalogTest, ARecordThatHasEndedAlreadyIsNotTaken) {
  online();
  EXPECT_EQ(learn(record("10.0.0.1:80", "a", 1, milliseconds(-1))), Learned::Ended);
  pass(milliseconds(200));
  EXPECT_TRUE(addresses().empty());
}

TEST_F(CatalogTest, AFloodOfInstancesIsBounded) {
  Catalog::Options options;
  options.most = 100;
  catalog = Catalog(options);
  online();
  for (int i = 0; i < 100; ++i) learn(record("10.0.0.1:" + std::to_string(1000 + i), std::to_string(i)));
  EXPECT_EQ(learn(record("10.0.0.2:80", "one more")), Learned::Full);
  EXPECT_EQ(learn(record("10.0.0.2:80", "5", 2)), Learned::Newer);  // those who are in go on
  pass(milliseconds(200));
  EXPECT_EQ(addresses().size(), 100u);
}

TEST_F(CatalogTest, WatchersMayLeaveAndComeWhileBeingTold) {
  online();
  Told other, third;
  catalog.watch(kWeb, other, now);
  told.then = [&] {
    catalog.unwatch(kWeb, other);
    catalog.watch(kWeb, third, now);
    told.then = nullptr;
  };
  const size_t heard = other.sets.size();
  pass(milliseconds(200));
  learn(record("10.0.0.1:80", "a"));
  EXPECT_EQ(other.sets.size(), heard);
  EXPECT_FALSE(third.sets.empty());
  EXPECT_EQ(third.last().addresses, List{"10.0.0.1:80"});
  told.then = [&] {  // the last ones leave: the view itself goes
    catalog.unwatch(kWeb, told);
    catalog.unwatch(kWeb, third);
  };
  pass(milliseconds(200));
  learn(record("10.0.0.2:80", "b"));
  EXPECT_FALSE(catalog.watched(kWeb));
  EXPECT_EQ(catalog.due(), TimePoint::max());
}

TEST_F(CatalogTest, ServicesAreApart) {
  online();
  Told cart;
  catalog.watch("default/cart", cart, now);
  catalog.answered("default/cart", now);
  learn(record("10.0.0.1:80", "a"));
  pass(milliseconds(200));
  EXPECT_EQ(cart.last().known, Known::Absent);
  EXPECT_EQ(told.last().known, Known::Yes);
  const auto summary = catalog.summary(now);
  ASSERT_EQ(summary.size(), 2u);
  EXPECT_EQ(summary[0].service, "default/cart");
  EXPECT_EQ(summary[1].instances, 1u);
  EXPECT_EQ(summary[1].age, milliseconds(0));
}

TEST(FixedRegistry, WatchersAreToldInsideWatchAndAtEachChange) {
  FixedRegistry registry;
  Told told, none;
  registry.watch("nobody", none);
  ASSERT_EQ(none.sets.size(), 1u);
  EXPECT_EQ(none.last().known, Known::Absent);
  Instance a, b;
  a.address = "127.0.0.1:1";
  b.address = "127.0.0.1:2";
  registry.add("web", {a, b});
  registry.watch("web", told);
  ASSERT_EQ(told.sets.size(), 1u);
  EXPECT_EQ(told.last().known, Known::Yes);
  EXPECT_EQ(told.last().addresses, (std::vector<std::string>{"127.0.0.1:1", "127.0.0.1:2"}));
  registry.add("web", {b});
  EXPECT_EQ(told.last().addresses, std::vector<std::string>{"127.0.0.1:2"});
  registry.unwatch("web", told);
  registry.add("web", {a});
  EXPECT_EQ(told.sets.size(), 2u);
}

}  // namespace
}  // namespace outrider::discovery
