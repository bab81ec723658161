// `registry.dns`: where it listens without being told, and what it may not be told.

#include "config/name_server.h"

#include "loading.h"

namespace outrider::config {
namespace {

const std::string kSidecar = "version: 1\nservice: {name: web, port: 8080}\nregistry: {bootstrap: \"a:1\"";

std::string sidecar(const std::string& dns) { return kSidecar + (dns.empty() ? "" : ", dns: " + dns) + "}\n"; }
std::string gateway(const std::string& registry) {
  return "version: 1\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [{respond: {status: 204}}]}\nregistry: {" +
         registry + "}\n";
}

TEST(NameServerKeys, ASidecarListensWithoutBeingToldAndAGatewayDoesNot) {
  OUTRIDER_NEEDS_DHT();
  const NameServer implied = name_server_of(must_load({sidecar("")}));
  EXPECT_EQ(implied.listen, (std::vector<std::string>{"127.0.0.1:15053", "[::1]:15053"}));
  EXPECT_TRUE(implied.implied);
  const NameServer given =
      name_server_of(must_load({sidecar("{listen: \"127.0.0.1:53\", ttl: 30s, servers: [fd00::2, \"10.0.0.2\"]}")}));
  EXPECT_EQ(given.listen, (std::vector<std::string>{"127.0.0.1:53"}));
  EXPECT_FALSE(given.implied);
  EXPECT_EQ(given.ttl.count(), 30000);
  EXPECT_EQ(given.servers, (std::vector<std::string>{"[fd00::2]:53", "10.0.0.2:53"}));
  EXPECT_TRUE(name_server_of(must_load({sidecar("off")})).listen.empty());
  EXPECT_TRUE(name_server_of(must_load({sidecar("{listen: off}")})).listen.empty());
  EXPECT_TRUE(name_server_of(must_load({gateway("kind: none")})).listen.empty());
  EXPECT_TRUE(name_server_of(must_load({gateway("bootstrap: \"a:1\"")})).listen.empty());
  EXPECT_TRUE(name_server_of(must_load({"version: 1\nmode: sidecar\nregistry: {kind: none}\n"})).listen.empty())
      << "nothing to tell";
  EXPECT_FALSE(name_server_of(must_load({gateway("kind: none, dns: {listen: \"127.0.0.1:53\"}")})).implied)
      << "who wants it has it";
  const Given by_flag{sidecar(""), {"registry.dns.listen=127.0.0.1:5353"}};
  EXPECT_EQ(name_server_of(must_load(by_flag)).listen, (std::vector<std::string>{"127.0.0.1:5353"}));
}

TEST(NameServerKeys, WhatItMayNotBeTold) {
  OUTRIDER_NEEDS_DHT();
  const auto says = [](const std::string& dns, const std::string& part) {
    const std::string all = said({sidecar(dns)});
    EXPECT_NE(all.find(part), std::string::npos) << dns << "\n" << all;
    EXPECT_NE(all.find("registry.dns"), std::string::npos) << all;
  };
  says("{listen: \":15053\"}", "is every address");
  says("{listen: \"0.0.0.0:15053\"}", "127.0.0.1:15053");
  says("{listen: \"[::]:53\"}", "127.0.0.1:53");
  says("{listen: \"unix:/run/dns\"}", "expected");
  says("{listen: \"10.0.0.1:53\"}", "open resolver");
  says("{listen: {a: b}}", "got a map");
  says("{ipv4: 240.240.0.1/16}", "bits behind the prefix");
  says("{ipv4: 240.240.0.0/30}", "from /8 to /24");
  says("{ipv4: fd00::/64}", "network of IPv4");
  says("{ipv6: 240.0.0.0/8}", "network of IPv6");
  says("{ipv6: fd00::/8}", "from /32 to /120");
  says("{ipv4: off, ipv6: off, answers: virtual}", "both off");
  says("{ttl: 1500ms}", "whole ones");
  says("{answers: both}", "auto, virtual or endpoints");
  says("{servers: [example.com]}", "expected");
  says("{listen: \"127.0.0.1:15001\"}", "taken");
  const std::string edge_says = said({gateway("kind: none, dns: {listen: \"127.0.0.1:53\", answers: virtual}")});
  EXPECT_NE(edge_says.find("nobody would take connections to virtual addresses"), std::string::npos) << edge_says;
}

TEST(NameServerKeys, VirtualAddressesAreForWhoIsRedirectedAndPassesOn) {
  OUTRIDER_NEEDS_DHT();
  EXPECT_TRUE(passes_redirected_on(must_load({sidecar("")})));
  EXPECT_FALSE(passes_redirected_on(must_load({gateway("kind: none")})));
  const Given closed{sidecar(""), {"listeners.outbound.transparent=off"}};
  EXPECT_FALSE(passes_redirected_on(must_load(closed)));
}

}  // namespace
}  // namespace outrider::config
