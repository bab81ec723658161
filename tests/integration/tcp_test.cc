// TCP through the whole proxy.

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <atomic>

#include <cstring>
#include <future>
#include <thread>

#include "base/random.h"
#include "tests/support/blackhole.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

std::string tcp(const std::vector<std::string>& endpoints, const std::string& cluster = {}, const std::string& listener = {}) {
  return Proxy::edge(endpoints, cluster.empty() ? "protocol: tcp" : "protocol: tcp, " + cluster,
                     listener.empty() ? "protocol: tcp" : "protocol: tcp, " + listener);
}

void echo(Stream& connection) {
  for (;;) {
    const std::string bytes = connection.read_some(65536);
    if (bytes.empty()) return connection.finish_sending();
    if (!connection.send(bytes)) return;
  }
}

TEST(Tcp, BytesPassBothWays) {
  Origin origin(echo);
  Proxy proxy(tcp({origin.text()}));
  Stream client = proxy.connect();
  for (int i = 0; i < 20; ++i) {
    const std::string word = "message " + std::to_string(i);
    client.send(word);
    EXPECT_EQ(client.read_exactly(word.size()), word);
  }
  client.finish_sending();
  EXPECT_TRUE(client.at_end());
  EXPECT_FALSE(client.ended_by_reset());
  proxy.expect_metric(1, "outrider_connections_closed_total");
  EXPECT_GT(proxy.metric("outrider_tcp_bytes_total"), 0);
}

// The limit is the whole cluster's, so it is another endpoint's pool that makes room.
TEST(Tcp, WhoWaitsForAConnectionGetsItWhenAnotherEndpointsEnds) {
  Origin a(echo), b(echo);
  Proxy proxy(tcp({a.text(), b.text()}, "lb: round_robin, circuit_breaker: {max_connections: 2}"), {"overload.threads=1"});
  Stream first = proxy.connect(), second = proxy.connect();
  for (Stream* each : {&first, &second}) {
    each->send("here");
    ASSERT_EQ(each->read_exactly(4), "here");
  }
  Stream third = proxy.connect();  // to the endpoint of the first
  third.send("here");
  proxy.expect_metric(1, "outrider_cluster_pending_requests");
  second.close();
  EXPECT_EQ(third.read_exactly(4), "here");
}

// A FIN of one side is a FIN for the other and nothing more: the answer still comes.
TEST(Tcp, AHalfClosedConnectionStillAnswers) {
  Origin origin([](Stream& connection) {
    const std::string all = connection.read_all();
    connection.send("got " + std::to_string(all.size()));
    connection.finish_sending();
  });
  Proxy proxy(tcp({origin.text()}));
  Stream client = proxy.connect();
  client.send(std::string(300000, 'x'));
  client.finish_sending();
  EXPECT_EQ(client.read_all(), "got 300000");
  EXPECT_FALSE(client.ended_by_reset());
}

TEST(Tcp, AServerMaySpeakFirstAndFinishFirst) {
  Origin origin([](Stream& connection) {
    connection.send("220 ready\r\n");
    connection.finish_sending();
    EXPECT_EQ(connection.read_all(), "still talking");
  });
  Proxy proxy(tcp({origin.text()}));
  Stream client = proxy.connect();
  EXPECT_EQ(client.read_all(), "220 ready\r\n");
  client.send("still talking");
  client.finish_sending();
  proxy.expect_metric(1, "outrider_connections_closed_total");
  proxy.expect_metric(0, "outrider_connections_active");
}

// Enough to fill every buffer there is, both ways at once, the readers slow by small buffers.
TEST(Tcp, BulkBothWaysArrivesWhole) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  std::string data(24 << 20, '\0');
  for (size_t i = 0; i + 8 <= data.size(); i += 8) {
    const uint64_t word = random.next();
    std::memcpy(data.data() + i, &word, 8);
  }
  Origin origin(echo);
  Proxy proxy(tcp({origin.text()}));
  Stream client = proxy.connect();
  client.set_buffers(16384);
  std::thread sender([&] {
    client.send(data);
    client.finish_sending();
  });
  std::string back;
  while (back.size() < data.size()) {
    const auto part = client.read_some(1 << 20);
    if (part.empty()) break;
    back += part;
  }
  sender.join();
  EXPECT_EQ(back.size(), data.size());
  EXPECT_TRUE(back == data);
}

