// Services by name, over a table in which the test plays everybody else; and how much one signer may have kept.

#include "discovery/dht/listings.h"

#include <gtest/gtest.h>

#include "tests/support/loop.h"
#include "tests/unit/discovery/fake_table.h"
#include "tests/unit/identity/pki.h"

namespace outrider::discovery {
namespace {

constexpr const char* kCart = "shop/cart";

struct ListingsTest : testing::Test, ListingsEvents {
  void SetUp() override {
    options.identity = identity_for("spiffe://mesh.local/ns/shop/sa/cart");
    verifier.set_identity(options.identity);
  }
  std::shared_ptr<const identity::Identity> identity_for(std::string_view id) {
    return std::make_shared<const identity::Identity>(*identity::Identity::of(
        identity::issue(authority, id, std::chrono::hours(1), net::Loop::wall()), authority.certificate()));
  }
  static InstanceId instance(uint8_t first) { return {first}; }
  Announcement announcement(const std::string& service, uint8_t first, uint64_t sequence = 1) {
    Announcement what;
    what.trust_domain = "mesh.local";
    what.service = service;
    what.instance = instance(first);
    what.sequence = sequence;
    what.issued = what.not_before = from_ms(to_ms(net::Loop::wall()));
    what.not_after = what.issued + std::chrono::minutes(10);
    what.address = *net::Address::parse("10.0.0.1:80");
    what.protocol = "http1";
    return what;
  }
  std::string record(const Announcement& what) { return *write_record(what, options.identity.get()); }
  std::string record(const std::string& service, uint8_t first, uint64_t sequence = 1) {
    return record(announcement(service, first, sequence));
  }
  static std::string key(std::string_view service = kCart) { return listing_key("mesh.local", service); }
  std::vector<std::string> names() {
    std::vector<std::string> all;
    for (const auto& one : listings.listed()) all.push_back(one.service);
    return all;
  }
  uint64_t rejected(RecordVerdict why) { return stats.rejected[size_t(why)]; }
  template <class Condition>
  [[nodiscard]] bool until(Condition done) {
    return test::run_until(loop, done);
  }
  void on_listed() override { ++readings; }

