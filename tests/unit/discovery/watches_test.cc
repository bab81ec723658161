// Services being followed, over a table in which the test plays everybody else.

#include "discovery/dht/watches.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/loop.h"
#include "tests/unit/discovery/fake_table.h"
#include "tests/unit/identity/pki.h"

namespace outrider::discovery {
namespace {

constexpr const char* kCart = "shop/cart";

struct WatchesTest : testing::Test, WatchesEvents {
  void SetUp() override {
    options.identity = identity_from(authority, "spiffe://mesh.local/ns/shop/sa/cart");
    options.reconcile = milliseconds(20);
    verifier.set_identity(options.identity);
  }
  static std::shared_ptr<const identity::Identity> identity_from(const identity::Authority& authority, std::string_view id) {
    return std::make_shared<const identity::Identity>(*identity::Identity::of(
        identity::issue(authority, id, std::chrono::hours(1), net::Loop::wall()), authority.certificate()));
  }
  Announcement announcement(uint8_t instance, uint64_t sequence = 1) {
    Announcement what;
    what.trust_domain = "mesh.local";
    what.service = kCart;
    what.instance[0] = instance;
    what.sequence = sequence;
    what.issued = what.not_before = from_ms(to_ms(net::Loop::wall()));
    what.not_after = what.issued + std::chrono::minutes(10);
    what.address = *net::Address::parse("10.0.0." + std::to_string(instance) + ":80");
    return what;
  }
  std::string record(const Announcement& what) { return *write_record(what, options.identity.get()); }
  std::string record(uint8_t instance, uint64_t sequence = 1) { return record(announcement(instance, sequence)); }
  static std::string key(uint16_t shard = 0) { return key_name("mesh.local", kCart, shard); }
  uint64_t rejected(RecordVerdict why) { return stats.rejected[size_t(why)]; }
  template <class Condition>
  [[nodiscard]] bool until(Condition done) {
    return test::run_until(loop, done);
  }
  void follow() {
    watches.on_connected(true);
    watches.watch(kCart);
    ASSERT_TRUE(until([&] { return answers > 0; }));
  }

  void on_learned(const std::string&, const std::shared_ptr<const Instance>& facts, bool tombstone, bool) override {
    (tombstone ? gone : learned).insert(facts->address);
  }
  void on_remembered(const std::string&, const std::shared_ptr<const Instance>& facts) override {
    remembered.insert(facts->address);
  }
  void on_lapsed(const std::string&, const std::shared_ptr<const Instance>& facts) override { lapsed.insert(facts->address); }
  void on_answered(const std::string&, milliseconds, bool) override { ++answers; }

