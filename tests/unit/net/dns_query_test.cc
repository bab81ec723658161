// Questions of DNS as they come, and answers of our own.

#include "net/dns_query.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "tests/support/dns_client.h"

namespace outrider::net {
namespace {

namespace dns = test::dns;
using Form = DnsQuery::Form;
using test::DnsAsk;
using test::DnsSeen;

TEST(DnsQuery, AQuestionIsReadAndItsLettersAreKept) {
  const auto query = read_dns_query(DnsAsk{.name = "ReViews.SHOP.mesh", .type = 28, .udp_bytes = 1232, .id = 7}.message());
  EXPECT_EQ(query.form, Form::Question);
  EXPECT_EQ(query.id, 7);
  EXPECT_EQ(query.name, "reviews.shop.mesh");
  EXPECT_EQ(query.type, 28);
  EXPECT_EQ(query.klass, 1);
  EXPECT_TRUE(query.recursion);
  EXPECT_TRUE(query.extended);
  EXPECT_EQ(query.udp_bytes, 1232);
  EXPECT_EQ(query.question, dns::name("ReViews.SHOP.mesh") + dns::two(28) + dns::two(1));
  const auto plain = read_dns_query(DnsAsk{.name = "a", .recursion = false}.message());
  EXPECT_FALSE(plain.extended);
  EXPECT_FALSE(plain.recursion);
  EXPECT_EQ(plain.udp_bytes, 512);
  EXPECT_EQ(read_dns_query(DnsAsk{.name = "a", .udp_bytes = 100}.message()).udp_bytes, 512) << "no less than everybody takes";
  EXPECT_EQ(read_dns_query(DnsAsk{.name = ""}.message()).name, "") << "the root";
}

TEST(DnsQuery, WhatIsInNoHostsNameIsAStar) {
  std::string odd = DnsAsk{.name = "ab.mesh"}.message();
  odd[13] = '.';
  EXPECT_EQ(read_dns_query(odd).name, "*b.mesh") << "a dot within a label is no dot between two";
  odd[13] = '\0';
  EXPECT_EQ(read_dns_query(odd).name, "*b.mesh");
}

TEST(DnsQuery, WhatIsNoQuestionIsNotAnswered) {
  EXPECT_EQ(read_dns_query("").form, Form::Nothing);
  EXPECT_EQ(read_dns_query("elevenbytes").form, Form::Nothing);
  std::string answer = DnsAsk{.name = "a"}.message();
  answer[2] = char(0x80);
  EXPECT_EQ(read_dns_query(answer).form, Form::Nothing) << "two servers that answer each other would never stop";
}

TEST(DnsQuery, WhatIsCutOrHasMoreIsMalformed) {
  const std::string whole = DnsAsk{.name = "reviews.shop.mesh", .udp_bytes = 512}.message();
  for (size_t n = kDnsHeader; n < whole.size(); ++n)
    EXPECT_EQ(read_dns_query(std::string_view(whole).substr(0, n)).form, Form::Malformed) << n;
  EXPECT_EQ(read_dns_query(whole).form, Form::Question);
  EXPECT_EQ(read_dns_query(whole + "x").form, Form::Malformed);
  EXPECT_EQ(read_dns_query(whole + std::string(5000, 'x')).form, Form::Malformed);
  for (const size_t count : {4, 6, 8}) {
    std::string odd = whole;
    odd[count + 1] = char(odd[count + 1] + 1);
    EXPECT_EQ(read_dns_query(odd).form, Form::Malformed) << count;
  }
  std::string pointer = whole;
  pointer[12] = char(0xc0);
  EXPECT_EQ(read_dns_query(pointer).form, Form::Malformed) << "there is nothing before it to point to";
  std::string twice = whole + whole.substr(whole.size() - 11);
  twice[11] = 2;
  EXPECT_EQ(read_dns_query(twice).form, Form::Malformed) << "EDNS said twice (RFC 6891 6.1.1)";
  std::string longest =
      DnsAsk{.name = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(61, 'd')}
          .message();
  EXPECT_EQ(read_dns_query(longest).form, Form::Question);
  longest =
      DnsAsk{.name = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(63, 'd')}
          .message();
  EXPECT_EQ(read_dns_query(longest).form, Form::Malformed) << "more than 255 bytes";
}

TEST(DnsQuery, OtherOperationsAndVersionsAreSaidToBe) {
  std::string notify = DnsAsk{.name = "a"}.message();
  notify[2] = char(4 << 3);
  const auto query = read_dns_query(notify);
  EXPECT_EQ(query.form, Form::OtherOperation);
  const DnsSeen said{DnsReply(query, DnsCode::NotImplemented, false).text(512)};
  EXPECT_EQ(said.code(), 4);
  EXPECT_EQ(said.bytes[2] >> 3 & 15, 4) << "it says which";
  std::string later = DnsAsk{.name = "a", .udp_bytes = 512}.message();
  later[later.size() - 5] = 1;
  const auto newer = read_dns_query(later);
  EXPECT_EQ(newer.form, Form::OtherVersion);
  const std::string text = DnsReply(newer, DnsCode::BadVersion, false).text(512);
  EXPECT_EQ(text[3] & 15, 0);
  EXPECT_EQ(text[text.size() - 6], 1) << "16 is 1 in OPT and 0 in the header";
}

TEST(DnsReply, HasItsQuestionAndItsRecords) {
  const auto query = read_dns_query(DnsAsk{.name = "A.mesh", .udp_bytes = 4096}.message());
  DnsReply reply(query, DnsCode::Fine, true);
  for (const char* ip : {"10.0.0.1:0", "10.0.0.2:0"}) reply.address(*Address::parse(ip), 5);
  const DnsSeen seen{reply.text(4096)};
  EXPECT_EQ(seen.code(), 0);
  EXPECT_TRUE(seen.authoritative());
  EXPECT_EQ(seen.bytes.substr(12, query.question.size()), query.question) << "bit for bit";
  EXPECT_EQ(seen.text("a.mesh", DnsType::A), "10.0.0.1 10.0.0.2");
  EXPECT_EQ(seen.read("a.mesh", DnsType::A).ttl.count(), 5);
  EXPECT_EQ(seen.additional(), 1u) << "EDNS is answered with EDNS";
}

TEST(DnsReply, WhatDoesNotFitIsCutAndSaysSo) {
  const auto query = read_dns_query(DnsAsk{.name = "a.mesh"}.message());
  DnsReply reply(query, DnsCode::Fine, true);
  for (int i = 0; i < 60; ++i) reply.address(Address::loopback(0), 5);
  const DnsSeen cut{reply.text(512)}, whole{reply.text(65535)};
  EXPECT_TRUE(cut.cut());
  EXPECT_EQ(cut.answers(), 0u);
  EXPECT_LE(cut.bytes.size(), 512u);
  EXPECT_FALSE(whole.cut());
  EXPECT_EQ(whole.answers(), 60u);
  EXPECT_EQ(whole.additional(), 0u) << "who does not speak EDNS is not answered with it";
}

TEST(DnsReply, WhatIsOnlyOfUseIsLeftOutFirst) {
  const auto query = read_dns_query(DnsAsk{.name = "a.mesh", .type = 33}.message());
  DnsReply reply(query, DnsCode::Fine, true);
  reply.service(1, 2, 8080, "b.a.mesh", 5);
  for (int i = 0; i < 60; ++i) reply.also("b.a.mesh", Address::loopback(0), 5);
  const DnsSeen seen{reply.text(512)};
  EXPECT_FALSE(seen.cut());
  EXPECT_EQ(seen.additional(), 0u);
  EXPECT_EQ(seen.text("a.mesh", DnsType::Srv), "b.a.mesh:8080");
}

TEST(DnsReply, ANoHoldsAsLongAsItSaysAndTellsWhy) {
  const auto query = read_dns_query(DnsAsk{.name = "nobody.mesh", .udp_bytes = 1232}.message());
  DnsReply reply(query, DnsCode::NoName, true);
  reply.authority("mesh", 7);
  reply.explain(14, "because of the weather");
  const DnsSeen seen{reply.text(1232)};
  const auto read = seen.read("nobody.mesh", DnsType::A);
  EXPECT_EQ(read.result, DnsAnswer::Result::NoName);
  EXPECT_EQ(read.ttl.count(), 7);
  EXPECT_NE(seen.bytes.find(std::string("\0\x0f\0\x18\0\x0e", 6) + "because of the weather"), std::string::npos);
}

TEST(DnsAnswers, AreTakenForTheQuestionThatWasAskedAlone) {
  const std::string asked = DnsAsk{.name = "web.test", .id = 0x1234}.message();
  const std::string question = asked.substr(12);
  const auto answer = [&](const std::string& name, uint16_t id = 0x1234, uint16_t type = 1) {
    return test::DnsReply{{dns::a("10.0.0.1")}}.message(dns::two(id), dns::name(name) + dns::two(type) + dns::two(1));
  };
  EXPECT_TRUE(is_answer_to(answer("web.test"), 0x1234, question));
  EXPECT_TRUE(is_answer_to(answer("wEb.test"), 0x1234, question)) << "some servers change letters";
  EXPECT_FALSE(is_answer_to(answer("web.test", 0x1235), 0x1234, question));
  EXPECT_FALSE(is_answer_to(answer("web.evil"), 0x1234, question));
  EXPECT_FALSE(is_answer_to(answer("web.test", 0x1234, 28), 0x1234, question));
  EXPECT_FALSE(is_answer_to(asked, 0x1234, question)) << "the question itself";
  for (const size_t n : {0, 11, 12, 20}) EXPECT_FALSE(is_answer_to(answer("web.test").substr(0, n), 0x1234, question)) << n;
}

TEST(ReverseNames, AreAddresses) {
  EXPECT_EQ(read_reverse_name("4.3.2.1.in-addr.arpa").ip(), "1.2.3.4");
  EXPECT_EQ(read_reverse_name("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.6.2.7.4.7.5.7.f.6.d.f.ip6.arpa").ip(),
            "fd6f:7574:7269::1");
  for (const char* none :
       {"", "in-addr.arpa", "3.2.1.in-addr.arpa", "5.4.3.2.1.in-addr.arpa", "256.2.3.4.in-addr.arpa", "a.2.3.4.in-addr.arpa",
        "0001.2.3.4.in-addr.arpa", "1.ip6.arpa", "x.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.6.2.7.4.7.5.7.f.6.d.f.ip6.arpa"})
    EXPECT_FALSE(read_reverse_name(none).valid()) << none;
}

}  // namespace
}  // namespace outrider::net
