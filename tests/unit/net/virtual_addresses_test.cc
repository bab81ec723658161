// Addresses that stand for services.

#include "net/virtual_addresses.h"

#include <gtest/gtest.h>

#include <set>

namespace outrider::net {
namespace {

const auto kV4 = Network::parse("240.240.0.0/16"), kV6 = Network::parse("fd6f:7574:7269::/112");

Address at(const std::string& text) { return *Address::parse(text); }

TEST(VirtualAddresses, ANameHasTheSameInEveryProcess) {
  VirtualAddresses a(kV4, kV6), b(kV4, kV6);
  const auto place = a.give("shop/reviews");
  ASSERT_TRUE(place);
  for (int i = 0; i < 20; ++i) b.give("shop/other" + std::to_string(i));
  EXPECT_EQ(a.give("shop/reviews"), place);
  EXPECT_EQ(b.give("shop/reviews"), place);
  EXPECT_EQ(a.size(), 1u);
  // So that another version of this program gives the same: what is in force at an upgrade.
  EXPECT_EQ(a.v4(*place).ip(), "240.240.142.65");
  EXPECT_EQ(a.v6(*place).ip(), "fd6f:7574:7269::8e41");
}

TEST(VirtualAddresses, AnAddressStandsForItsServiceAndOthersForNothing) {
  VirtualAddresses all(kV4, kV6);
  const auto place = *all.give("shop/reviews");
  Address v4 = all.v4(place), v6 = all.v6(place);
  v4.set_port(6379), v6.set_port(80);
  EXPECT_EQ(all.service_of(v4), "shop/reviews");
  EXPECT_EQ(all.service_of(v6), "shop/reviews");
  EXPECT_TRUE(all.covers(v4));
  EXPECT_TRUE(all.covers(v6));
  EXPECT_TRUE(all.covers(at("240.240.1.2:80")));
  EXPECT_EQ(all.service_of(at("240.240.1.2:80")), "");
  for (const char* other : {"240.241.0.1:80", "10.0.0.1:80", "[fd6f:7574:726a::1]:80", "[::1]:80", "unix:/a"}) {
    EXPECT_FALSE(all.covers(at(other))) << other;
    EXPECT_EQ(all.service_of(at(other)), "") << other;
  }
}

TEST(VirtualAddresses, NoTwoHaveTheSame) {
  VirtualAddresses all(kV4, kV6);
  std::set<std::string> seen;
  for (int i = 0; i < 20000; ++i) {
    const std::string service = "shop/s" + std::to_string(i);
    const auto place = all.give(service);
    ASSERT_TRUE(place);
    ASSERT_TRUE(seen.insert(all.v4(*place).ip()).second) << service;
    ASSERT_EQ(all.service_of(all.v4(*place)), service);
    ASSERT_EQ(all.service_of(all.v6(*place)), service);
  }
}

TEST(VirtualAddresses, TheSmallerNetworkIsTheBoundAndNobodyIsTurnedOut) {
  VirtualAddresses all(Network::parse("10.9.8.0/24"), kV6);
  EXPECT_EQ(all.room(), 254u);
  for (size_t i = 0; i < all.room(); ++i) ASSERT_TRUE(all.give("a/" + std::to_string(i))) << i;
  EXPECT_FALSE(all.give("a/more"));
  EXPECT_EQ(all.give("a/7"), all.give("a/7")) << "who has one keeps it";
  EXPECT_EQ(all.service_of(at("10.9.8.0:80")), "") << "the network's own";
  EXPECT_EQ(all.service_of(at("10.9.8.255:80")), "") << "everybody's";
  for (int last = 1; last < 255; ++last) EXPECT_NE(all.service_of(at("10.9.8." + std::to_string(last) + ":80")), "") << last;
}

TEST(VirtualAddresses, ALargerNetworkIsUsedInPart) {
  VirtualAddresses all(Network::parse("10.0.0.0/8"), std::nullopt);
  const auto place = *all.give("shop/reviews");
  EXPECT_EQ(all.service_of(all.v4(place)), "shop/reviews");
  EXPECT_FALSE(all.v6(place).valid());
  const std::string ip = all.v4(place).ip();
  EXPECT_EQ(ip.substr(0, 5), "10.0.");
  EXPECT_EQ(all.service_of(at("10.7." + ip.substr(5) + ":80")), "") << "it stands for nothing";
  EXPECT_TRUE(all.covers(at("10.7.0.1:80"))) << "and is not passed on either";
}

TEST(VirtualAddresses, WhoHadWhichIsKeptForTheNextProcess) {
  VirtualAddresses before(Network::parse("10.9.8.0/24"), std::nullopt);
  for (int i = 0; i < 200; ++i) before.give("a/" + std::to_string(i));
  VirtualAddresses after(Network::parse("10.9.8.0/24"), std::nullopt);
  EXPECT_EQ(after.load(before.text()), 200u);
  for (int i = 199; i >= 0; --i) EXPECT_EQ(after.give("a/" + std::to_string(i)), before.give("a/" + std::to_string(i))) << i;
}

TEST(VirtualAddresses, WhatIsOddInTheFileIsLeftAside) {
  VirtualAddresses all(Network::parse("10.9.8.0/24"), std::nullopt);
  EXPECT_EQ(all.load("1 a/b\n1 a/c\n2 a/b\n0 a/d\n255 a/e\n70000 a/f\n-1 a/g\nx a/h\n3\n4 \n5 noslash\n\n6 " +
                     std::string(300, 'a') + "/b\n7 a/last"),
            2u);
  EXPECT_EQ(all.service_of(at("10.9.8.1:1")), "a/b");
  EXPECT_EQ(all.service_of(at("10.9.8.7:1")), "a/last");
  EXPECT_EQ(all.size(), 2u);
}

}  // namespace
}  // namespace outrider::net
