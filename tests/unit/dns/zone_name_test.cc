// What names mean to the mesh.

#include "dns/zone_name.h"

#include <gtest/gtest.h>

namespace outrider::dns {
namespace {

using Kind = ZoneName::Kind;

ZoneName read(const std::string& name) { return read_zone_name(name, "mesh", "home"); }

TEST(ZoneName, AServiceIsOfItsNamespaceOrOfOurs) {
  EXPECT_EQ(read("reviews.shop.mesh").kind, Kind::Service);
  EXPECT_EQ(read("reviews.shop.mesh").key(), "shop/reviews");
  EXPECT_EQ(read("reviews.mesh").key(), "home/reviews");
  EXPECT_EQ(read("v2.reviews.shop.mesh").key(), "shop/reviews@v2");
  EXPECT_EQ(read("v2.reviews.shop.mesh").service, "shop/reviews");
  EXPECT_EQ(read("_http._tcp.reviews.shop.mesh").key(), "shop/reviews");
  EXPECT_EQ(read("_http._tcp.reviews.mesh").key(), "home/reviews");
  EXPECT_EQ(read("_http._tcp.v2.reviews.shop.mesh").key(), "shop/reviews@v2");
}

TEST(ZoneName, AnEndpointIsOne) {
  const auto v4 = read("10-0-0-1.ip.reviews.shop.mesh");
  EXPECT_EQ(v4.kind, Kind::Endpoint);
  EXPECT_EQ(v4.service, "shop/reviews");
  EXPECT_EQ(v4.ip, "10.0.0.1");
  EXPECT_EQ(read(endpoint_label("fd00::1") + ".ip.reviews.shop.mesh").ip, "fd00:0000:0000:0000:0000:0000:0000:0001");
  EXPECT_EQ(endpoint_label("10.0.0.1"), "10-0-0-1");
}

TEST(ZoneName, OthersBelowTheDomainAreNobody) {
  for (const char* name : {"a.b.c.d.mesh", "10-0-0.ip.reviews.shop.mesh", "a.b.c.d.e.mesh", "_http._udp.reviews.shop.mesh",
                           "*.mesh", "a_b.mesh", "_tcp.mesh", "-.*.mesh", "..mesh"})
    EXPECT_EQ(read(name).kind, Kind::Nobody) << name;
  EXPECT_EQ(read("mesh").kind, Kind::Apex);
}

TEST(ZoneName, WhatIsBesideTheDomainIsForeign) {
  for (const char* name : {"", "example.com", "mesh.example.com", "amesh", "reviews.shop.amesh", ".", "web"})
    EXPECT_EQ(read(name).kind, Kind::Foreign) << name;
  EXPECT_EQ(read_zone_name("a.b.svc.mesh", "svc.mesh", "home").key(), "b/a");
  EXPECT_EQ(read_zone_name("a.b.mesh", "svc.mesh", "home").kind, Kind::Foreign);
}

TEST(ZoneName, KeysHaveNames) {
  EXPECT_EQ(name_in_zone("shop/reviews", "mesh"), "reviews.shop.mesh");
  EXPECT_EQ(name_in_zone("shop/reviews@v2", "mesh"), "v2.reviews.shop.mesh");
  for (const char* key : {"shop/reviews", "shop/reviews@v2"}) EXPECT_EQ(read(name_in_zone(key, "mesh")).key(), key);
}

}  // namespace
}  // namespace outrider::dns
