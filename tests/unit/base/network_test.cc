#include "base/network.h"

#include <gtest/gtest.h>

namespace outrider {
namespace {

TEST(Networks, HaveTheAddressesBehindTheirPrefix) {
  const auto has = [](const char* network, const char* ip) { return Network::parse(network)->has(*ip_bytes(ip)); };
  EXPECT_TRUE(has("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(has("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(has("10.128.0.0/9", "10.129.0.1"));
  EXPECT_FALSE(has("10.128.0.0/9", "10.127.0.1"));
  EXPECT_TRUE(has("::1", "::1"));
  EXPECT_TRUE(has("0.0.0.0/0", "::ffff:1.2.3.4")) << "the same address in its other form";
  EXPECT_FALSE(has("0.0.0.0/0", "::1"));
  EXPECT_TRUE(has("::/0", "1.2.3.4"));
}

TEST(Networks, WhatIsNoneIsToldFromOneWithBitsBehindItsPrefix) {
  for (const char* text : {"", "host", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "10.0.0", "/8", "1.2.3.4/-1"}) {
    bool stray = false;
    EXPECT_FALSE(Network::parse(text, &stray)) << text;
    EXPECT_FALSE(stray) << text;
  }
  for (const char* text : {"10.0.0.1/8", "fd00::1/8", "10.128.0.0/8"}) {
    bool stray = false;
    EXPECT_FALSE(Network::parse(text, &stray)) << text;
    EXPECT_TRUE(stray) << text;
  }
}

}  // namespace
}  // namespace outrider