  net::Loop loop;
  identity::Authority authority = identity::make_authority(net::Loop::wall());
  DhtOptions options;
  DhtStats stats;
  Verifier verifier{options, stats};
  FakeTable table{loop};
  Listings listings{loop, table, options, verifier, stats, *this};
  int readings = 0;
};

TEST_F(ListingsTest, AreReadWhenSomebodyAsksAndNoLongerWhenNobodyDoes) {
  table.values[key()] = {record(kCart, 1), record(kCart, 2)};
  table.values[key("shop/web")].push_back(record("shop/web", 1));
  test::run_turns(loop);
  EXPECT_TRUE(table.listeners.empty()) << "nobody has asked";
  listings.want();
  ASSERT_TRUE(until([&] { return listings.complete(); }));
  EXPECT_EQ(readings, 1);
  EXPECT_EQ(names(), (std::vector<std::string>{"shop/cart", "shop/web"}));
  EXPECT_EQ(table.listeners.size(), kListingKeys);
  table.come(key("shop/new"), {record("shop/new", 1)});
  ASSERT_TRUE(until([&] { return names().size() == 3; }));
  listings.forget();
  EXPECT_TRUE(table.listeners.empty());
  EXPECT_TRUE(names().empty());
  EXPECT_FALSE(listings.wanted() || listings.complete());
}

TEST_F(ListingsTest, GoWhenTheTableSaysSo) {
  const std::string one = record(kCart, 1);
  table.values[key()] = {one};
  listings.want();
  ASSERT_TRUE(until([&] { return listings.complete(); }));
  EXPECT_EQ(names().size(), 1u);
  table.go(key(), one);
  ASSERT_TRUE(until([&] { return names().empty(); }));
}

TEST_F(ListingsTest, OfThoseWhoMayNotSpeakForTheServiceAreRefusedByTheSameRules) {
  const auto bank = identity_for("spiffe://mesh.local/ns/bank/sa/cart");
  std::string forged = record(kCart, 1);
  forged.back() = char(forged.back() ^ 1);
  auto gone = announcement(kCart, 2);
  gone.tombstone = true;
  auto over = announcement(kCart, 3);
  over.issued = over.not_before = over.issued - std::chrono::minutes(20);
  over.not_after = over.issued + std::chrono::minutes(10);
  table.values[key()] = {*write_record(announcement(kCart, 4), bank.get()),
                         *write_record(announcement(kCart, 5), nullptr),
                         forged,
                         record(gone),
                         record(over),
                         "nonsense"};
  std::string elsewhere = "shop/a";  // a service whose name lies under another key
  while (key(elsewhere) == key()) elsewhere += 'a';
  table.values[key()].push_back(record(elsewhere, 1));
  listings.want();
  ASSERT_TRUE(until([&] { return listings.complete(); }));
  EXPECT_EQ(names(), std::vector<std::string>{});
  EXPECT_EQ(rejected(RecordVerdict::NotOwner), 1u);
  EXPECT_EQ(rejected(RecordVerdict::NoCertificate), 1u);
  EXPECT_EQ(rejected(RecordVerdict::BadSignature), 1u);
  EXPECT_EQ(rejected(RecordVerdict::Malformed), 1u);
  EXPECT_EQ(rejected(RecordVerdict::Replayed), 1u);
  EXPECT_EQ(rejected(RecordVerdict::Expired), 0u) << "a listing outlives what it says, which is no news";
}

TEST_F(ListingsTest, OfOneSignerAreOnlySoManyAndTheRestIsCounted) {
  for (int i = 0; i < int(Listings::kMostOfSigner) + 10; ++i) {
    const std::string service = "shop/s" + std::to_string(i);
    table.values[key(service)].push_back(record(service, 1));
  }
  const auto web = identity_for("spiffe://mesh.local/ns/shop/sa/web");
  table.values[key("shop/web")].push_back(*write_record(announcement("shop/web", 1), web.get()));
  listings.want();
  ASSERT_TRUE(until([&] { return listings.complete(); }));
  EXPECT_EQ(names().size(), Listings::kMostOfSigner + 1);
  EXPECT_EQ(names().back(), "shop/web") << "another signer's";
  EXPECT_EQ(stats.unlisted, 10u);
  EXPECT_EQ(rejected(RecordVerdict::Quota), 10u);
}

TEST_F(ListingsTest, OursStandsThereWhileFewerWithLowerIdsDo) {
  listings.on_written(kCart, instance(9), record(kCart, 9, 1), false);
  EXPECT_TRUE(table.listings.empty()) << "nobody answers yet";
  listings.on_connected(true);
  ASSERT_TRUE(until([&] { return table.listings.size() == 1; }));
  EXPECT_EQ(table.listings[0].first, key());
  // A new version takes the place of the old.
  const std::string second = record(kCart, 9, 2);
  listings.on_written(kCart, instance(9), second, false);
  EXPECT_EQ(table.mine[key()], std::vector<std::string>{second});
  std::set<std::string> keys;
  listings.add_keys(keys);
  EXPECT_EQ(keys, std::set<std::string>{key()});
  listings.put_again();
  EXPECT_EQ(table.mine[key()], std::vector<std::string>{second});
  listings.on_written(kCart, instance(9), second, true);
  EXPECT_TRUE(table.mine[key()].empty()) << "it has gone";
}

TEST_F(ListingsTest, OursIsLeftToThoseWithLowerIds) {
  // Two versions of one instance are one; those with higher ids, and other services, do not count.
  table.values[key()] = {record(kCart, 1), record(kCart, 2, 1), record(kCart, 2, 2), record(kCart, 10), record("shop/other", 1)};
  listings.on_connected(true);
  listings.on_written(kCart, instance(9), record(kCart, 9), false);
  ASSERT_TRUE(until([&] { return table.listings.size() == 1; }));
  table.values[key("shop/web")] = {record("shop/web", 1), record("shop/web", 2), record("shop/web", 3)};
  listings.on_written("shop/web", instance(9), record("shop/web", 9), false);
  ASSERT_TRUE(until([&] { return table.samples[key("shop/web")] > 0; }));
  test::run_turns(loop);
  EXPECT_EQ(table.listings.size(), 1u);
}

// --- quota --------------------------------------------------------------------------------------------------------

TEST(Quotas, AreOfEachSignerAndEndWithTheValues) {
  Quota quota(3);
  WallTime now = net::Loop::wall();
  for (uint64_t id = 1; id <= 3; ++id) EXPECT_TRUE(quota.take("one", id, now + seconds(id), now));
  EXPECT_FALSE(quota.take("one", 4, now + seconds(9), now));
  EXPECT_TRUE(quota.take("one", 2, now + seconds(9), now)) << "it is there already";
  EXPECT_TRUE(quota.take("two", 4, now + seconds(9), now));
  now += seconds(1);
  EXPECT_TRUE(quota.take("one", 4, now + seconds(9), now)) << "the first is over";
  EXPECT_FALSE(quota.take("one", 5, now + seconds(9), now));
  EXPECT_EQ(quota.size(), 4u);
  for (uint64_t id = 1; id < 100; ++id) EXPECT_TRUE(quota.take("", id, now, now)) << "nobody's";
  now += std::chrono::minutes(2);
  EXPECT_TRUE(quota.take("three", 1, now + seconds(9), now));
  EXPECT_EQ(quota.size(), 1u) << "what is over is forgotten, whoever signed it";
}

TEST(Quotas, AllSignersTogetherTakeABoundedRoom) {
  Quota quota;
  const WallTime now = net::Loop::wall();
  size_t taken = 0;
  for (uint64_t signer = 0; signer < 100; ++signer)
    for (uint64_t id = 0; id < 1000; ++id) taken += quota.take(std::to_string(signer), id, now + seconds(9), now);
  EXPECT_EQ(taken, Quota::kMostValues);
  EXPECT_EQ(quota.size(), Quota::kMostValues);
}

}  // namespace
}  // namespace outrider::discovery
