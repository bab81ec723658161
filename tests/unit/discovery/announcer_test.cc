// Our own records, over a table in which the test plays everybody else.

#include "discovery/dht/announcer.h"

#include <gtest/gtest.h>

#include "discovery/dht/bootstrap.h"
#include "tests/support/loop.h"
#include "tests/unit/discovery/fake_table.h"
#include "tests/unit/identity/pki.h"

namespace outrider::discovery {
namespace {

constexpr const char* kCart = "shop/cart";

struct AnnouncerTest : testing::Test, AnnouncerEvents {
  void SetUp() override {
    options.identity = std::make_shared<const identity::Identity>(*identity::Identity::of(
        identity::issue(authority, "spiffe://mesh.local/ns/shop/sa/cart", std::chrono::hours(1), net::Loop::wall()),
        authority.certificate()));
    options.change = milliseconds(30);
    verifier.set_identity(options.identity);
  }
  static Instance self(uint32_t weight = 100) {
    Instance facts;
    facts.address = "10.0.0.1:80";
    facts.weight = weight;
    return facts;
  }
  Record put(size_t n) const { return parse_record(table.puts.at(n).second).record; }
  template <class Condition>
  [[nodiscard]] bool until(Condition done) {
    return test::run_until(loop, done);
  }
  void on_version(const std::string&, bool acknowledged) override { ++(acknowledged ? acknowledgements : failures); }
  void on_gone(const std::string&, bool acknowledged) override { ++(acknowledged ? departures : lost_departures); }

