// Addresses that nobody configured: kept while they are used, and never too many.

#include "upstream/destinations.h"

#include "ground.h"
#include "upstream/own_connections.h"

namespace outrider::upstream {
namespace {

net::Address at(uint16_t port, const char* ip = "192.0.2.1") {
  auto address = *net::Address::parse(std::string(ip) + ":1");
  address.set_port(port);
  return address;
}

struct Called : testing::Test {
  Ground ground;
  Destinations destinations{ground.loop, 3, milliseconds(60000)};
  const Seat* seat(uint16_t port) { return destinations.find(at(port)).get(); }
};

TEST_F(Called, AnAddressHasOneSeat) {
  const auto one = destinations.find(at(80));
  ASSERT_TRUE(one);
  EXPECT_EQ(one->member.endpoint->address, "192.0.2.1:80");
  EXPECT_EQ(one->member.endpoint->socket, at(80));
  EXPECT_EQ(seat(80), one.get());
  EXPECT_NE(seat(81), one.get());
  EXPECT_NE(destinations.find(at(80, "192.0.2.2")).get(), one.get());
  EXPECT_NE(destinations.find(at(80, "[2001:db8::1]")).get(), nullptr);
}

TEST_F(Called, EachClientInWhoseNameItIsAskedHasItsOwn) {
  const auto ours = destinations.find(at(80));
  const net::Address one = at(4000, "192.0.2.7"), same = at(4001, "192.0.2.7"), other = at(4000, "192.0.2.8");
  const auto seat = destinations.find(at(80), &one);
  EXPECT_NE(seat.get(), ours.get());
  EXPECT_EQ(seat->member.endpoint->source.ip(), "192.0.2.7");
  EXPECT_EQ(destinations.find(at(80), &same).get(), seat.get());  // whatever port it called from
  EXPECT_NE(destinations.find(at(80), &other).get(), seat.get());
  EXPECT_FALSE(ours->member.endpoint->source.valid());
}

TEST_F(Called, TheOneNobodyHasUsedForLongestMakesRoom) {
  const auto held = destinations.find(at(1));
  seat(2);
  seat(3);
  seat(2);
  seat(4);  // in place of 3
  EXPECT_EQ(destinations.size(), 3u);
  EXPECT_EQ(seat(1), held.get()) << "whoever is in use stays";
  seat(5);
  EXPECT_EQ(destinations.size(), 3u);
  EXPECT_EQ(seat(1), held.get());
}

TEST_F(Called, WhereAllAreInUseThereIsNoOther) {
  std::vector<Ref<Seat>> held;
  for (const uint16_t port : {1, 2, 3}) held.push_back(destinations.find(at(port)));
  EXPECT_FALSE(destinations.find(at(4)));
  EXPECT_TRUE(destinations.find(at(2)));
  held.pop_back();
  EXPECT_TRUE(destinations.find(at(4)));
  EXPECT_EQ(destinations.size(), 3u);
}

TEST_F(Called, WhatIsNotUsedGoesAndWhatIsInUseStays) {
  Destinations soon(ground.loop, 3, milliseconds(1));
  const auto held = soon.find(at(1));
  soon.find(at(2));
  ASSERT_TRUE(ground.until([&] { return soon.size() == 1; }));
  EXPECT_EQ(soon.find(at(1)).get(), held.get());
}

TEST(OwnConnections, AreKnownByBothEnds) {
  OwnConnections own;
  const auto key = OwnConnections::key_of(at(1), at(80));
  EXPECT_FALSE(own.has(key));
  own.add(key);
  own.add(OwnConnections::key_of(at(2), at(80)));
  EXPECT_TRUE(own.has(key));
  EXPECT_FALSE(own.has(OwnConnections::key_of(at(80), at(1)))) << "the other way round";
  EXPECT_FALSE(own.has(OwnConnections::key_of(at(1), at(81))));
  EXPECT_FALSE(own.has(OwnConnections::key_of(at(1), at(80, "192.0.2.2"))));
  own.remove(key);
  EXPECT_FALSE(own.has(key));
  EXPECT_TRUE(own.has(OwnConnections::key_of(at(2), at(80))));
}

TEST(OwnConnections, MoreThanThereIsRoomForAreForgottenAndDoNoHarm) {
  OwnConnections own;
  for (uint16_t port = 1; port < 5000; ++port) own.add(OwnConnections::key_of(at(port), at(80)));
  for (uint16_t port = 1; port < 5000; ++port) own.remove(OwnConnections::key_of(at(port), at(80)));
  for (uint16_t port = 1; port < 5000; ++port) EXPECT_FALSE(own.has(OwnConnections::key_of(at(port), at(80))));
}

}  // namespace
}  // namespace outrider::upstream
