#include "net/original_dst.h"

#include <gtest/gtest.h>

#include "tests/support/sockets.h"

namespace outrider::net {
namespace {

TEST(OriginalDestination, IsOurOwnAddressWhereNobodyRedirects) {
  test::Fd listener = test::tcp_listener();
  const auto at = Address::local_of(listener.get());
  test::Fd client = test::connected_to(at);
  const test::Fd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const auto destination = destination_of(accepted.get());
  EXPECT_EQ(destination.address.text(), at.text());
  EXPECT_FALSE(destination.redirected);
}

TEST(OriginalDestination, OfAUnixSocketHasNoPort) {
  const auto ends = test::unix_pair();
  EXPECT_EQ(destination_of(ends.first.get()).address.port(), 0);
  EXPECT_FALSE(destination_of(-1).address.valid());
  EXPECT_FALSE(destination_of(-1).redirected);
}

Address at(const char* text) { return *Address::parse(text); }

// What a REDIRECT looks like, with real rules, is tests/capture/.
TEST(OriginalDestination, OfAListenerIsOneOfOurs) {
  const std::vector<Address> listening{at("127.0.0.1:15001"), at("[::1]:15001"), at("[::]:15006"), at("0.0.0.0:81"),
                                       at("unix:/a")};
  EXPECT_TRUE(is_one_of(at("127.0.0.1:15001"), listening));
  EXPECT_TRUE(is_one_of(at("[::1]:15001"), listening));
  EXPECT_FALSE(is_one_of(at("127.0.0.2:15001"), listening)) << "it listens at one address";
  EXPECT_FALSE(is_one_of(at("127.0.0.1:80"), listening));
  EXPECT_TRUE(is_one_of(at("127.9.9.9:15006"), listening)) << "of either family";
  EXPECT_TRUE(is_one_of(at("[::1]:15006"), listening));
  EXPECT_TRUE(is_one_of(at("127.0.0.1:81"), listening));
  EXPECT_FALSE(is_one_of(at("[::1]:81"), listening)) << "a socket of IPv4";
  EXPECT_FALSE(is_one_of(at("192.0.2.1:15006"), listening)) << "the same port of another machine (RFC 5737: of nobody)";
  EXPECT_FALSE(is_one_of(at("[2001:db8::1]:15006"), listening));
}

}  // namespace
}  // namespace outrider::net
