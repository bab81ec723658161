// Questions and their answers, or none.

#include "net/resolver.h"

#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "tests/support/dns_server.h"
#include "tests/support/loop.h"

namespace outrider::net {
namespace {

namespace dns = test::dns;
using Result = DnsAnswer::Result;
using test::DnsReply;
using test::DnsServer;
using test::run_until;

struct Asker final : DnsQuestion {
  void on_dns_answer(const DnsAnswer& answer) override { answers.push_back(answer); }
  std::vector<DnsAnswer> answers;
};

struct ResolverTest : testing::Test {
  Loop loop;
  test::TemporaryDirectory folder;
  DnsServer server;
  Asker asker;
  Resolver::Options to_server() const { return {.servers = {server.text()}}; }
  DnsAnswer answer(Resolver& resolver, const std::string& name, DnsType type = DnsType::A) {
    asker.answers.clear();
    resolver.ask(asker, name, type);
    EXPECT_TRUE(asker.answers.empty()) << "not from inside";
    EXPECT_TRUE(run_until(loop, [&] { return !asker.answers.empty(); }));
    return asker.answers.empty() ? DnsAnswer{} : asker.answers[0];
  }
};

std::string first(const DnsAnswer& answer) { return answer.records.empty() ? "" : answer.records[0].address.ip(); }

TEST_F(ResolverTest, EachAnswerIsKnownByItsResult) {
  Resolver resolver(loop, to_server());
  server.set("web.test", DnsType::A, {{dns::a("10.0.0.1", 60)}});
  server.set("web.test", DnsType::Aaaa, {});
  server.set("ill.test", DnsType::A, {.code = 2});
  server.set("shy.test", DnsType::A, {.code = 5});
  server.set("odd.test", DnsType::A, {{dns::record(1, 9, "abc")}});
  EXPECT_EQ(first(answer(resolver, "web.test")), "10.0.0.1");
  EXPECT_EQ(answer(resolver, "web.test", DnsType::Aaaa).result, Result::NoData);
  EXPECT_EQ(answer(resolver, "no.test").result, Result::NoName);
  EXPECT_EQ(answer(resolver, "odd.test").result, Result::Malformed);
  EXPECT_EQ(answer(resolver, "ill.test").result, Result::ServerFailure);
  EXPECT_EQ(answer(resolver, "shy.test").result, Result::Refused);
  EXPECT_EQ(resolver.servers(), server.text());
}

TEST_F(ResolverTest, WhatIsNoneOfOursIsIgnored) {
  Resolver resolver(loop, to_server());
  server.set("web.test", DnsType::A, {.answers = {dns::a("10.0.0.1", 60)}, .junk_first = true});
  EXPECT_EQ(first(answer(resolver, "web.test")), "10.0.0.1");
}

TEST_F(ResolverTest, WhatIsCutIsAskedForByTcp) {
  Resolver resolver(loop, to_server());
  DnsReply reply{.only_tcp = true};
  for (int i = 0; i < 250; ++i) reply.answers.push_back(dns::a(("10.0.1." + std::to_string(i)).c_str(), 60));
  server.set("web.test", DnsType::A, reply);
  EXPECT_EQ(answer(resolver, "web.test").records.size(), 250u);
  EXPECT_EQ(server.asked_by_tcp(), 1);
}

TEST_F(ResolverTest, SilenceEndsByTheLimit) {
  Resolver resolver(loop, {.servers = {server.text()}, .timeout = milliseconds(100)});
  server.set("web.test", DnsType::A, {.silent = true});
  EXPECT_EQ(answer(resolver, "web.test").result, Result::Timeout);
  EXPECT_GE(server.asked("web.test", DnsType::A), 1);
}

TEST_F(ResolverTest, AServerThatIsNotThereIsUnreachable) {
  Resolver resolver(loop, {.servers = {"127.0.0.1:1"}});
  EXPECT_EQ(answer(resolver, "web.test").result, Result::Unreachable);
}

TEST_F(ResolverTest, WhoGoesHearsNothing) {
  Resolver resolver(loop, to_server());
  server.set("web.test", DnsType::A, {{dns::a("10.0.0.1", 60)}});
  {
    Asker gone;
    resolver.ask(gone, "web.test", DnsType::A);
  }
  resolver.ask(asker, "web.test", DnsType::A);
  asker.take_back();
  EXPECT_FALSE(asker.under_way());
  EXPECT_EQ(first(answer(resolver, "web.test")), "10.0.0.1");
  resolver.ask(asker, "web.test", DnsType::A);  // and goes with the resolver
}

TEST_F(ResolverTest, AddressesInTheFileOfHostsGoBeforeDns) {
  std::ifstream hosts("/etc/hosts");
  if (std::string all((std::istreambuf_iterator<char>(hosts)), {});
      all.find("127.0.0.1\tlocalhost") == all.npos && all.find("127.0.0.1 localhost") == all.npos)
    GTEST_SKIP() << "nobody has written localhost into /etc/hosts here";
  std::ofstream(folder.file("b")) << "nameserver 127.0.0.1\n";
  Resolver resolver(loop, {.resolv_conf = folder.file("b"), .port = server.address().port()});
  server.set("localhost", DnsType::A, {{dns::a("10.6.6.6", 60)}});
  EXPECT_EQ(first(answer(resolver, "localhost")), "127.0.0.1");
  EXPECT_EQ(server.asked("localhost", DnsType::A), 0);
  Resolver given(loop, to_server());
  EXPECT_EQ(first(answer(given, "localhost")), "10.6.6.6");
}

TEST_F(ResolverTest, OtherServersInResolvConfAreAskedFromThenOn) {
  std::optional<DnsServer> other;
  Address beside = server.address();
  {
    sockaddr_in at = *reinterpret_cast<const sockaddr_in*>(beside.raw());
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    beside = Address(reinterpret_cast<const sockaddr*>(&at), sizeof at);
  }
  other.emplace(beside);
  server.set("web.test", DnsType::A, {.silent = true});
  other->set("web.test", DnsType::A, {{dns::a("10.0.0.2", 60)}});
  std::ofstream(folder.file("b")) << "search corp.test\nnameserver 127.0.0.1\n";
  Resolver resolver(loop, {.timeout = milliseconds(20000), .resolv_conf = folder.file("b"), .port = server.address().port()});
  resolver.ask(asker, "web.test", DnsType::A);
  ASSERT_TRUE(test::drive_until(loop, [&] { return server.asked("web.test", DnsType::A) > 0; }));
  std::ofstream(folder.file("b")) << "nameserver 127.0.0.2\nsearch corp.test\n";
  Asker second;  // the question that is under way goes along
  resolver.ask(second, "web.test", DnsType::A);
  ASSERT_TRUE(run_until(loop, [&] { return !second.answers.empty() && !asker.answers.empty(); }));
  EXPECT_EQ(first(asker.answers[0]), "10.0.0.2");
  EXPECT_EQ(first(second.answers[0]), "10.0.0.2");
  EXPECT_EQ(answer(resolver, "no").result, Result::NoName);
  EXPECT_EQ(other->asked("no.corp.test", DnsType::A), 0);
}

}  // namespace
}  // namespace outrider::net
