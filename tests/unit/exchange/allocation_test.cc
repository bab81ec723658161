// "The warm path calls neither malloc nor a lock": counted over the whole exchange, from a client's socket to an
// endpoint's and back, on one thread. Not where a sanitizer has put its own malloc in place.

#include <gtest/gtest.h>

#include <mutex>

#include "tests/support/world.h"

namespace outrider::exchange {
namespace {

using test::allocations;
using test::counting;
using test::locks;
using test::World;

const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nX-One: two\r\n\r\nfine!";

void expect_none(std::string_view request, std::string_view answer = kAnswer, std::string_view ending = "fine!") {
  if (!test::kCountsCalls) GTEST_SKIP() << "a sanitizer has its own malloc";
  World world;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(world.exchange(request, answer, ending));
  allocations = locks = 0;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(world.exchange(request, answer, ending));
  EXPECT_EQ(allocations, 0) << "in 1000 exchanges";
  EXPECT_EQ(locks, 0) << "in 1000 exchanges";
}

TEST(WarmPath, AGetCallsNeitherMallocNorALock) {
  expect_none(
      "GET /a/b?c=d HTTP/1.1\r\nHost: web\r\nUser-Agent: test\r\nAccept: */*\r\nX-Forwarded-For: 1.2.3.4\r\n"
      "Connection: keep-alive\r\nCookie: a=b\r\n\r\n");
}

TEST(WarmPath, APostWithABodyCallsNeither) {
  expect_none("POST /a HTTP/1.1\r\nHost: web\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n" +
              std::string(1000, 'b'));
}

TEST(WarmPath, ChunksBothWaysCallNeither) {
  expect_none("PUT /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfine!\r\n0\r\nX-Sum: 5\r\n\r\n", "X-Sum: 5\r\n\r\n");
}

// The counters count: what is not warm yet does allocate.
TEST(WarmPath, WhatIsNotWarmYetIsSeenToAllocateAndALockToLock) {
  if (!test::kCountsCalls) GTEST_SKIP() << "a sanitizer has its own malloc";
  World world;
  allocations = 0;
  ASSERT_TRUE(world.exchange("GET /a HTTP/1.1\r\nHost: web\r\n\r\n", kAnswer, "fine!"));
  EXPECT_GT(allocations, 0);
  std::mutex mutex;
  locks = 0;
  counting = true;
  mutex.lock();
  counting = false;
  mutex.unlock();
  EXPECT_EQ(locks, 1);
}

}  // namespace
}  // namespace outrider::exchange
