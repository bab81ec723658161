// The way out: what runs is finished, nothing new begins, and the deadline is one.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>

#include "tests/support/h2_peer.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"
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

// Long downloads of both protocols: what ends in time comes whole, the rest is cut, and the exit code says so. Whoever asks for
// more on a connection that is open is answered, with the word that it was the last one.
TEST(Drain, OfManyStreamsThoseThatEndInTimeAreWhole) {
  constexpr int kEach = 20;
  std::promise<void> go_on;
  const auto may_go_on = go_on.get_future().share();
  std::atomic<int> asked{0};
  std::atomic<bool> over{false};
  Origin origin([&](Stream& connection) {
    while (const auto request = connection.read_message()) {
      ++asked;
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
      may_go_on.wait();
      if (request->start.find("/never") != std::string::npos) return void(connection.read_all());
      connection.send("world");
    }
  });
  Proxy proxy(Proxy::edge({origin.text()}), {"lifecycle.drain.time=5s"});
  const auto path = [](int i) { return i % 2 ? "/never" : "/ends"; };
  std::vector<Stream> clients;
  for (int i = 0; i < kEach; ++i) {
    clients.push_back(proxy.connect());
    clients.back().send("GET " + std::string(path(i)) + " HTTP/1.1\r\nHost: web\r\n\r\n");
    ASSERT_TRUE(clients.back().read_until("hello"));
  }
  H2Peer peer(proxy.address());
  for (int i = 0; i < kEach; ++i)
    peer.send(
        http::headers(uint32_t(2 * i + 1), {{":method", "GET"}, {":scheme", "http"}, {":authority", "web"}, {":path", path(i)}}));
  for (int i = 0; i < kEach; ++i) ASSERT_TRUE(peer.reads("DATA " + std::to_string(2 * i + 1) + " hello"));
  EXPECT_EQ(asked, 2 * kEach);
  proxy.begin_end();
  ASSERT_TRUE(peer.reads("GOAWAY"));
  go_on.set_value();
  for (int i = 0; i < kEach; i += 2) {
    EXPECT_EQ(clients[size_t(i)].read_exactly(5), "world");
    EXPECT_TRUE(clients[size_t(i)].at_end()) << "and the connection ends";
    EXPECT_TRUE(peer.reads("DATA " + std::to_string(2 * i + 1) + " end"));
  }
  for (int i = 1; i < kEach; i += 2) {
    EXPECT_EQ(clients[size_t(i)].read_all(), "");
    EXPECT_TRUE(clients[size_t(i)].ended_by_reset()) << "what is cut must not look whole";
  }
  EXPECT_EQ(proxy.end(), 1);
}

// A sidecar whose application is not ours to end: nobody comes in any more, and what it calls is answered until it is gone.
TEST(Drain, WhatTheAppCallsGoesOnUntilItIsGone) {
  const auto other = Origin::answering("other"), app = Origin::answering("app");
  Proxy proxy(
      "version: 1\nmode: sidecar\nregistry: {kind: none}\nservice: {name: shop, port: " + std::to_string(app->address().port()) +
          "}\nclusters: {other: {endpoints: [\"" + other->text() + "\"]}}\nroutes: {outbound: [{cluster: other}]}\n",
      {"listeners.inbound.address=127.0.0.1:0", "listeners.outbound.address=127.0.0.1:0", "lifecycle.outbound_until=app_exit",
       "lifecycle.drain.time=60s"});
  const net::Address inbound = proxy.address("inbound"), outbound = proxy.address("outbound");
  EXPECT_EQ(request(outbound, kGet).body, "other");
  proxy.begin_end();
  expect_refusing(inbound);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(request(outbound, kGet).body, "other");
  app->stop();
  expect_refusing(outbound);
  EXPECT_EQ(proxy.end(), 0);
}

TEST(Drain, WhatTheAppCallsMayEndWithTheRest) {
  const auto app = Origin::answering("app");
  Proxy proxy("version: 1\nmode: sidecar\nregistry: {kind: none}\nservice: {name: shop, port: " +
                  std::to_string(app->address().port()) + "}\n",
              {"listeners.inbound.address=127.0.0.1:0", "listeners.outbound.address=127.0.0.1:0", "lifecycle.drain.time=60s"});
  const net::Address outbound = proxy.address("outbound");
  proxy.begin_end();
  expect_refusing(outbound);
  EXPECT_EQ(proxy.end(), 0) << "though the app is there";
}

TEST(Drain, ThePageThatQuitsMayBeOff) {
  const auto origin = Origin::answering("fine");
  const std::string quit = "POST /quitquitquit HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  Proxy off(Proxy::edge({origin->text()}), {"lifecycle.quit=off"});
  const auto refused = request(off.address("admin"), quit);
  EXPECT_EQ(refused.status(), 403);
  EXPECT_NE(refused.body.find("lifecycle.quit"), std::string::npos);
  EXPECT_EQ(request(off.address(), kGet).status(), 200);
  Proxy on(Proxy::edge({origin->text()}));
  const net::Address at = on.address();
  EXPECT_EQ(request(on.address("admin"), quit).status(), 202);
  expect_refusing(at);
}

}  // namespace
}  // namespace outrider::test