// By now the sockets are joined, and the bytes do not come by the codecs any more.
TEST(Tcp, AResetAfterSomeTrafficIsAResetForTheOtherSideToo) {
  for (const bool by_origin : {true, false}) {
    std::atomic<bool> was_reset{false};
    Origin origin([&](Stream& connection) {
      for (int i = 0; i < 3; ++i) connection.send(connection.read_exactly(5).value_or(""));
      if (by_origin) return connection.abort();
      was_reset = connection.at_end() && connection.ended_by_reset();
    });
    Proxy proxy(tcp({origin.text()}));
    Stream client = proxy.connect();
    for (int i = 0; i < 3; ++i) {
      client.send("hello");
      EXPECT_EQ(client.read_exactly(5), "hello");
    }
    if (by_origin) {
      EXPECT_TRUE(client.at_end());
      EXPECT_TRUE(client.ended_by_reset());
    } else {
      client.abort();
    }
    proxy.expect_metric(0, "outrider_connections_active");
    origin.stop();
    if (!by_origin) {
      EXPECT_TRUE(was_reset);
    }
  }
}

TEST(Tcp, AResetIsAResetForTheOtherSide) {
  Origin origin([](Stream& connection) {
    connection.read_exactly(5);
    connection.abort();
  });
  Proxy proxy(tcp({origin.text()}));
  Stream client = proxy.connect();
  client.send("hello");
  EXPECT_TRUE(client.at_end());
  EXPECT_TRUE(client.ended_by_reset());
  proxy.expect_metric(0, "outrider_connections_active");
}

TEST(Tcp, NobodyThereClosesTheConnectionAndCounts) {
  Proxy proxy(tcp({refusing_address().text()}));
  Stream client = proxy.connect();
  EXPECT_TRUE(client.at_end());
  proxy.expect_metric(1, "outrider_requests_total", "flag=\"connect_failure\"");
}

TEST(Tcp, RefusedConnectionsGoElsewhere) {
  Origin origin(echo);
  Proxy proxy(tcp({refusing_address().text(), origin.text()}, "lb: round_robin"));
  for (int i = 0; i < 6; ++i) {
    Stream client = proxy.connect();
    client.send("hi");
    EXPECT_EQ(client.read_exactly(2), "hi");
  }
}

// Both have said all they had to say while much of it is still on its way, and the connection is not over before it is
// there. The first endpoint gives the client the time to say all of it before anybody listens.
TEST(Tcp, AnEndpointThatFinishesFirstStillGetsAllThatWasSent) {
  const size_t kMuch = 24 << 20;
  std::promise<void> finished;
  std::promise<size_t> got;
  auto client_saw_end = finished.get_future();
  Origin origin([&](Stream& connection) {
    connection.send("enough");
    connection.finish_sending();
    client_saw_end.wait();
    got.set_value(connection.read_all().size());
  });
  Blackhole nobody;
  std::string text = tcp({nobody.text(), origin.text()}, "lb: round_robin, connect_timeout: 500ms", "limits: {buffer: 64MiB}");
  const std::string first = "\"" + nobody.text() + "\"";
  text.replace(text.find(first), first.size(), "{address: " + first + ", weight: 1000}");
  Proxy proxy(text);
  Stream client = proxy.connect();
  std::thread sender([&] {
    client.send(std::string(kMuch, 'x'));
    client.finish_sending();
  });
  char word[8];
  EXPECT_EQ(::recv(client.fd(), word, 6, MSG_WAITALL), 6);
  EXPECT_EQ(::recv(client.fd(), word, 1, 0), 0);
  finished.set_value();
  EXPECT_EQ(got.get_future().get(), kMuch);
  sender.join();
  proxy.expect_metric(0, "outrider_connections_active");
  proxy.expect_metric(0, "outrider_requests_in_flight");
}

}  // namespace
}  // namespace outrider::test
