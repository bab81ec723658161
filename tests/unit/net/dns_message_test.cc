// Answers of DNS as they come.

#include "net/dns_message.h"

#include <gtest/gtest.h>

#include "tests/support/dns_server.h"

namespace outrider::net {
namespace {

namespace dns = test::dns;
using Result = DnsAnswer::Result;
using test::DnsReply;

std::string message(DnsReply reply, const std::string& name = "web.test", DnsType type = DnsType::A) {
  return reply.message("id", dns::name(name) + dns::two(unsigned(type)) + dns::two(1));
}

DnsAnswer read(DnsReply reply, DnsType type = DnsType::A) {
  return read_dns_answer(message(std::move(reply), "web.test", type), "web.test", type);
}

TEST(DnsMessage, AddressesComeWithTheLeastOfTheirTimes) {
  const auto found = read({{dns::a("10.0.0.1", 60), dns::a("10.0.0.2", 30)}});
  EXPECT_EQ(found.result, Result::Found);
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(found.records[0].address.ip(), "10.0.0.1");
  EXPECT_EQ(found.ttl.count(), 30);
  const auto v6 = read({{dns::aaaa("fd00::1", 5)}}, DnsType::Aaaa);
  ASSERT_EQ(v6.records.size(), 1u);
  EXPECT_EQ(v6.records[0].address.ip(), "fd00::1");
}

TEST(DnsMessage, AliasesAreFollowedWhateverTheirOrderAndCase) {
  const auto found = read({{dns::a("10.0.0.1", 60, "B.test"), dns::cname("b.test", 7, "a.test"), dns::cname("A.test", 20)}});
  EXPECT_EQ(found.result, Result::Found);
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.ttl.count(), 7);
  EXPECT_EQ(read({{dns::cname("web.test", 20)}}).result, Result::NoData) << "round and round";
}

TEST(DnsMessage, RecordsOfOtherNamesAreLeftAside) {
  const auto found = read({{dns::a("10.6.6.6", 60, "evil.test"), dns::a("10.0.0.1", 60)}});
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0].address.ip(), "10.0.0.1");
  EXPECT_EQ(read({{dns::a("10.6.6.6", 60, "evil.test")}}).result, Result::NoData);
}

TEST(DnsMessage, ServicesHaveTargetsAndADotIsNone) {
  const auto found = read({{dns::srv(10, 5, 8080, "A.web.test", 9), dns::srv(0, 0, 0, "")}}, DnsType::Srv);
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0].target, "a.web.test");
  EXPECT_EQ(found.records[0].port, 8080);
  EXPECT_EQ(found.records[0].priority, 10);
  EXPECT_EQ(found.records[0].weight, 5);
  EXPECT_EQ(read({{dns::srv(0, 0, 0, "")}}, DnsType::Srv).result, Result::NoData);
}

TEST(DnsMessage, ThereIsNoneForAsLongAsTheZoneSays) {
  auto none = read({{}, {dns::soa(60, 10)}, 3});
  EXPECT_EQ(none.result, Result::NoName);
  EXPECT_EQ(none.ttl.count(), 10);
  none = read({{}, {dns::soa(5, 10)}});
  EXPECT_EQ(none.result, Result::NoData);
  EXPECT_EQ(none.ttl.count(), 5);
  EXPECT_EQ(read({{}, {}, 2}).result, Result::ServerFailure);
  EXPECT_EQ(read({{}, {}, 5}).result, Result::Refused);
}

TEST(DnsMessage, ATimeWithItsHighestBitIsNone) { EXPECT_EQ(read({{dns::a("10.0.0.1", 0x80000000u)}}).ttl.count(), 0); }

TEST(DnsMessage, WhatIsCutAnywhereIsMalformedOrEmptyAndNothingElse) {
  const std::string whole = message({{dns::cname("a.test", 7), dns::a("10.0.0.1", 60, "a.test")}});
  for (size_t n = 0; n < whole.size(); ++n) {
    const auto read = read_dns_answer(std::string_view(whole).substr(0, n), "web.test", DnsType::A);
    EXPECT_EQ(read.result, Result::Malformed) << n;
    EXPECT_TRUE(read.records.empty());
  }
  std::string wrong = message({{dns::record(1, 9, "abc")}});
  EXPECT_EQ(read_dns_answer(wrong, "web.test", DnsType::A).result, Result::Malformed);
}

}  // namespace
}  // namespace outrider::net
