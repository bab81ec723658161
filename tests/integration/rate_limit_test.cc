// Requests that come too often, at one proxy (FEATURES row 49; those of several together: mesh_limit_test.cc).

#include <gtest/gtest.h>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

struct LocalRateLimit : testing::Test {
  void start(const std::string& options) {
    proxy = std::make_unique<Proxy>(Proxy::edge({origin->text()}) + "filters: {edge: [{rate_limit: {" + options + "}}]}\n",
                                    std::vector<std::string>{"overload.threads=2"});
  }
  Message ask(const std::string& fields = {}) {
    return request(proxy->address(), "GET / HTTP/1.1\r\nHost: web\r\n" + fields + "Connection: close\r\n\r\n");
  }
  std::unique_ptr<Origin> origin = Origin::answering("fine");
  std::unique_ptr<Proxy> proxy;
};

// All workers have one bucket between them.
TEST_F(LocalRateLimit, ABurstIsLetInAndTheNextIsToldWhenToComeAgain) {
  start("rate: 1/h, burst: 5");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask().status(), 200);
  const auto refused = ask();
  EXPECT_EQ(refused.status(), 429);
  EXPECT_EQ(refused.field("x-outrider-reason"), "rate_limit");
  EXPECT_GT(std::stoi("0" + refused.field("retry-after")), 3000);
  EXPECT_EQ(origin->requests(), 5);
  proxy->expect_metric(1, "outrider_rate_limited_total", "scope=\"local\"");
}

TEST_F(LocalRateLimit, EachKeyHasItsOwn) {
  start("rate: 1/h, burst: 1, key: header.x-client, status: 503");
  EXPECT_EQ(ask("X-Client: anna\r\n").status(), 200);
  EXPECT_EQ(ask("X-Client: anna\r\n").status(), 503);
  EXPECT_EQ(ask("X-Client: bob\r\n").status(), 200);
}

}  // namespace
}  // namespace outrider::test
