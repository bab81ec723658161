#include "filter/ip_rules.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace outrider::filter {
namespace {

std::string judged(const IpRules& rules, std::string_view ip) {
  const auto verdict = rules.judge(ip_bytes(ip));
  return std::string(verdict.allowed ? "allowed by " : "denied by ") + verdict.rule;
}

TEST(IpRules, DenyWinsAndWhatIsNotAllowedIsDenied) {
  IpRules rules;
  EXPECT_TRUE(rules.allow("10.0.0.0/8") && rules.allow("::1") && rules.allow("fd00::/9") && rules.deny("10.6.6.6"));
  EXPECT_TRUE(rules.deny("10.7.0.0/16"));
  EXPECT_EQ(judged(rules, "10.1.2.3"), "allowed by ip.allow[0]");
  EXPECT_EQ(judged(rules, "10.6.6.6"), "denied by ip.deny[0]");
  EXPECT_EQ(judged(rules, "10.6.6.7"), "allowed by ip.allow[0]");
  EXPECT_EQ(judged(rules, "10.7.255.255"), "denied by ip.deny[1]");
  EXPECT_EQ(judged(rules, "11.0.0.0"), "denied by ip.default");
  EXPECT_EQ(judged(rules, "::1"), "allowed by ip.allow[1]");
  EXPECT_EQ(judged(rules, "::2"), "denied by ip.default");
  EXPECT_EQ(judged(rules, "fd7f::1"), "allowed by ip.allow[2]");
  EXPECT_EQ(judged(rules, "fd80::1"), "denied by ip.default");
  EXPECT_EQ(judged(rules, ""), "denied by ip.default") << "a unix socket";
}

TEST(IpRules, WhereNothingIsAllowedEverybodyElseIs) {
  IpRules rules;
  EXPECT_TRUE(rules.deny("0.0.0.0/0"));
  EXPECT_EQ(judged(rules, "1.2.3.4"), "denied by ip.deny[0]");
  EXPECT_EQ(judged(rules, "::ffff:1.2.3.4"), "denied by ip.deny[0]") << "the same address in its other form";
  EXPECT_EQ(judged(rules, "fd00::1"), "allowed by ip.default");
  EXPECT_EQ(judged(rules, ""), "allowed by ip.default");
}

TEST(IpRules, ASocketsAddressIsReadAsItsText) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(0x0a010203);
  EXPECT_EQ(ip_bytes(reinterpret_cast<sockaddr*>(&v4)), ip_bytes("10.1.2.3"));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  EXPECT_EQ(ip_bytes(reinterpret_cast<sockaddr*>(&v6)), ip_bytes("::1"));
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  EXPECT_FALSE(ip_bytes(reinterpret_cast<sockaddr*>(&path)));
}

TEST(IpRules, WhatIsNoNetworkIsNotTaken) {
  IpRules rules;
  for (const char* text :
       {"", "10.0.0.0/33", "10.0.0.1/8", "::/129", "fd00::1/8", "10.0.0.0/", "10.0.0.0/x", "host", "10.0.0", "/8", "1.2.3.4/-1"})
    EXPECT_FALSE(rules.allow(text)) << text;
  EXPECT_TRUE(rules.empty());
}

}  // namespace
}  // namespace outrider::filter
