// Whatever clients send, and how much of it.

#include "ground.h"

namespace outrider::dns {
namespace {

using net::DnsType;

struct DnsClients : Ground {
  DnsClients() {
    settings.zone.own_namespace = "shop";
    registry.say("shop/web", Known::Yes, {instance("10.0.0.1:80")});
  }
  test::Fd open() {
    test::Fd fd = test::connected_to(at);
    return fd;
  }
  static std::string framed(const std::string& message) { return test::dns::two(unsigned(message.size())) + message; }
  // Until `n` bytes have come, or the end.
  static std::string read(test::Fd& fd, size_t n) {
    std::string in;
    for (const auto end = net::Loop::clock() + seconds(20); in.size() < n && net::Loop::clock() < end;) {
      pollfd waiting{fd.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 20000) <= 0) break;
      const auto got = fd.read_some(n - in.size());
      in += got.bytes;
      if (got.end || got.error) break;
    }
    return in;
  }
};

TEST_F(DnsClients, OneConnectionMayAskManyQuestionsAtOnceAndInPieces) {
  start();
  test::Fd client = open();
  std::string all;
  for (uint16_t id = 1; id <= 100; ++id) all += framed(test::DnsAsk{.name = "web.mesh", .id = id}.message());
  for (size_t i = 0; i < all.size(); i += 7) ASSERT_GT(client.write_some(all.substr(i, 7)), 0u);
  const size_t each = ask("web.mesh", 1, true, 0).bytes.size() + 2;
  const std::string in = read(client, 100 * each);
  ASSERT_EQ(in.size(), 100 * each);
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(uint8_t(in[i * each + 3]), i + 1);
}

TEST_F(DnsClients, WhoHalfClosesIsAnsweredAndThenLeft) {
  start();
  test::Fd client = open();
  const std::string asked = framed(test::DnsAsk{.name = "web.mesh"}.message());
  ASSERT_EQ(client.write_some(asked), asked.size());
  client.shut_write();
  const std::string in = read(client, 4096);
  EXPECT_EQ(test::DnsSeen{in.substr(2)}.text("web.mesh", DnsType::A), "10.0.0.1");
}

TEST_F(DnsClients, WhoIsIdleIsLeft) {
  settings.idle = milliseconds(50);
  start();
  test::Fd client = open();
  EXPECT_EQ(read(client, 1), "") << "the end";
}

TEST_F(DnsClients, ConnectionsAreCountedAndRefused) {
  settings.most_connections = 2;
  start();
  test::Fd one = open(), two = open();
  until("the third to be refused", [&] {
    test::Fd third = open();
    (void)read(third, 1);
    return dropped("connections") > 0;
  });
  one.close();
  until("room", [&] { return ask("web.mesh", 1, true).code() == 0; });
}

TEST_F(DnsClients, WhatIsNoQuestionEndsAConnectionAndIsDroppedFromDatagrams) {
  start();
  for (const std::string& odd : {std::string("\0\0", 2), std::string("\xff\xff", 2), std::string("\0\x0cxxxxxxxxxxxx", 14),
                                 framed(std::string("\0\0\x80\0\0\0\0\0\0\0\0\0", 12))}) {
    test::Fd client = open();
    client.write_some(odd);
    client.shut_write();
    (void)read(client, 100);
  }
  const test::Fd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), at.raw(), at.length()), 0);
  for (const std::string& odd :
       {std::string("x"), std::string(), std::string(65000, 'x'), std::string("\0\0\x80\0\0\0\0\0\0\0\0\0", 12)})
    ::send(client.get(), odd.data(), odd.size(), 0);
  EXPECT_EQ(ask("web.mesh").text("web.mesh", DnsType::A), "10.0.0.1");
  EXPECT_GE(dropped("no_query"), 5u);
}

TEST_F(DnsClients, TheRefusedAreToldWhy) {
  start();
  std::string malformed = test::DnsAsk{.name = "web.mesh"}.message() + "x";
  EXPECT_EQ(test::ask_dns(at, malformed).code(), 1);
  std::string update = test::DnsAsk{.name = "web.mesh"}.message();
  update[2] = char(5 << 3);
  EXPECT_EQ(test::ask_dns(at, update).code(), 4);
  EXPECT_EQ(ask("mesh", 252, true).code(), 5) << "no zone is transferred";
  EXPECT_EQ(test::ask_dns(at, test::DnsAsk{.name = "web.mesh", .type = 16, .klass = 3}).code(), 5);
  EXPECT_EQ(results("malformed"), 1u);
  EXPECT_EQ(results("refused"), 3u);
}

TEST_F(DnsClients, MoreThanTheRateIsDropped) {
  settings.rate = 10;
  start();
  const test::Fd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), at.raw(), at.length()), 0);
  const std::string asked = test::DnsAsk{.name = "web.mesh"}.message();
  until("some to be dropped", [&] {
    ::send(client.get(), asked.data(), asked.size(), 0);
    return dropped("rate") > 0;
  });
}

// Anything at all, by both ways; it must stay up, and answer whoever asks properly.
TEST_F(DnsClients, NoiseDoesNoHarm) {
  start();
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const test::Fd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), at.raw(), at.length()), 0);
  const std::string good = test::DnsAsk{.name = "web.shop.mesh", .udp_bytes = 1232}.message();
  for (int i = 0; i < 2000; ++i) {
    std::string odd = good;
    for (uint32_t n = 1 + random.below(4); n > 0; --n) odd[2 + random.below(uint32_t(odd.size() - 2))] = char(random.next());
    odd.resize(random.below(uint32_t(odd.size() + 1)));
    ::send(client.get(), odd.data(), odd.size(), 0);
    if (i % 50 == 0) {
      test::Fd stream = open();
      stream.write_some(framed(odd));
    }
    if (i % 100 == 0) ASSERT_EQ(ask("web.mesh", 1, true).code(), 0);
  }
  EXPECT_EQ(ask("web.mesh", 1, true).text("web.mesh", DnsType::A), "10.0.0.1");
}

}  // namespace
}  // namespace outrider::dns
