// The way out: what runs is finished, nothing new begins, and the deadline is one.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>

#include "tests/support/origin.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";

// Whether somebody takes a connection and does not drop it at once.
bool accepted(const net::Address& to) {
  const int fd = ::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = ::connect(fd, to.raw(), to.length()) == 0;
  ::close(fd);
  return connected;
}

void expect_refusing(const net::Address& at) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (accepted(at))
    if (std::chrono::steady_clock::now() > limit) {
      ADD_FAILURE() << "still taking connections";
      return;
    }
}

struct Slow {
  std::promise<void> go_on;
  std::shared_future<void> may_go_on = go_on.get_future().share();
  std::promise<void> asked;
  Origin origin{[this](Stream& connection) {
    if (!connection.read_message()) return;
    asked.set_value();
    may_go_on.wait();
    connection.send(ok("late"));
    connection.read_all();
  }};
};

TEST(Drain, WhatRunsIsFinishedAndNothingNewBegins) {
  Slow endpoint;
  Proxy proxy(Proxy::edge({endpoint.origin.text()}));
  const net::Address at = proxy.address();
  Stream busy = proxy.connect(), idle = proxy.connect();
  proxy.expect_metric(2, "outrider_connections_active");
  busy.send(kGet);
  endpoint.asked.get_future().wait();
  proxy.begin_end();
  EXPECT_TRUE(idle.at_end());
  EXPECT_FALSE(idle.ended_by_reset());
  expect_refusing(at);
  endpoint.go_on.set_value();
  const auto answer = busy.read_message();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "late");
  EXPECT_EQ(answer->field("connection"), "close");
  EXPECT_TRUE(busy.at_end());
  EXPECT_EQ(proxy.end(), 0);
}

// Who is in the queue when the door closes has been let in by the kernel, and is served.
TEST(Drain, WhoCameBeforeIsServed) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}));
  std::vector<Stream> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(proxy.connect());
    clients.back().send(kGet);
  }
  proxy.begin_end();
  for (auto& client : clients) {
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "fine");
  }
  EXPECT_EQ(proxy.end(), 0);
}

TEST(Drain, TheDeadlineCutsSoThatNothingLooksWhole) {
  std::promise<void> asked;
  Origin origin([&](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    connection.read_all();
  });
  Proxy proxy(Proxy::edge({origin.text()}), {"lifecycle.drain.time=100ms"});
  Stream client = proxy.connect();
  client.send("GET /a HTTP/1.0\r\nHost: web\r\n\r\n");  // for this client a FIN would be the end of the body
  ASSERT_TRUE(client.read_until("hello"));
  proxy.begin_end();
  EXPECT_EQ(client.read_all(), "");
  EXPECT_TRUE(client.ended_by_reset());
  EXPECT_EQ(proxy.end(), 1);
}

TEST(Drain, TcpConnectionsMayFinish) {
  Origin origin([](Stream& connection) {
    for (std::string some; !(some = connection.read_some(100)).empty();) connection.send(some);
    connection.finish_sending();
  });
  Proxy proxy(Proxy::edge({origin.text()}, "protocol: tcp", "protocol: tcp"));
  const net::Address at = proxy.address();
  Stream client = proxy.connect();
  client.send("one");
  EXPECT_EQ(client.read_exactly(3), "one");
  proxy.begin_end();
  expect_refusing(at);
  client.send("two");
  EXPECT_EQ(client.read_exactly(3), "two");
  client.finish_sending();
  EXPECT_TRUE(client.at_end());
  EXPECT_EQ(proxy.end(), 0);
}

}  // namespace
}  // namespace outrider::test
