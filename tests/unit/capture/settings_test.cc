// What may be captured, and what cannot be meant.

#include "capture/settings.h"

#include <gtest/gtest.h>

namespace outrider::capture {
namespace {

std::string ports(std::string_view text) {
  std::vector<PortRange> ranges;
  if (const std::string why = read_ports(text, ranges); !why.empty()) return why;
  std::string out;
  for (const PortRange& range : ranges) out += (out.empty() ? "" : ",") + text_of(range);
  return out;
}

std::string networks(std::string_view text) {
  std::vector<Network> all;
  if (const std::string why = read_networks(text, all); !why.empty()) return why;
  std::string out;
  for (const Network& one : all) out += (out.empty() ? "" : ",") + text_of(one);
  return out;
}

TEST(Ports, AreSortedAndWhatOverlapsOrTouchesIsOne) {
  EXPECT_EQ(ports(""), "");
  EXPECT_EQ(ports("  "), "");
  EXPECT_EQ(ports("3306,25"), "25,3306");
  EXPECT_EQ(ports("8000-8010, 8005-8020,8021 ,9000"), "8000-8021,9000");
  EXPECT_EQ(ports("1-65535,80"), "1-65535");
  EXPECT_EQ(ports("65535,65534"), "65534-65535");
  EXPECT_EQ(ports("7 - 9"), "7-9");
}

TEST(Ports, OthersAreNone) {
  for (const char* text : {"0", "65536", "a", "80,", ",80", "80-", "-80", "1-2-3", "+80", "80 81"})
    EXPECT_EQ(ports(text).substr(0, 14), "expected ports") << text;
  EXPECT_EQ(ports("90-80"), "\"90-80\" ends before it begins: the smaller port comes first");
}

TEST(Networks, NoneLiesInAnother) {
  EXPECT_EQ(networks(""), "");
  EXPECT_EQ(networks("10.1.0.0/16,10.0.0.0/8,192.168.1.1"), "10.0.0.0/8,192.168.1.1");
  EXPECT_EQ(networks("fd00::/8, fd12::1,::1"), "::1,fd00::/8");
  EXPECT_EQ(networks("0.0.0.0/0,10.0.0.0/8"), "0.0.0.0/0");
  EXPECT_EQ(networks("10.0.0.1,10.0.0.1/32"), "10.0.0.1");
  std::vector<Network> both;
  ASSERT_EQ(read_networks("0.0.0.0/0,::/0", both), "");
  EXPECT_EQ(both.size(), 2u);
}

TEST(Networks, OthersAreNone) {
  EXPECT_EQ(networks("10.0.0.1/8"), "\"10.0.0.1/8\" has bits behind its prefix: the network's first address, or 10.0.0.1 alone?");
  for (const char* text : {"10.0.0.0/33", "web", "10.0.0.0/8,", "fd00::/129"})
    EXPECT_EQ(networks(text).substr(0, 17), "expected networks") << text;
}

std::string why(void (*change)(Words&)) {
  Words words;
  change(words);
  Settings settings;
  return read(words, settings);
}

TEST(Settings, OurOwnPortsAreAskedDirectly) {
  Words words;
  words.skip_inbound = "9000,15020";
  Settings settings;
  ASSERT_EQ(read(words, settings), "");
  EXPECT_EQ(settings.skip_inbound, (std::vector<PortRange>{{9000, 9000}, {15000, 15000}, {15020, 15021}}));
  EXPECT_EQ(settings.dns, 0);
  words.skip_inbound = " ";
  ASSERT_EQ(read(words, settings), "");
  EXPECT_EQ(settings.skip_inbound.size(), 2u);
}

TEST(Settings, ACircleIsRefused) {
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != text.npos; };
  EXPECT_TRUE(has(why([](Words& w) { w.inbound = "15001"; }), "--inbound and --outbound are both 15001"));
  EXPECT_TRUE(has(why([](Words& w) { w.dns = "15001"; }), "are both 15001"));
  EXPECT_TRUE(has(why([](Words& w) { w.uid = "0"; }), "--uid 0 leaves out all that root sends"));
  EXPECT_TRUE(has(why([](Words& w) { w.gid = "0"; }), "--gid 0 leaves out all that root sends"));
  EXPECT_EQ(why([](Words& w) { w.uid = w.gid = "0", w.allow_root = true; }), "");
  EXPECT_TRUE(has(why([](Words& w) { w.skip_inbound = "15000-15010"; }), "--skip-inbound has 15006"));
  EXPECT_TRUE(has(why([](Words& w) { w.skip_outbound = "15001"; }), "--skip-outbound has 15001"));
  EXPECT_TRUE(has(why([](Words& w) { w.skip_outbound = "53", w.dns = "15053"; }), "--skip-outbound has 53"));
  EXPECT_EQ(why([](Words& w) { w.skip_outbound = "53"; }), "");
  for (const char* own : {"15000", "15020", "15021"}) {
    Words words;
    words.inbound = own;
    Settings settings;
    EXPECT_TRUE(has(read(words, settings), "pages, health or metrics"));
  }
  EXPECT_TRUE(has(why([](Words& w) { w.inbound = w.outbound = "off"; }), "nothing is to be captured"));
  EXPECT_EQ(why([](Words& w) { w.inbound = w.outbound = "0", w.dns = "15053"; }), "");
}

TEST(Settings, WrongWordsHaveTheirFlag) {
  EXPECT_EQ(why([](Words& w) { w.outbound = "http"; }), "--outbound wants a port from 1 to 65535, or off; not \"http\"");
  EXPECT_EQ(why([](Words& w) { w.uid = "-1"; }), "--uid wants a number, not \"-1\"");
  EXPECT_EQ(why([](Words& w) { w.gid = "4294967295"; }), "--gid wants a number, not \"4294967295\"");
  EXPECT_EQ(why([](Words& w) { w.mode = "TPROXY"; }), "--mode wants redirect or tproxy, not \"TPROXY\"");
  EXPECT_EQ(why([](Words& w) { w.skip_sources = "x"; }).substr(0, 22), "--skip-inbound-cidrs: ");
  EXPECT_EQ(why([](Words& w) { w.skip_targets = "x"; }).substr(0, 14), "--skip-cidrs: ");
}

}  // namespace
}  // namespace outrider::capture
