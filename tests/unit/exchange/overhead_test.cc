// outrider_proxy_overhead_seconds: what an endpoint, or somebody else, was waited for is not in it.

#include <gtest/gtest.h>

#include "stats/histogram.h"
#include "stats/names.h"
#include "tests/support/world.h"

namespace outrider::exchange {
namespace {

constexpr std::string_view kRequest = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";
constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

uint64_t sum_of(const stats::Catalog& catalog, const stats::Name& name, uint64_t count) {
  for (const stats::Series* series : catalog.series())
    if (series->name.name == std::string_view(name.name)) {
      const auto histogram = catalog.histogram(*series);
      EXPECT_EQ(histogram.count(), count);
      return histogram.sum();
    }
  ADD_FAILURE() << "no " << name.name;
  return 0;
}

struct Overhead : ::testing::Test {
  // All of it, less than a microsecond of each of its parts.
  uint64_t overhead() { return sum_of(world.catalog, stats::names::kProxyOverhead, asked); }
  uint64_t duration() { return sum_of(world.catalog, stats::names::kRequestDuration, asked); }
  void ask() {
    ASSERT_TRUE(world.exchange(kRequest, kAnswer, "ok"));
    ++asked;
  }
  test::World world;
  uint64_t asked = 0;
};

TEST_F(Overhead, IsPartOfTheDuration) {
  ask();
  EXPECT_LE(overhead(), duration());
}

// The endpoint keeps it waiting for as long as everything else has taken, and a hundred times that.
TEST_F(Overhead, AnEndpointThatIsSlowIsNotInIt) {
  ask();  // the connection is there from now on
  const uint64_t before = duration();
  uint64_t held = 0;
  world.before_answer = [&] {
    const TimePoint since = net::Loop::clock();
    const auto enough = std::chrono::microseconds(100 * before + 1000);
    while (net::Loop::clock() - since < enough) world.loop.run_turn(false);
    held = uint64_t(std::chrono::duration_cast<std::chrono::microseconds>(net::Loop::clock() - since).count());
  };
  ask();
  EXPECT_GE(duration(), held);
  EXPECT_LE(overhead(), duration() - held + 2);
}

// Likewise while a connection is not there yet: what is dropped by the endpoint is tried again, and both tries are waited for.
TEST_F(Overhead, ATryThatFailedIsNotInIt) {
  ask();
  const uint64_t before = duration();
  uint64_t held = 0;
  world.before_answer = [&] {
    const TimePoint since = net::Loop::clock();
    const auto enough = std::chrono::microseconds(100 * before + 1000);
    while (net::Loop::clock() - since < enough) world.loop.run_turn(false);
    held = uint64_t(std::chrono::duration_cast<std::chrono::microseconds>(net::Loop::clock() - since).count());
    world.drop_origin();
  };
  ask();
  EXPECT_GE(duration(), held);
  EXPECT_LE(overhead(), duration() - held + 2);
}

}  // namespace
}  // namespace outrider::exchange
