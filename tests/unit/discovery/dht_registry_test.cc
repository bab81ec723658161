// The registry over real DHT nodes.

#include "tests/unit/discovery/dht_mesh.h"

namespace outrider::discovery {
namespace {

TEST_F(DhtMesh, AnAnnouncementIsSeenByAWatcherAndItsWithdrawalToo) {
  grow(3);
  Member &publisher = *members[1], &reader = *members[2];
  reader.registry.watch(kShop, reader.heard);
  publisher.registry.announce(kShop, at("10.0.0.1:80"));
  ASSERT_TRUE(until([&] { return reader.heard.has("10.0.0.1:80"); }));
  EXPECT_EQ(reader.heard.of().known, Known::Yes);
  EXPECT_EQ(reader.heard.of().at.at("10.0.0.1:80")->identity, "spiffe://mesh.local/ns/default/sa/shop");
  publisher.registry.withdraw(kShop);
  ASSERT_TRUE(until([&] { return reader.heard.size() == 0; }));
  EXPECT_EQ(reader.heard.of().known, Known::Absent);
}

TEST_F(DhtMesh, WithdrawalsAreSeenWhileTheNodesOfTheMeshAreReplacedOneByOne) {
  grow(8);
  Member& reader = *members[1];
  reader.registry.watch(kShop, reader.heard);
  for (size_t i = 2; i < members.size(); ++i) members[i]->registry.announce(kShop, at("10.0.0." + std::to_string(i) + ":80"));
  ASSERT_TRUE(until([&] { return reader.heard.size() == members.size() - 2; }));
  const size_t replicas = members.size() - 2;
  for (int turn = 0; turn < 12; ++turn) {
    const auto began = net::Loop::clock();
    const std::string address = "10.0.0." + std::to_string(2 + turn % int(replicas)) + ":80";
    auto leaving = std::move(members[2]);
    members.erase(members.begin() + 2);
    leaving->registry.withdraw(kShop);
    ASSERT_TRUE(until([&] { return leaving->events.withdrawn == 1; }));
    leaving.reset();
    ASSERT_TRUE(until([&] { return !reader.heard.has(address); })) << "turn " << turn;
    const auto gone = net::Loop::clock();
    Member& next = join();
    next.registry.announce(kShop, at(address));
    ASSERT_TRUE(until([&] { return reader.heard.has(address); })) << "turn " << turn;
    printf("turn %d gone %d seen %d\n", turn, int((gone - began).count()/1000000), int((net::Loop::clock() - gone).count()/1000000));
  }
}

}  // namespace
}  // namespace outrider::discovery
