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
  EXPECT_EQ(destination_of(accepted.get()).text(), at.text());
}

TEST(OriginalDestination, OfAUnixSocketHasNoPort) {
  const auto ends = test::unix_pair();
  EXPECT_EQ(destination_of(ends.first.get()).port(), 0);
  EXPECT_FALSE(destination_of(-1).valid());
}

}  // namespace
}  // namespace outrider::net
