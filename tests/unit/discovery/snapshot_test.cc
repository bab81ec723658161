// What a node remembers, and whom it has heard of.

#include <gtest/gtest.h>

#include "discovery/dht/neighbours.h"
#include "discovery/dht/snapshot.h"
#include "tests/unit/identity/pki.h"

namespace outrider::discovery {
namespace {

using std::chrono::minutes;

TEST(Snapshots, AreReadAsTheyWereWritten) {
  const Values records{"one", std::string(), std::string(4096, '\0'), "last\n"};
  const auto read = read_snapshot(write_snapshot(records));
  ASSERT_TRUE(read) << read.why();
  EXPECT_EQ(*read, records);
  EXPECT_TRUE(read_snapshot(write_snapshot({})));
}

TEST(Snapshots, CutOrBentAnywhereAreRefusedWhole) {
  const std::string good = write_snapshot({"first", "second"});
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(read_snapshot(good.substr(0, size))) << size;
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bent = good;
    bent[at] = char(bent[at] ^ 1);
    EXPECT_FALSE(read_snapshot(bent)) << at;
  }
  EXPECT_FALSE(read_snapshot(good + "x"));
}

TEST(Snapshots, WithLengthsThatLieAreRefusedThoughTheirDigestFits) {
  for (const std::string& lie : {std::string("\0\0\0\x7fxx", 6), std::string("\xff\xff\xff\xff", 4), std::string("\0\0", 2)}) {
    std::string bytes = "outrider-records-1\n" + lie;
    bytes += identity::sha256(bytes);
    const auto read = read_snapshot(bytes);
    EXPECT_FALSE(read);
    EXPECT_NE(read.why().find("ends within a record"), std::string::npos) << read.why();
  }
}

TEST(Snapshots, StayWithinWhatIsReadBack) {
  const Values many(5000, std::string(4096, 'x'));
  const auto read = read_snapshot(write_snapshot(many));
  ASSERT_TRUE(read);
  EXPECT_GT(read->size(), 4000u);
  EXPECT_LT(read->size(), many.size());
}

TEST(Snapshots, OfNodesSkipWhatMakesNoSense) {
  const auto nodes = read_nodes("127.0.0.1:4222\n\nnonsense\n[::1]:4223\n10.0.0.1:0\nunix:/tmp/x\n 10.0.0.2:1 \n");
  ASSERT_EQ(nodes.size(), 3u);
  EXPECT_EQ(nodes[0].text(), "127.0.0.1:4222");
  EXPECT_EQ(nodes[1].text(), "[::1]:4223");
  EXPECT_EQ(nodes[2].text(), "10.0.0.2:1");
  EXPECT_EQ(read_nodes(write_nodes(nodes)), nodes);
}

TEST(Shelves, KeepRecordsAndNodesForTheNextStart) {
  identity::TemporaryFolder folder;
  const Shelf shelf(folder.path("a/b"));
  ASSERT_EQ(shelf.open(), "");
  std::string why;
  EXPECT_TRUE(shelf.records(why).empty());
  EXPECT_EQ(why, "") << "a first start is no trouble";
  ASSERT_EQ(shelf.save({"r1", "r2"}, {net::Address::loopback(4222)}), "");
  ASSERT_EQ(shelf.save({"r3"}, {}), "");
  EXPECT_EQ(shelf.records(why), (Values{"r3"}));
  ASSERT_EQ(shelf.nodes().size(), 1u) << "nobody answers: those known before are better than none";
  EXPECT_EQ(identity::mode_of(folder.path("a/b/records")), 0600u);
}

TEST(Shelves, ADamagedFileIsNamedAndNotUsed) {
  identity::TemporaryFolder folder;
  const Shelf shelf(folder.path());
  folder.write("records", "outrider-records-1\nrubbish that is long enough to hold a digest");
  std::string why;
  EXPECT_TRUE(shelf.records(why).empty());
  EXPECT_NE(why.find("/records: damaged"), std::string::npos) << why;
}

TEST(Shelves, AFolderThatCannotBeMadeIsNamed) {
  identity::TemporaryFolder folder;
  const Shelf shelf(folder.write("file", "") + "/below");
  EXPECT_NE(shelf.open().find("file"), std::string::npos) << shelf.open();
}

struct NeighboursTest : testing::Test {
  static net::Address at(int n) {
    return *net::Address::parse("10.0." + std::to_string(n / 250) + "." + std::to_string(n % 250 + 1) + ":4222");
  }
  Neighbours neighbours;
  TimePoint now{std::chrono::hours(1)};
};

TEST_F(NeighboursTest, WhoeverWasHeardOfLateIsRecent) {
  neighbours.heard(at(1), now);
  neighbours.heard(at(2), now + minutes(4));
  EXPECT_EQ(neighbours.recent(now + minutes(5)).size(), 2u);
  ASSERT_EQ(neighbours.recent(now + minutes(7)).size(), 1u);
  EXPECT_EQ(neighbours.recent(now + minutes(7))[0], at(2));
}

TEST_F(NeighboursTest, WhoeverLeftIsGoneForAWhileOrUntilItIsHeardAgain) {
  neighbours.heard(at(1), now);
  EXPECT_FALSE(neighbours.gone(at(1), now));
  neighbours.left(at(1), now);
  neighbours.left(at(2), now);
  EXPECT_TRUE(neighbours.gone(at(1), now));
  EXPECT_TRUE(neighbours.recent(now).empty());
  EXPECT_FALSE(neighbours.gone(*net::Address::parse("10.0.0.2:4223"), now)) << "another port is another node";
  neighbours.heard(at(1), now);
  EXPECT_FALSE(neighbours.gone(at(1), now));
  EXPECT_TRUE(neighbours.gone(at(2), now));
  EXPECT_FALSE(neighbours.gone(at(2), now + Neighbours::kGone));
}

TEST_F(NeighboursTest, AFloodOfAddressesIsBoundedAndMakesRoomWithTime) {
  for (int i = 0; i < int(Neighbours::kMost) + 500; ++i) neighbours.heard(at(i), now);
  EXPECT_EQ(neighbours.recent(now).size(), Neighbours::kMost);
  neighbours.left(at(int(Neighbours::kMost) + 1), now);
  EXPECT_FALSE(neighbours.gone(at(int(Neighbours::kMost) + 1), now)) << "no room for it";
  neighbours.left(at(1), now);
  EXPECT_TRUE(neighbours.gone(at(1), now)) << "known: no room is needed";
  now += minutes(7);
  neighbours.heard(at(5000), now);
  EXPECT_EQ(neighbours.recent(now).size(), 1u);
}

TEST_F(NeighboursTest, ThoseWhoComeAndGoAreForgottenWithTime) {
  for (int i = 0; i < 2000; ++i) {
    now += seconds(5);
    neighbours.heard(at(i), now);
    if (i % 2) neighbours.left(at(i), now);
    EXPECT_LE(neighbours.size(), 4 * size_t(Neighbours::kRecent / seconds(5)));
  }
}

TEST(Goodbyes, NameTheNodeAndAreGoodForAMomentOnly) {
  const std::string id = "0123456789abcdefghij";
  const WallTime now = identity::kNow;
  const std::string bytes = write_goodbye(id, now);
  ASSERT_TRUE(is_goodbye(bytes));
  EXPECT_EQ(read_goodbye(bytes, now + seconds(5)), id);
  EXPECT_EQ(read_goodbye(bytes, now + seconds(11)), std::nullopt) << "repeated later";
  EXPECT_EQ(read_goodbye(bytes, now - seconds(11)), std::nullopt);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_EQ(read_goodbye(bytes.substr(0, size), now), std::nullopt);
  EXPECT_EQ(read_goodbye(bytes + "x", now), std::nullopt);
  EXPECT_FALSE(
      is_goodbye("\x83"
                 "abc"))
      << "a DHT packet is a map";
}

}  // namespace
}  // namespace outrider::discovery
