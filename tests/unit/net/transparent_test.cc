// Sockets with others' addresses, as far as this user may have them.

#include "net/transparent.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "net/capabilities.h"
#include "net/listener.h"
#include "net/original_dst.h"
#include "tests/support/sockets.h"

namespace outrider::net {
namespace {

Address at(const char* text) { return *Address::parse(text); }

TEST(Transparent, WhoMayNotIsToldSo) {
  if (transparency() != 0) GTEST_SKIP() << "this user may";
  EXPECT_FALSE(take_up_transparency());
  const auto fd = open_listener(Address::loopback(0));
  const test::Fd listener(*fd);
  EXPECT_FALSE(let_through(listener.get()));
  const test::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(bind_as(client.get(), at("192.0.2.7:4000")), EPERM);
}

TEST(Transparent, AConnectionIsFromTheClientsAddressAndAPortOfOurChoice) {
  if (!take_up_transparency()) GTEST_SKIP() << "it takes CAP_NET_RAW or CAP_NET_ADMIN";
  for (const char* client : {"192.0.2.7:4000", "[2001:db8::7]:4000"}) {
    const Address from = at(client);
    const test::Fd one(::socket(from.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    const test::Fd other(::socket(from.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (one.get() < 0) continue;  // a kernel without IPv6
    ASSERT_EQ(bind_as(one.get(), from), 0);
    ASSERT_EQ(bind_as(other.get(), from), 0);
    const Address bound = Address::local_of(one.get());
    EXPECT_EQ(bound.ip(), from.ip());
    EXPECT_GE(bound.port(), 10000);
    EXPECT_LT(bound.port(), 32768);
    EXPECT_NE(Address::local_of(other.get()).port(), bound.port());
  }
}

TEST(Transparent, AListenerTakesBothFamilies) {
  if (!take_up_transparency()) GTEST_SKIP() << "it takes CAP_NET_RAW or CAP_NET_ADMIN";
  for (const char* text : {":0", "127.0.0.1:0"}) {
    const test::Fd listener(*open_listener(at(text)));
    EXPECT_TRUE(let_through(listener.get())) << text;
    int on = 0;
    socklen_t length = sizeof on;
    ASSERT_EQ(getsockopt(listener.get(), IPPROTO_IP, IP_TRANSPARENT, &on, &length), 0);
    EXPECT_EQ(on, 1);
  }
}

// What the kernel leads there is shown with real rules, in tests/capture/.
TEST(Transparent, WhatCameDirectlyWasMeantForTheListener) {
  const test::Fd listener(*open_listener(Address::loopback(0)));
  const Address here = Address::local_of(listener.get());
  const test::Fd client = test::connected_to(here);
  const test::Fd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_FALSE(destination_by_tproxy(accepted.get(), here).redirected);
  Address elsewhere = here;
  elsewhere.set_port(uint16_t(here.port() ^ 1));
  const Destination led = destination_by_tproxy(accepted.get(), elsewhere);
  EXPECT_TRUE(led.redirected);
  EXPECT_EQ(led.address, here);
  EXPECT_TRUE(destination_by_tproxy(accepted.get(), at("127.0.0.9:1")).redirected);
}

}  // namespace
}  // namespace outrider::net