  net::Loop loop;
  identity::Authority authority = identity::make_authority(net::Loop::wall());
  DhtOptions options;
  DhtStats stats;
  Verifier verifier{options, stats};
  FakeTable table{loop};
  Announcer announcer{loop, table, options, verifier, stats, *this};
  int acknowledgements = 0, failures = 0, departures = 0, lost_departures = 0;
};

TEST_F(AnnouncerTest, ARecordIsWrittenSignedAndAcknowledged) {
  announcer.announce(kCart, self());
  ASSERT_TRUE(until([&] { return acknowledgements == 1; }));
  ASSERT_EQ(table.puts.size(), 1u);
  EXPECT_EQ(table.puts[0].first, key_name("mesh.local", kCart, 0));
  EXPECT_TRUE(verifier.read(table.puts[0].second, kCart, net::Loop::wall()));
  EXPECT_FALSE(put(0).tombstone);
  EXPECT_EQ(put(0).address.text(), "10.0.0.1:80");
  ASSERT_EQ(announcer.facts().size(), 1u);
  EXPECT_TRUE(announcer.facts()[0].acknowledged);
}

TEST_F(AnnouncerTest, EachVersionIsANewValueAndTheOldIsNoLongerRefreshed) {
  options.change = milliseconds(500);
  announcer.announce(kCart, self());
  announcer.announce(kCart, self());  // the same: no version
  announcer.announce(kCart, self(50));
  Instance last = self(60);
  last.slots = 4;
  announcer.announce(kCart, last);  // changed again before it was written
  // The first one's acknowledgement counts only when it comes before the second is written.
  ASSERT_TRUE(until([&] { return table.puts.size() == 2 && announcer.facts()[0].acknowledged; }));
  EXPECT_NE(value_id(table.puts[0].second), value_id(table.puts[1].second));
  EXPECT_EQ(put(1).weight, 60u);
  EXPECT_EQ(put(1).slots, 4u);
  EXPECT_GT(put(1).sequence, put(0).sequence);
  EXPECT_EQ(put(1).instance, put(0).instance);
  EXPECT_EQ(table.mine[table.puts[0].first], (Values{table.puts[1].second}));
}

TEST_F(AnnouncerTest, LeavingIsATombstoneThatOutlivesTheRecord) {
  announcer.announce(kCart, self());
  announcer.withdraw(kCart);
  EXPECT_TRUE(announcer.leaving());
  ASSERT_TRUE(until([&] { return departures == 1; }));
  EXPECT_FALSE(announcer.leaving());
  ASSERT_EQ(table.puts.size(), 2u);
  EXPECT_TRUE(put(1).tombstone);
  EXPECT_EQ(put(1).instance, put(0).instance);
  EXPECT_GT(put(1).sequence, put(0).sequence);
  EXPECT_GE(to_ms(put(1).not_after), to_ms(put(0).not_after));
  EXPECT_EQ(table.mine[table.puts[0].first], (Values{table.puts[1].second})) << "it is refreshed, the record is not";
  EXPECT_TRUE(announcer.facts().empty());
  announcer.withdraw(kCart);
  EXPECT_EQ(table.puts.size(), 2u) << "once is enough";
}

TEST_F(AnnouncerTest, AWithdrawalNobodyAcknowledgesEndsByItself) {
  options.farewell = milliseconds(20);
  announcer.announce(kCart, self());
  ASSERT_TRUE(until([&] { return acknowledgements == 1; }));
  table.reachable = false;
  announcer.withdraw_all();
  ASSERT_TRUE(until([&] { return lost_departures == 1; }));
  EXPECT_FALSE(announcer.leaving());
}

TEST_F(AnnouncerTest, WhoeverComesBackIsANewVersionOverItsTombstone) {
  announcer.announce(kCart, self());
  announcer.withdraw(kCart);
  announcer.announce(kCart, self());
  ASSERT_TRUE(until([&] { return table.puts.size() == 3; }));
  EXPECT_FALSE(put(2).tombstone);
  EXPECT_GT(put(2).sequence, put(1).sequence);
  EXPECT_EQ(table.mine[table.puts[0].first], (Values{table.puts[2].second}));
}

TEST_F(AnnouncerTest, ARecordIsSignedAnewBeforeItEnds) {
  options.valid = milliseconds(2000);  // at half of it, which leaves a second for a machine that stands still
  announcer.announce(kCart, self());
  ASSERT_TRUE(until([&] { return table.puts.size() == 2; }));
  EXPECT_GT(put(1).sequence, put(0).sequence);
  EXPECT_LT(to_ms(put(1).issued), to_ms(put(0).not_after));
}

TEST_F(AnnouncerTest, WhatNobodyAcknowledgedIsPutAgainOnceSomebodyAnswers) {
  table.reachable = false;
  announcer.announce(kCart, self());
  ASSERT_TRUE(until([&] { return failures == 1; }));
  EXPECT_FALSE(announcer.facts()[0].acknowledged);
  table.reachable = true;
  announcer.on_connected();
  ASSERT_TRUE(until([&] { return announcer.facts()[0].acknowledged; }));
  EXPECT_EQ(put(1).bytes, put(0).bytes) << "the same version";
}

TEST_F(AnnouncerTest, ANewIdentitySignsAnew) {
  announcer.announce(kCart, self());
  ASSERT_TRUE(until([&] { return acknowledgements == 1; }));
  options.identity = std::make_shared<const identity::Identity>(*identity::Identity::of(
      identity::issue(authority, "spiffe://mesh.local/ns/shop/sa/other", std::chrono::hours(1), net::Loop::wall()),
      authority.certificate()));
  verifier.set_identity(options.identity);
  announcer.on_identity_changed();
  ASSERT_TRUE(until([&] { return acknowledgements == 2; }));
  EXPECT_NE(put(1).leaf, put(0).leaf);
}

struct LargeServices : AnnouncerTest {
  // So many of others lie under the first key, as those write them who know of `shards` keys.
  void others(int count, uint16_t shards) {
    for (int i = 0; i < count; ++i) {
      Announcement other;
      other.trust_domain = "mesh.local";
      other.service = kCart;
      other.shards = shards;
      do other.instance = new_instance_id();
      while (shard_of(other.instance, shards) != 0);
      other.sequence = 1;
      other.issued = other.not_before = from_ms(to_ms(net::Loop::wall()));
      other.not_after = other.issued + std::chrono::minutes(10);
      other.address = *net::Address::parse("10.0.1." + std::to_string(i + 1) + ":80");
      table.values[kFirst].push_back(*write_record(other, options.identity.get()));
    }
  }
  const std::string kFirst = key_name("mesh.local", kCart, 0);
};

TEST_F(LargeServices, GrowToMoreKeys) {
  others(70, 1);
  announcer.announce(kCart, self());
  ASSERT_TRUE(until([&] { return table.puts.size() >= 2 && put(table.puts.size() - 1).shards == 2; }));
  std::set<std::string> keys;
  announcer.add_keys(keys);
  EXPECT_TRUE(keys.contains(kFirst)) << "also where those look who have not heard of it";
  EXPECT_TRUE(keys.contains(key_name("mesh.local", kCart, shard_of(put(0).instance, 2))));
}

TEST_F(LargeServices, DoNotGrowWithEachNewcomerWhileTheFirstOnesStillLieUnderTheFirstKey) {
  others(72, 1);
  others(8, 2);
  announcer.announce(kCart, self());
  ASSERT_TRUE(until([&] { return announcer.facts()[0].shards == 2 && announcer.facts()[0].acknowledged; }));
  announcer.announce(kCart, self(7));
  ASSERT_TRUE(until([&] { return put(table.puts.size() - 1).weight == 7; }));
  EXPECT_EQ(put(table.puts.size() - 1).shards, 2);
  EXPECT_EQ(table.samples[kFirst], 1);
}

TEST_F(LargeServices, MayBeSpokenForByOneNodeWhichCountsThemOnce) {
  for (const char* id : {"00000000000000000000000000000001", "00000000000000000000000000000002"}) {
    Instance facts = self();
    facts.instance = id;
    announcer.announce(kCart, facts);
  }
  ASSERT_TRUE(until([&] { return acknowledgements == 2; }));
  EXPECT_NE(put(0).instance, put(1).instance);
  EXPECT_EQ(announcer.facts().size(), 2u);
  EXPECT_EQ(table.samples[kFirst], 1);
  announcer.withdraw(kCart);
  ASSERT_TRUE(until([&] { return departures == 1; }));
  EXPECT_TRUE(announcer.facts().empty());
}

struct BootstrapTest : testing::Test, BootstrapEvents {
  BootstrapTest() {
    options.seeds_first = milliseconds(5);
    options.seeds = milliseconds(20);
  }
  template <class Condition>
  [[nodiscard]] bool until(Condition done) {
    return test::run_until(loop, done);
  }
  void on_found_again() override { ++found_again; }
  net::Loop loop;
  DhtOptions options;
  FakeTable table{loop};
  int found_again = 0;
};

TEST_F(BootstrapTest, ASeedThatFallsSilentIsAskedMoreOftenUntilItAnswers) {
  options.seeds = std::chrono::hours(1);
  options.bootstrap = {"10.0.0.1:4222"};
  Bootstrap bootstrap(loop, table, options, *this);
  bootstrap.start({});
  ASSERT_TRUE(until([&] { return bootstrap.facts()[0].state == "answers"; }));
  table.dead["10.0.0.1:4222"] = 1;
  ASSERT_TRUE(until([&] { return bootstrap.facts()[0].state != "answers"; }));
  bootstrap.on_connected(true);  // others answer
  const int before = table.pings["10.0.0.1:4222"];
  ASSERT_TRUE(until([&] { return table.pings["10.0.0.1:4222"] >= before + 3; }));
  EXPECT_EQ(found_again, 0);
  table.dead.clear();
  ASSERT_TRUE(until([&] { return found_again == 1; }));
  EXPECT_EQ(bootstrap.facts()[0].state, "answers");
}

TEST_F(BootstrapTest, PeersThatFellSilentAreAskedAllAtOnceWhenOneOfThemAnswers) {
  std::vector<net::Address> others;
  for (int i = 0; i < 20; ++i) others.push_back(*net::Address::parse("10.9.8.1:" + std::to_string(4000 + i)));
  table.peers.insert(table.peers.end(), others.begin(), others.end());
  Bootstrap bootstrap(loop, table, options, *this);
  bootstrap.start({});
  bootstrap.on_connected(true);
  ASSERT_TRUE(until([&] { return table.pings["10.9.9.1:4222"] > 0; }));
  table.peers.resize(2);
  for (const auto& one : others) table.dead[one.text()] = 1, table.pings[one.text()] = 0;
  const auto asked = [&] {
    return std::count_if(others.begin(), others.end(), [&](const auto& one) { return table.pings[one.text()] > 0; });
  };
  ASSERT_TRUE(until([&] { return asked() >= 2; }));
  EXPECT_EQ(found_again, 0);
  table.dead.clear();
  ASSERT_TRUE(until([&] { return found_again == 1; }));
  EXPECT_EQ(asked(), 20);
}

TEST_F(BootstrapTest, SeedsArePingedForLifeWhateverTheState) {
  options.bootstrap = {"10.0.0.1:4222", "10.0.0.2:4222"};
  table.dead["10.0.0.2:4222"] = 1;
  Bootstrap bootstrap(loop, table, options, *this);
  bootstrap.start({});
  ASSERT_TRUE(until([&] { return table.pings["10.0.0.1:4222"] >= 3 && table.pings["10.0.0.2:4222"] >= 3; }));
  bootstrap.on_connected(true);
  const int before = table.pings["10.0.0.1:4222"];
  ASSERT_TRUE(until([&] { return table.pings["10.0.0.1:4222"] >= before + 3; }));
  ASSERT_TRUE(until([&] { return table.pings["10.9.9.1:4222"] > 0; })) << "and a peer or two, so that silence means something";
  ASSERT_EQ(bootstrap.facts().size(), 2u);
  EXPECT_EQ(bootstrap.facts()[0].state, "answers");
  EXPECT_NE(bootstrap.facts()[1].state, "answers");
}

TEST_F(BootstrapTest, NamesAreLookedUpAndTroubleIsSaid) {
  options.bootstrap = {"localhost:4222", "nobody.invalid:4222", "portless"};
  Bootstrap bootstrap(loop, table, options, *this);
  bootstrap.start({});
  ASSERT_TRUE(until([&] { return table.pings["127.0.0.1:4222"] + table.pings["[::1]:4222"] > 0; }));
  ASSERT_TRUE(until([&] { return bootstrap.facts()[1].state != "waiting"; }));
  EXPECT_NE(bootstrap.facts()[1].state, "answers");
  EXPECT_EQ(bootstrap.facts()[2].state, "no port");
}

TEST_F(BootstrapTest, RememberedNodesArePingedWhileNothingAnswers) {
  Bootstrap bootstrap(loop, table, options, *this);
  EXPECT_FALSE(bootstrap.any());
  bootstrap.start({*net::Address::parse("10.0.0.7:4222")});
  EXPECT_TRUE(bootstrap.any());
  ASSERT_TRUE(until([&] { return table.pings["10.0.0.7:4222"] >= 2; }));
}

}  // namespace
}  // namespace outrider::discovery
