// Every rule, as it is written.

#include <gtest/gtest.h>

#include "capture/iptables.h"
#include "capture/look.h"
#include "capture/nft.h"
#include "capture/program.h"
#include "capture/routes.h"

namespace outrider::capture {
namespace {

Settings settings_of(void (*change)(Words&) = [](Words&) {}) {
  Words words;
  change(words);
  Settings settings;
  EXPECT_EQ(read(words, settings), "");
  return settings;
}

void everything(Words& words) {
  words.dns = "15053";
  words.skip_inbound = "9000-9010";
  words.skip_outbound = "25,3306";
  words.skip_sources = "10.0.0.0/8,fd00::/8";
  words.skip_targets = "169.254.169.254,fe80::/10";
}

TEST(Nft, TheStandard) {
  EXPECT_EQ(nft_rules(settings_of()), R"(add table inet outrider
delete table inet outrider
table inet outrider {
  set skip_inbound { type inet_service; flags interval; elements = { 15000, 15020-15021 } }
  chain inbound {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "lo" return
    tcp dport @skip_inbound return
    meta l4proto tcp redirect to :15006
  }
  chain outbound {
    type nat hook output priority -100; policy accept;
    meta skuid 1337 return
    meta skgid 1337 return
    oifname "lo" return
    ip daddr 127.0.0.0/8 return
    ip6 daddr ::1 return
    meta l4proto tcp redirect to :15001
  }
}
)");
}

TEST(Nft, Everything) {
  EXPECT_EQ(nft_rules(settings_of(everything)), R"(add table inet outrider
delete table inet outrider
table inet outrider {
  set skip_inbound { type inet_service; flags interval; elements = { 9000-9010, 15000, 15020-15021 } }
  set skip_sources_v4 { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
  set skip_sources_v6 { type ipv6_addr; flags interval; elements = { fd00::/8 } }
  set skip_outbound { type inet_service; flags interval; elements = { 25, 3306 } }
  set skip_targets_v4 { type ipv4_addr; flags interval; elements = { 169.254.169.254 } }
  set skip_targets_v6 { type ipv6_addr; flags interval; elements = { fe80::/10 } }
  chain inbound {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "lo" return
    tcp dport @skip_inbound return
    ip saddr @skip_sources_v4 return
    ip6 saddr @skip_sources_v6 return
    meta l4proto tcp redirect to :15006
  }
  chain outbound {
    type nat hook output priority -100; policy accept;
    meta skuid 1337 return
    meta skgid 1337 return
    meta nfproto ipv4 udp dport 53 redirect to :15053
    meta nfproto ipv4 tcp dport 53 redirect to :15053
    oifname "lo" return
    ip daddr 127.0.0.0/8 return
    ip6 daddr ::1 return
    tcp dport @skip_outbound return
    ip daddr @skip_targets_v4 return
    ip6 daddr @skip_targets_v6 return
    meta l4proto tcp redirect to :15001
  }
  chain dns_out {
    type filter hook output priority raw; policy accept;
    oifname != "lo" meta skuid 1337 meta nfproto ipv4 udp dport 53 ct zone set 1
  }
  chain dns_in {
    type filter hook prerouting priority raw; policy accept;
    iifname != "lo" meta nfproto ipv4 udp sport 53 ct zone set 1
  }
}
)");
}

TEST(Nft, Tproxy) {
  EXPECT_EQ(nft_rules(settings_of([](Words& words) {
              words.mode = "tproxy";
              words.outbound = "off";
              words.ipv6 = false;
            })),
            R"(add table inet outrider
delete table inet outrider
table inet outrider {
  set skip_inbound { type inet_service; flags interval; elements = { 15000, 15020-15021 } }
  chain inbound {
    type filter hook prerouting priority mangle; policy accept;
    ct state != new return
    meta nfproto ipv6 return
    iifname "lo" return
    tcp dport @skip_inbound return
    meta l4proto tcp tproxy to :15006 accept
    meta l4proto tcp drop
  }
  chain answers {
    type route hook output priority mangle; policy accept;
    meta l4proto != tcp return
    oifname "lo" meta skuid 1337 ct mark set 1337 return
    ct direction reply ct mark 1337 meta mark set 1337
  }
}
)");
}

TEST(Nft, OneWayAlone) {
  const std::string in = nft_rules(settings_of([](Words& words) { words.outbound = "off"; }));
  EXPECT_EQ(in.find("chain outbound"), in.npos);
  const std::string out = nft_rules(settings_of([](Words& words) { words.inbound = "off"; }));
  EXPECT_EQ(out.find("inbound"), out.npos);
  const std::string names =
      nft_rules(settings_of([](Words& words) { words.inbound = words.outbound = "off", words.dns = "5353"; }));
  EXPECT_NE(names.find("udp dport 53 redirect to :5353"), names.npos);
  EXPECT_EQ(names.find("meta l4proto tcp redirect"), names.npos);
}

// By the kernel that is here, where this user may ask it.
TEST(Nft, TheKernelTakesThem) {
  const auto tproxy = [](Words& words) { everything(words), words.mode = "tproxy"; };
  for (const Settings& settings : {settings_of(), settings_of(everything), settings_of(tproxy)}) {
    const Ran ran = run_program("nft", {"--check", "-f", "-"}, nft_rules(settings));
    if (!ran.found || ran.err.find("not permitted") != ran.err.npos) GTEST_SKIP() << "nft cannot be asked here: " << ran.err;
    EXPECT_EQ(ran.code, 0) << ran.err;
  }
}

TEST(Iptables, Everything) {
  EXPECT_EQ(iptables_rules(settings_of(everything), Family::V4), R"(*nat
:OUTRIDER_INBOUND - [0:0]
:OUTRIDER_DNS - [0:0]
:OUTRIDER_OUTBOUND - [0:0]
-A OUTRIDER_INBOUND -i lo -j RETURN
-A OUTRIDER_INBOUND -p tcp -m multiport --dports 9000:9010,15000,15020:15021 -j RETURN
-A OUTRIDER_INBOUND -s 10.0.0.0/8 -j RETURN
-A OUTRIDER_INBOUND -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -p tcp -j OUTRIDER_INBOUND
-A OUTRIDER_DNS -m owner --uid-owner 1337 -j RETURN
-A OUTRIDER_DNS -m owner --gid-owner 1337 -j RETURN
-A OUTRIDER_DNS -p udp -j REDIRECT --to-ports 15053
-A OUTPUT -p udp --dport 53 -j OUTRIDER_DNS
-A OUTRIDER_DNS -p tcp -j REDIRECT --to-ports 15053
-A OUTPUT -p tcp --dport 53 -j OUTRIDER_DNS
-A OUTRIDER_OUTBOUND -m owner --uid-owner 1337 -j RETURN
-A OUTRIDER_OUTBOUND -m owner --gid-owner 1337 -j RETURN
-A OUTRIDER_OUTBOUND -o lo -j RETURN
-A OUTRIDER_OUTBOUND -d 127.0.0.0/8 -j RETURN
-A OUTRIDER_OUTBOUND -p tcp -m multiport --dports 25,3306 -j RETURN
-A OUTRIDER_OUTBOUND -d 169.254.169.254 -j RETURN
-A OUTRIDER_OUTBOUND -p tcp -j REDIRECT --to-ports 15001
-A OUTPUT -p tcp -j OUTRIDER_OUTBOUND
COMMIT
*raw
:OUTRIDER_DNS_OUT - [0:0]
:OUTRIDER_DNS_IN - [0:0]
-A OUTRIDER_DNS_OUT -m owner --uid-owner 1337 -j CT --zone 1
-A OUTRIDER_DNS_IN -j CT --zone 1
-A OUTPUT ! -o lo -p udp --dport 53 -j OUTRIDER_DNS_OUT
-A PREROUTING ! -i lo -p udp --sport 53 -j OUTRIDER_DNS_IN
COMMIT
)");
  EXPECT_EQ(iptables_rules(settings_of(everything), Family::V6), R"(*nat
:OUTRIDER_INBOUND - [0:0]
:OUTRIDER_OUTBOUND - [0:0]
-A OUTRIDER_INBOUND -i lo -j RETURN
-A OUTRIDER_INBOUND -p tcp -m multiport --dports 9000:9010,15000,15020:15021 -j RETURN
-A OUTRIDER_INBOUND -s fd00::/8 -j RETURN
-A OUTRIDER_INBOUND -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -p tcp -j OUTRIDER_INBOUND
-A OUTRIDER_OUTBOUND -m owner --uid-owner 1337 -j RETURN
-A OUTRIDER_OUTBOUND -m owner --gid-owner 1337 -j RETURN
-A OUTRIDER_OUTBOUND -o lo -j RETURN
-A OUTRIDER_OUTBOUND -d ::1 -j RETURN
-A OUTRIDER_OUTBOUND -p tcp -m multiport --dports 25,3306 -j RETURN
-A OUTRIDER_OUTBOUND -d fe80::/10 -j RETURN
-A OUTRIDER_OUTBOUND -p tcp -j REDIRECT --to-ports 15001
-A OUTPUT -p tcp -j OUTRIDER_OUTBOUND
COMMIT
)");
}

TEST(Iptables, Tproxy) {
  EXPECT_EQ(iptables_rules(settings_of([](Words& words) { words.mode = "tproxy", words.outbound = "off"; }), Family::V6),
            R"(*mangle
:OUTRIDER_INBOUND - [0:0]
:OUTRIDER_ANSWERS - [0:0]
-A OUTRIDER_INBOUND -m conntrack ! --ctstate NEW -j RETURN
-A OUTRIDER_INBOUND -i lo -j RETURN
-A OUTRIDER_INBOUND -p tcp -m multiport --dports 15000,15020:15021 -j RETURN
-A OUTRIDER_INBOUND -p tcp -j TPROXY --on-port 15006
-A OUTRIDER_ANSWERS -o lo -m owner --uid-owner 1337 -j CONNMARK --set-mark 1337
-A OUTRIDER_ANSWERS -o lo -m owner --uid-owner 1337 -j RETURN
-A OUTRIDER_ANSWERS -m conntrack --ctdir REPLY -m connmark --mark 1337 -j MARK --set-mark 1337
-A PREROUTING -p tcp -j OUTRIDER_INBOUND
-A OUTPUT -p tcp -j OUTRIDER_ANSWERS
COMMIT
)");
}

// Sixteen ports are two rules, and a range counts as two.
TEST(Iptables, MultiportTakesFifteen) {
  const auto lines = [](const char* ports) {
    Words words;
    words.skip_outbound = ports;
    Settings settings;
    EXPECT_EQ(read(words, settings), "");
    const std::string text = iptables_rules(settings, Family::V4);
    std::string out;
    for (size_t at = text.find("OUTBOUND -p tcp -m multiport"); at != text.npos;
         at = text.find("OUTBOUND -p tcp -m multiport", at + 1)) {
      const size_t from = text.find("--dports ", at) + 9;
      out += text.substr(from, text.find(' ', from) - from) + ";";
    }
    return out;
  };
  EXPECT_EQ(lines("1,3,5,7,9,11,13,15,17,19,21,23,25,27,29"), "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29;");
  EXPECT_EQ(lines("1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31"), "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29;31;");
  EXPECT_EQ(lines("1,3,5,7,9,11,13,15,17,19,21,23,25,27,30-31"), "1,3,5,7,9,11,13,15,17,19,21,23,25,27;30:31;");
}

constexpr const char* kSaved = R"(# Generated by iptables-save
*mangle
:PREROUTING ACCEPT [0:0]
:OUTRIDER_INBOUND - [0:0]
-A PREROUTING -p tcp -j OUTRIDER_INBOUND
-A OUTRIDER_INBOUND -p tcp -j TPROXY --on-port 15006 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0
COMMIT
*nat
:OUTPUT ACCEPT [3:180]
:DOCKER_OUTPUT - [0:0]
:OUTRIDER_OUTBOUND - [0:0]
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A OUTPUT -p tcp -j OUTRIDER_OUTBOUND
-A OUTRIDER_OUTBOUND -o lo -j RETURN
COMMIT
)";

TEST(Iptables, WhatIsThereIsReplacedInTheSameTransaction) {
  const std::string text = iptables_rules(settings_of([](Words& words) { words.inbound = "off"; }), Family::V4, kSaved);
  EXPECT_EQ(text.substr(0, text.find("-A ")), "*nat\n:OUTRIDER_OUTBOUND - [0:0]\n-D OUTPUT -p tcp -j OUTRIDER_OUTBOUND\n");
  EXPECT_EQ(text.substr(text.find("*mangle")),
            "*mangle\n-D PREROUTING -p tcp -j OUTRIDER_INBOUND\n-F OUTRIDER_INBOUND\n-X OUTRIDER_INBOUND\nCOMMIT\n");
  EXPECT_EQ(text.find("DOCKER"), text.npos);
}

TEST(Iptables, NothingOfOthersIsCleared) {
  EXPECT_EQ(iptables_clear(kSaved),
            "*nat\n-D OUTPUT -p tcp -j OUTRIDER_OUTBOUND\n-F OUTRIDER_OUTBOUND\n-X OUTRIDER_OUTBOUND\nCOMMIT\n"
            "*mangle\n-D PREROUTING -p tcp -j OUTRIDER_INBOUND\n-F OUTRIDER_INBOUND\n-X OUTRIDER_INBOUND\nCOMMIT\n");
  EXPECT_TRUE(has_ours(kSaved));
  EXPECT_FALSE(has_ours("*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"));
  EXPECT_EQ(iptables_clear("*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"), "");
}

// `outrider check` and `capture validate` see by the same eyes what is written here.
TEST(Look, OurRulesAreKnownAgain) {
  const Settings settings = settings_of(everything);
  const Settings tproxy = settings_of([](Words& words) { words.mode = "tproxy"; });
  for (const std::string& text :
       {nft_rules(settings), iptables_rules(settings, Family::V4), nft_rules(tproxy), iptables_rules(tproxy, Family::V6)}) {
    EXPECT_TRUE(redirects_to(text, 15006) && redirects_to(text, 15001)) << text;
    EXPECT_FALSE(redirects_to(text, 1500));
    EXPECT_TRUE(leaves_out(text, 1337));
  }
}

TEST(Routes, AsIpHasThem) {
  EXPECT_EQ(routes_text(false),
            "ip rule add priority 1337 fwmark 0x539 lookup 1337\nip route replace local default dev lo table 1337\n");
  EXPECT_NE(routes_text(true).find("ip -6 rule add priority 1337 fwmark 0x539 lookup 1337\n"), std::string::npos);
}

TEST(Programs, AreRunToTheirEndOrEnded) {
  EXPECT_FALSE(run_program("outrider-no-such-program", {}).found);
  const Ran cat = run_program("cat", {}, std::string(1 << 18, 'x'));
  EXPECT_TRUE(cat);
  EXPECT_EQ(cat.out.size(), size_t(1) << 18);
  const Ran failed = run_program("sh", {"-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(failed.code, 3);
  EXPECT_EQ(failed.out + failed.err, "out\nerr\n");
  const Ran hung = run_program("sleep", {"1000"}, {}, milliseconds(50));
  EXPECT_TRUE(hung.found && hung.code == -1);
  EXPECT_NE(hung.err.find("was ended"), hung.err.npos);
  EXPECT_EQ(run_program("sh", {"-c", "echo $PATH $LC_ALL ${LD_PRELOAD-none}"}).out, "/usr/sbin:/usr/bin:/sbin:/bin C none\n");
}

}  // namespace
}  // namespace outrider::capture
