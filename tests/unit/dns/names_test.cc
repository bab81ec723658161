// Names of services: who is there, who is not, and who nobody knows.

#include <set>

#include "ground.h"

namespace outrider::dns {
namespace {

using net::DnsAnswer;
using net::DnsType;

struct Names : Ground {
  Names() {
    settings.zone.own_namespace = "shop";
    settings.zone.ttl = 7;
  }
  void give_virtual() {
    addresses = std::make_unique<net::VirtualAddresses>(Network::parse("240.240.0.0/16"), Network::parse("fd6f:7574:7269::/112"));
  }
};

TEST_F(Names, EndpointsAreAnsweredWhereNobodyCatchesConnections) {
  registry.say("shop/web", Known::Yes, {instance("10.0.0.1:80"), instance("10.0.0.2:81"), instance("[fd00::1]:82")});
  start();
  const auto seen = ask("web.shop.mesh");
  EXPECT_TRUE(seen.authoritative());
  const auto read = seen.read("web.shop.mesh", DnsType::A);
  EXPECT_EQ(read.ttl.count(), 7);
  std::set<std::string> ips;
  for (const auto& one : read.records) ips.insert(one.address.ip());
  EXPECT_EQ(ips, (std::set<std::string>{"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(ask("web.mesh", 28).text("web.mesh", DnsType::Aaaa), "fd00::1");
  EXPECT_EQ(results("found"), 2u);
}

TEST_F(Names, TheirOrderIsChanceAndTheirNumberBounded) {
  settings.zone.most_answers = 3;
  std::vector<std::shared_ptr<const Instance>> all;
  for (int i = 1; i <= 12; ++i) all.push_back(instance("10.0.0." + std::to_string(i) + ":80"));
  registry.say("shop/web", Known::Yes, all);
  start();
  std::set<std::string> seen;
  until("every endpoint to be answered", [&] {
    const auto records = ask("web.mesh").read("web.mesh", DnsType::A).records;
    EXPECT_EQ(records.size(), 3u);
    for (const auto& one : records) seen.insert(one.address.ip());
    return seen.size() == 12;
  });
}

TEST_F(Names, ServicesHavePortsAndTheirTargetsAddresses) {
  registry.say("shop/web", Known::Yes, {instance("10.0.0.1:8080")});
  start();
  for (const char* name : {"web.shop.mesh", "_http._tcp.web.shop.mesh"}) {
    const auto seen = ask(name, 33);
    EXPECT_EQ(seen.text(name, DnsType::Srv), "10-0-0-1.ip.web.shop.mesh:8080");
    EXPECT_EQ(seen.additional(), 2u) << "the target's address, and EDNS";
  }
  EXPECT_EQ(a("10-0-0-1.ip.web.shop.mesh"), "10.0.0.1");
  EXPECT_EQ(a("10-0-0-2.ip.web.shop.mesh"), "code 3") << "it is none of them: nothing is told that nobody has registered";
}

TEST_F(Names, WhoIsLeavingIsAnsweredOnlyWhereNobodyElseIs) {
  auto leaving = std::make_shared<Instance>(*instance("10.0.0.1:80"));
  leaving->draining = true;
  registry.say("shop/web", Known::Yes, {leaving, instance("10.0.0.2:80")});
  registry.say("shop/alone", Known::Yes, {leaving});
  auto backup = std::make_shared<Instance>(*instance("10.0.0.3:80"));
  backup->priority = 1;
  registry.say("shop/backed", Known::Yes, {backup, instance("10.0.0.2:80")});
  start();
  EXPECT_EQ(a("web.mesh"), "10.0.0.2");
  EXPECT_EQ(a("alone.mesh"), "10.0.0.1");
  EXPECT_EQ(a("backed.mesh"), "10.0.0.2");
}

TEST_F(Names, AVersionHasItsOwn) {
  registry.say("shop/web", Known::Yes, {instance("10.0.0.1:80", "v1"), instance("10.0.0.2:80", "V2")});
  start();
  EXPECT_EQ(a("v1.web.shop.mesh"), "10.0.0.1");
  EXPECT_EQ(a("v2.web.shop.mesh"), "10.0.0.2");
  EXPECT_EQ(a("v3.web.shop.mesh"), "code 3");
  EXPECT_EQ(registry.watches, 1) << "all of one service";
}

TEST_F(Names, AServiceHasOneAddressOfItsOwnWhereConnectionsAreCaught) {
  give_virtual();
  registry.say("shop/web", Known::Yes, {instance("10.0.0.1:80"), instance("10.0.0.2:80", "v2")});
  start();
  const std::string ip = a("web.shop.mesh");
  EXPECT_EQ(ip.substr(0, 8), "240.240.");
  EXPECT_EQ(a("web.mesh"), ip);
  EXPECT_EQ(a("WEB.mesh"), ip);
  EXPECT_NE(ask("WeB.mesh").bytes.find("WeB"), std::string::npos) << "given back in the letters that were asked in";
  EXPECT_EQ(addresses->service_of(*net::Address::parse(ip + ":6379")), "shop/web");
  const std::string v2 = a("v2.web.shop.mesh");
  EXPECT_NE(v2, ip);
  EXPECT_EQ(addresses->service_of(*net::Address::parse(v2 + ":6379")), "shop/web@v2");
  EXPECT_EQ(ask("web.mesh", 33).text("web.mesh", DnsType::Srv), "web.shop.mesh:80");
  EXPECT_EQ(a("10-0-0-1.ip.web.shop.mesh"), "10.0.0.1") << "who asks for one endpoint means it";
}

TEST_F(Names, AnAddressIsToldToStandForItsService) {
  give_virtual();
  registry.say("shop/web", Known::Yes, {instance("10.0.0.1:80")});
  start();
  const std::string ip = a("web.shop.mesh"), third = ip.substr(8, ip.rfind('.') - 8), fourth = ip.substr(ip.rfind('.') + 1);
  const std::string name = fourth + "." + third + ".240.240.in-addr.arpa";
  const auto seen = ask(name, 12);
  EXPECT_EQ(seen.code(), 0);
  EXPECT_NE(seen.bytes.find(test::dns::name("web.shop.mesh")), std::string::npos);
  EXPECT_EQ(ask(name, 1).answers(), 0u);
  EXPECT_EQ(ask(name, 1).code(), 0);
  EXPECT_EQ(ask("1.0.240.240.in-addr.arpa", 12).code(), 3);
}

TEST_F(Names, NobodyIsToldOneUntilTheRegistryHasSaidThatThereIsSomebody) {
  give_virtual();
  start();
  auto waiting = std::async(std::launch::async, [&] { return a("late.mesh"); });
  until("the registry to be asked", [&] {
    size_t watched = 0;
    there([&] { watched = registry.watched(); });
    return watched == 1;
  });
  say("shop/late", Known::Yes, {instance("10.0.0.1:80")});
  EXPECT_EQ(waiting.get().substr(0, 8), "240.240.");
}

TEST_F(Names, WhoIsNotThereIsNobodyAndIsForgottenSoon) {
  registry.say("shop/gone", Known::Absent);
  start();
  const auto seen = ask("gone.mesh");
  const auto read = seen.read("gone.mesh", DnsType::A);
  EXPECT_EQ(read.result, DnsAnswer::Result::NoName);
  EXPECT_EQ(read.ttl.count(), 7) << "until it may be asked for anew";
  say("shop/gone", Known::Yes, {instance("10.0.0.9:80")});
  EXPECT_EQ(a("gone.mesh"), "10.0.0.9");
  say("shop/gone", Known::Absent);
  EXPECT_EQ(a("gone.mesh"), "code 3");
}

TEST_F(Names, OtherTypesThanThereAreAreNoData) {
  registry.say("shop/web", Known::Yes, {instance("10.0.0.1:80")});
  start();
  for (const unsigned type : {28u, 15u, 16u, 65u, 257u}) {
    const auto seen = ask("web.mesh", type);
    EXPECT_EQ(seen.code(), 0) << type;
    EXPECT_EQ(seen.answers(), 0u) << type;
    EXPECT_EQ(seen.authorities(), 1u) << type << ": how long that holds";
  }
  EXPECT_EQ(ask("web.mesh", 255).answers(), 1u) << "of ANY one record is enough";
  EXPECT_EQ(ask("mesh", 6).answers(), 1u) << "SOA of the domain";
  EXPECT_EQ(ask("mesh", 2).answers(), 0u);
  EXPECT_EQ(results("no_data"), 6u);
}

TEST_F(Names, WhatIsNoNameOfAServiceIsNobodyWithoutAsking) {
  start();
  EXPECT_EQ(a("a.b.c.d.e.mesh"), "code 3");
  EXPECT_EQ(a("under_score.mesh"), "code 3");
  EXPECT_EQ(registry.watches, 0);
}

TEST_F(Names, ARegistryThatDoesNotSayIsAFailureAndNoNo) {
  settings.wait = milliseconds(50);
  start();
  const auto seen = ask("silent.mesh");
  EXPECT_EQ(seen.code(), 2);
  EXPECT_NE(seen.bytes.find("registry.dns.wait"), std::string::npos) << "and why, for people";
  EXPECT_EQ(results("not_ready"), 1u);
  say("shop/silent", Known::Stale);
  EXPECT_EQ(a("silent.mesh"), "code 2") << "nobody answers there, and nothing is remembered";
  say("shop/silent", Known::Stale, {instance("10.0.0.1:80")});
  EXPECT_EQ(a("silent.mesh"), "10.0.0.1") << "what was known goes on";
}

TEST_F(Names, WithoutARegistryThereIsAFailure) {
  has_registry = false;
  start();
  EXPECT_EQ(a("web.mesh"), "code 2");
  EXPECT_EQ(results("not_ready"), 1u);
}

TEST_F(Names, SoManyAreWatchedAndNoMore) {
  settings.most_names = 4;
  for (int i = 0; i < 10; ++i) registry.say("shop/s" + std::to_string(i), Known::Absent);
  start();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(a("s" + std::to_string(i) + ".mesh"), "code 3");
  there([&] { EXPECT_EQ(registry.watched(), 4u); });
}

TEST_F(Names, WhereAllAreWaitedForOneMoreIsTold) {
  settings.most_names = 1;
  start();
  auto first = std::async(std::launch::async, [&] { return a("one.mesh"); });
  until("the first to wait", [&] {
    size_t watched = 0;
    there([&] { watched = registry.watched(); });
    return watched == 1;
  });
  EXPECT_EQ(a("two.mesh"), "code 2");
  EXPECT_EQ(results("no_room"), 1u);
  say("shop/one", Known::Absent);
  EXPECT_EQ(first.get(), "code 3");
}

TEST_F(Names, WhereAllAddressesAreGivenTheNextIsTold) {
  addresses = std::make_unique<net::VirtualAddresses>(Network::parse("10.9.8.0/24"), std::nullopt);
  for (size_t i = 0; i < addresses->room(); ++i) addresses->give("a/" + std::to_string(i));
  registry.say("shop/web", Known::Yes, {instance("10.0.0.1:80")});
  start();
  const auto seen = ask("web.mesh");
  EXPECT_EQ(seen.code(), 2);
  EXPECT_NE(seen.bytes.find("registry.dns.ipv4"), std::string::npos);
  EXPECT_EQ(results("no_room"), 1u);
}

TEST_F(Names, WhoHasAnAddressIsSaidToWhoKeepsThem) {
  give_virtual();
  std::atomic<int> saved{0};
  on_given = [&] { ++saved; };
  registry.say("shop/web", Known::Yes, {instance("10.0.0.1:80")});
  start();
  for (int i = 0; i < 5; ++i) a("web.mesh");
  stop();
  EXPECT_EQ(saved, 1) << "once, a moment later or at the end";
}

}  // namespace
}  // namespace outrider::dns
