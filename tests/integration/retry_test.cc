// What is sent again elsewhere, and what is not.

#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

struct Retry : testing::Test {
  std::atomic<int> deaths{0};
  // As a process that is killed after it has taken a request in.
  Origin dying{[this](Stream& connection) {
    if (!connection.read_message()) return;
    ++deaths;
    connection.abort();
  }};
  std::unique_ptr<Origin> good = Origin::answering("fine");
  Proxy proxy{Proxy::edge({dying.text(), good->text()}, "lb: round_robin, panic: 0%")};
  static std::string ask(const std::string& method, const std::string& more = {}) {
    return method + " / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n" + more + "\r\n";
  }
};

TEST_F(Retry, AReadThatItsEndpointDiedOverIsAnsweredByAnother) {
  for (int i = 0; i < 10; ++i) {
    const auto answer = request(proxy.address(), ask("GET"));
    EXPECT_EQ(answer.status(), 200) << answer.body;
  }
  EXPECT_GE(deaths, 1);
  proxy.expect_metric(deaths, "outrider_cluster_retries_total", "result=\"success\"");
}

TEST_F(Retry, AWriteThatAnEndpointMayHaveSeenIsNotRepeated) {
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    const auto answer = request(proxy.address(), ask("POST", "Content-Length: 0\r\n"));
    if (answer.status() != 200) ++refused;
    if (answer.status() != 200) EXPECT_EQ(answer.status(), 502) << answer.body;
  }
  EXPECT_GE(refused, 1);
  EXPECT_EQ(refused, deaths);
  EXPECT_EQ(proxy.metric("outrider_cluster_retries_total"), 0);
}

}  // namespace
}  // namespace outrider::test