  net::Loop loop;
  identity::Authority authority = identity::make_authority(net::Loop::wall());
  DhtOptions options;
  DhtStats stats;
  Verifier verifier{options, stats};
  FakeTable table{loop};
  Watches watches{loop, table, options, verifier, *this};
  std::multiset<std::string> learned, gone, remembered, lapsed;
  int answers = 0;
  using Set = std::multiset<std::string>;
};

TEST_F(WatchesTest, WhatLiesThereAndWhatComesLaterIsLearnedOnce) {
  table.values[key()] = {record(1)};
  follow();
  const std::string second = record(2);
  table.come(key(), {second, second, table.values[key()][0]});
  ASSERT_TRUE(until([&] { return learned.size() == 2; }));
  const int before = answers;
  ASSERT_TRUE(until([&] { return answers > before + 1; }));
  EXPECT_EQ(learned, (Set{"10.0.0.1:80", "10.0.0.2:80"}));
}

TEST_F(WatchesTest, WhatIsNotBelievedIsDroppedAndCountedOnceByItsReason) {
  follow();
  const auto foreign = identity_from(identity::make_authority(net::Loop::wall()), "spiffe://mesh.local/ns/shop/sa/cart");
  const auto other = identity_from(authority, "spiffe://mesh.local/ns/bank/sa/cart");
  auto old = announcement(3);
  old.issued = old.not_before = old.issued - std::chrono::hours(2);
  old.not_after = old.issued + std::chrono::minutes(10);
  auto early = announcement(4);
  early.issued = early.not_before = early.issued + std::chrono::hours(2);
  early.not_after = early.issued + std::chrono::minutes(10);
  auto elsewhere = announcement(5);
  elsewhere.service = "shop/basket";
  std::string forged = record(6);
  forged[forged.size() / 3] = char(forged[forged.size() / 3] ^ 1);
  std::string bent = record(7);
  bent.back() = char(bent.back() ^ 1);
  const Values bad{*write_record(announcement(1), foreign.get()),
                   *write_record(announcement(2), other.get()),
                   record(old),
                   record(early),
                   record(elsewhere),
                   bent,
                   *write_record(announcement(8), nullptr),
                   std::string(kMaxRecord + 1, 'x'),
                   "nonsense"};
  table.come(key(), bad);
  table.come(key(), {record(9)});
  ASSERT_TRUE(until([&] { return learned.size() == 1; }));
  const int before = answers;
  ASSERT_TRUE(until([&] { return answers > before + 2; })) << "read again and again";
  EXPECT_EQ(learned, (Set{"10.0.0.9:80"}));
  EXPECT_EQ(rejected(RecordVerdict::UnknownCa), 1u);
  EXPECT_EQ(rejected(RecordVerdict::NotOwner), 1u);
  EXPECT_EQ(rejected(RecordVerdict::Expired), 1u);
  EXPECT_EQ(rejected(RecordVerdict::Skew), 1u);
  EXPECT_EQ(rejected(RecordVerdict::Replayed), 1u);
  EXPECT_EQ(rejected(RecordVerdict::BadSignature), 1u);
  EXPECT_EQ(rejected(RecordVerdict::NoCertificate), 1u);
  EXPECT_EQ(rejected(RecordVerdict::Oversized), 1u);
  EXPECT_EQ(rejected(RecordVerdict::Malformed), 1u);
}

TEST_F(WatchesTest, AReadingThatMetLiesAloneProvesNoAbsence) {
  table.values[key()] = {"nonsense"};
  follow();
  EXPECT_GE(table.gets[key()], 2) << "read again before anybody is told";
  EXPECT_EQ(learned, Set{});
}

TEST_F(WatchesTest, OneSignerCannotFillAServiceAndOthersAreSeenBesideIt) {
  Values flood;
  for (size_t i = 0; i < Quota::kMost + 50; ++i) {
    auto one = announcement(1);
    one.instance[1] = uint8_t(i >> 8);
    one.instance[2] = uint8_t(i);
    flood.push_back(record(one));
  }
  follow();
  table.come(key(), flood);
  const auto web = identity_from(authority, "spiffe://mesh.local/ns/shop/sa/web");
  table.come(key(), {*write_record(announcement(2), web.get())});
  ASSERT_TRUE(until([&] { return learned.contains("10.0.0.2:80"); }));
  EXPECT_EQ(learned.size(), Quota::kMost + 1);
  EXPECT_EQ(rejected(RecordVerdict::Quota), 50u);
  const int before = answers;
  ASSERT_TRUE(until([&] { return answers > before + 1; })) << "read again";
  EXPECT_EQ(rejected(RecordVerdict::Quota), 50u) << "counted once";
}

// A clock may be set, a bundle renewed: who is unknown today may be believed in a minute, with the same record.
TEST_F(WatchesTest, WhatIsRefusedForAReasonThatMayPassIsReadAgain) {
  options.doubt = milliseconds(1);
  const auto later = identity_from(identity::make_authority(net::Loop::wall()), "spiffe://mesh.local/ns/shop/sa/cart");
  table.values[key()] = {*write_record(announcement(1), later.get())};
  follow();
  EXPECT_GE(rejected(RecordVerdict::UnknownCa), 1u);
  EXPECT_TRUE(learned.empty());
  verifier.set_identity(later);
  ASSERT_TRUE(until([&] { return learned == Set{"10.0.0.1:80"}; }));
}

// An authority is exchanged for another: records of both are believed while both are trusted, and no longer.
TEST_F(WatchesTest, WhatIsBelievedIsJudgedAnewWhenTrustChanges) {
  const auto next = identity::make_authority(net::Loop::wall());
  const auto later = identity_from(next, "spiffe://mesh.local/ns/shop/sa/cart");
  const auto trusting = [&](std::vector<identity::Certificate> roots) {
    auto identity = *options.identity;
    identity.trust = *identity::Trust::of(std::move(roots), "roots");
    verifier.set_identity(std::make_shared<const identity::Identity>(std::move(identity)));
    watches.on_trust_changed();
  };
  table.values[key()] = {record(1), *write_record(announcement(2), later.get())};
  follow();
  EXPECT_EQ(learned, Set{"10.0.0.1:80"});
  EXPECT_EQ(rejected(RecordVerdict::UnknownCa), 1u);
  trusting({authority.certificate(), next.certificate()});
  ASSERT_TRUE(until([&] { return learned == Set({"10.0.0.1:80", "10.0.0.2:80"}); })) << "without waiting for doubt to pass";
  EXPECT_TRUE(lapsed.empty());
  EXPECT_EQ(watches.records().size(), 2u);
  trusting({next.certificate()});
  EXPECT_EQ(lapsed, Set{"10.0.0.1:80"});
  EXPECT_EQ(watches.records().size(), 1u);
  EXPECT_EQ(rejected(RecordVerdict::UnknownCa), 2u);
}

TEST_F(WatchesTest, AValueThatGoesIsLapsedOnceSomePeerAnswers) {
  table.values[key()] = {record(1), record(2)};
  follow();
  table.go(key(), std::string(table.values[key()][0]));
  ASSERT_TRUE(until([&] { return lapsed.size() == 1; }));
  EXPECT_EQ(lapsed, (Set{"10.0.0.1:80"}));
  EXPECT_FALSE(table.pings.empty());
}

TEST_F(WatchesTest, WhileWeAreCutOffNothingLapsesThoughEverythingSeemsToGo) {
  table.values[key()] = {record(1), record(2)};
  follow();
  table.reachable = false;
  const Values all = table.values[key()];
  for (const auto& value : all) table.tell(key(), {value}, true);
  ASSERT_TRUE(until([&] { return table.pings.size() == 2; }));
  test::run_turns(loop, 20);
  EXPECT_TRUE(lapsed.empty());
  // Back again, and one of the two has gone indeed, which is told once more or found by reading.
  table.reachable = true;
  std::erase(table.values[key()], all[0]);
  watches.on_connected(true);
  ASSERT_TRUE(until([&] { return lapsed.size() == 1; }));
  EXPECT_EQ(lapsed, (Set{"10.0.0.1:80"}));
}

TEST_F(WatchesTest, AValueThatTheTableForgotToExpireIsMissedByReading) {
  table.values[key()] = {record(1), record(2)};
  follow();
  table.values[key()].erase(table.values[key()].begin());  // and nobody says so
  ASSERT_TRUE(until([&] { return lapsed.size() == 1; }));
  EXPECT_EQ(lapsed, (Set{"10.0.0.1:80"}));
}

TEST_F(WatchesTest, AValueThatComesBackIsLearnedAgain) {
  table.values[key()] = {record(1)};
  follow();
  const std::string value = table.values[key()][0];
  table.go(key(), value);
  ASSERT_TRUE(until([&] { return lapsed.size() == 1; }));
  table.come(key(), {value});
  ASSERT_TRUE(until([&] { return learned.size() == 2; }));
}

TEST_F(WatchesTest, RecordsSayHowManyKeysThereAreAndAllAreFollowed) {
  auto grown = announcement(1);
  grown.shards = 4;
  table.values[key()] = {record(grown)};
  auto there = announcement(2);
  there.shard = 3;
  there.shards = 4;
  table.values[key(3)] = {record(there)};
  follow();
  ASSERT_TRUE(until([&] { return learned.size() == 2; }));
  EXPECT_EQ(table.listeners.size(), 4u);
  watches.unwatch(kCart);
  EXPECT_TRUE(table.listeners.empty());
  std::set<std::string> keys;
  watches.add_keys(keys);
  EXPECT_TRUE(keys.empty());
}

TEST_F(WatchesTest, AServiceOfManyKeysIsAnsweredForWhenAllOfThemHaveBeenRead) {
  auto first = announcement(1), last = announcement(2);
  first.shards = last.shards = 64;
  last.shard = 63;
  table.values[key()] = {record(first)};
  table.values[key(63)] = {record(last)};
  follow();
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(learned, (Set{"10.0.0.1:80", "10.0.0.2:80"}));
  EXPECT_EQ(table.listeners.size(), 64u);
  for (uint16_t shard = 0; shard < 64; ++shard) EXPECT_GE(table.gets[key(shard)], 1) << shard;
}

TEST_F(WatchesTest, WhatWasKnownIsKeptAsReceivedAndVerifiedAgainWhenItIsLoaded) {
  table.values[key()] = {record(1), record(1, 2), record(2)};
  auto tombstone = announcement(3);
  tombstone.tombstone = true;
  table.values[key()].push_back(record(tombstone));
  follow();
  ASSERT_TRUE(until([&] { return learned.size() + gone.size() == 4; }));
  Values kept = watches.records();
  EXPECT_EQ(kept.size(), 2u) << "the newest of each instance, and nobody who has left";

  kept.push_back(*write_record(announcement(4), nullptr));  // whoever can write the file cannot make us believe it
  Watches again(loop, table, options, verifier, *this);
  again.load(kept);
  EXPECT_EQ(again.records().size(), 3u);
  again.watch(kCart);
  EXPECT_EQ(remembered, (Set{"10.0.0.1:80", "10.0.0.2:80"}));
  EXPECT_EQ(rejected(RecordVerdict::NoCertificate), 1u);
  again.unwatch(kCart);
  EXPECT_EQ(again.records().size(), 2u) << "for the next one who asks";
}

TEST_F(WatchesTest, WhoIsLongGoneIsForgotten) {
  options.stale_serve = milliseconds(0);
  options.valid = options.doubt = milliseconds(1);
  const auto soon_over = [&](uint8_t instance, bool tombstone) {
    auto what = announcement(instance);
    what.issued = what.not_before = what.issued - std::chrono::seconds(599);
    what.not_after = what.issued + std::chrono::minutes(10);
    what.tombstone = tombstone;
    return record(what);
  };
  follow();
  table.come(key(), {soon_over(1, false), soon_over(2, true), *write_record(announcement(3), nullptr)});
  ASSERT_TRUE(until([&] { return rejected(RecordVerdict::NoCertificate) > 0; }));
  EXPECT_GT(watches.entries(), 0u);
  table.values[key()].clear();
  EXPECT_TRUE(until([&] { return watches.entries() == 0; }));
}

TEST_F(WatchesTest, AReadingThatFailsIsRepeatedUntilSomebodyAnswers) {
  table.reachable = false;
  watches.on_connected(true);
  watches.watch(kCart);
  ASSERT_TRUE(until([&] { return table.gets[key()] >= 2; }));
  EXPECT_EQ(answers, 0);
  table.reachable = true;
  ASSERT_TRUE(until([&] { return answers > 0; }));
}

}  // namespace
}  // namespace outrider::discovery
