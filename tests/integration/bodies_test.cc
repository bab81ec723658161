// Bodies of any size, with bounded memory: what one side does not take, the other may not send.

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "tests/support/origin.h"
#include "tests/support/wires.h"

namespace outrider::test {
namespace {

constexpr size_t kBig = 64 << 20;
constexpr double kFew = 4 << 20;  // what a handful of connections may make us hold

std::string piece_at(size_t at, size_t n) {  // bytes that say where they belong
  std::string piece(n, '\0');
  for (size_t i = 0; i < n; ++i) piece[i] = char((at + i) * 2654435761u >> 13);
  return piece;
}

// Reads `total` bytes and says whether they are the right ones.
bool take(Stream& from, size_t total, size_t step) {
  for (size_t at = 0; at < total;) {
    const std::string some = from.read_some(std::min(step, total - at));
    if (some.empty() || some != piece_at(at, some.size())) return false;
    at += some.size();
  }
  return true;
}

void give(Stream& to, size_t total) {
  for (size_t at = 0; at < total;) {
    const size_t n = std::min<size_t>(1 << 20, total - at);
    if (!to.send(piece_at(at, n))) return;
    at += n;
  }
}

// What the workers' buffers hold, as of the first time they said so: the gauge is set once a second.
double held_by(Proxy& proxy) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  double held = 0;
  while (held == 0 && std::chrono::steady_clock::now() < limit) held = proxy.metric("outrider_memory_bytes", "buffers");
  return held;
}

std::string unlimited(const Origin& origin) { return Proxy::edge({origin.text()}, "timeout: 0", "http: {max_body: off}"); }

// A response whose length is known goes from socket to socket, one that ends with its connection through our buffers.
class BigResponse : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Bodies, BigResponse, ::testing::Bool(),
                         [](const auto& p) { return p.param ? "OfKnownLength" : "UntilClose"; });

TEST_P(BigResponse, ToASlowReaderArrivesWholeInBoundedMemory) {
  const bool known = GetParam();
  Origin origin([known](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send("HTTP/1.1 200 OK\r\n" + (known ? "Content-Length: " + std::to_string(kBig) + "\r\n" : "") + "\r\n");
    give(connection, kBig);
  });
  Proxy proxy(unlimited(origin));
  Stream client = proxy.connect();
  client.set_buffers(65536);
  client.send(std::string("GET / HTTP/1.") + (known ? "1" : "0") + "\r\nHost: web\r\n\r\n");
  ASSERT_TRUE(client.read_until("\r\n\r\n"));
  ASSERT_TRUE(take(client, 1 << 20, 4096));
  // The reader has stopped for a moment.
  if (known) {
    EXPECT_LT(proxy.metric("outrider_memory_bytes", "buffers"), kFew);
  } else {
    const double held = held_by(proxy);
    EXPECT_GT(held, 0);
    EXPECT_LT(held, kFew);
  }
  size_t at = 1 << 20;
  bool right = true;
  while (at < kBig && right) {
    const std::string some = client.read_some(1 << 20);
    right = !some.empty() && some == piece_at(at, some.size());
    at += some.size();
  }
  EXPECT_TRUE(right);
  EXPECT_EQ(at, kBig);
}

class BodiesOfPairs : public EveryPair {};
OUTRIDER_EVERY_PAIR(BodiesOfPairs);
OUTRIDER_EVERY_ENCRYPTED_PAIR(BodiesOfPairs);

TEST_P(BodiesOfPairs, ABigRequestToASlowOriginArrivesWholeInBoundedMemory) {
  std::atomic<bool> right{false};
  std::promise<void> go_on;
  auto may_go_on = go_on.get_future().share();
  Origin origin([&, may_go_on](Stream& connection) {
    connection.set_buffers(65536);
    if (!connection.read_until("\r\n\r\n")) return;
    may_go_on.wait();
    right = take(connection, kBig, 1 << 20);
    connection.send(ok("done"));
  });
  Proxy& proxy = chain.start({chain.to(origin)}, "timeout: 0", "http: {max_body: off}");
  Stream client = chain.connect();
  double held = 0;
  std::thread sender([&] {
    client.send("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: " + std::to_string(kBig) + "\r\n\r\n");
    give(client, kBig);
  });
  held = held_by(proxy);  // the origin has read nothing of the body yet
  go_on.set_value();
  const auto answer = client.read_message();
  sender.join();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "done");
  EXPECT_TRUE(right);
  EXPECT_GT(held, 0);
  EXPECT_LT(held, kFew);
}

TEST_P(BodiesOfPairs, AChunkedBodyOfAnySizePasses) {
  Origin origin([](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < (8u << 20); at += 65536)
      if (!connection.send("10000\r\n" + piece_at(at, 65536) + "\r\n")) return;
    connection.send("0\r\n\r\n");
  });
  chain.start({chain.to(origin)}, "timeout: 0", "http: {max_body: off}");
  Stream client = chain.connect();
  client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->whole);
  EXPECT_TRUE(answer->body == piece_at(0, 8 << 20));
}

TEST_P(BodiesOfPairs, ABodyThatEndsWithItsConnectionPasses) {
  Origin origin([](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send("HTTP/1.0 200 OK\r\n\r\n");
    give(connection, 3 << 20);
  });
  chain.start({chain.to(origin)}, "timeout: 0", "http: {max_body: off}");
  Stream client = chain.connect();
  client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->whole);
  EXPECT_TRUE(answer->body == piece_at(0, 3 << 20));
}

// Three endpoints and many requests: counted where they arrive.
std::vector<int> spread(const std::string& lb, const std::vector<int>& weights, int requests) {
  std::vector<std::unique_ptr<Origin>> origins;
  std::string endpoints;
  for (const int weight : weights) {
    origins.push_back(Origin::answering("fine"));
    endpoints += (endpoints.empty() ? "" : ", ") +
                 ("{address: \"" + origins.back()->text() + "\", weight: " + std::to_string(weight) + "}");
  }
  Proxy proxy(
      "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
      "routes: {edge: [{cluster: web}]}\noverload: {threads: 1}\nclusters: {web: {lb: " +
      lb + ", endpoints: [" + endpoints + "]}}\n");
  Stream client = proxy.connect();
  for (int i = 0; i < requests; ++i) {
    client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
    const auto answer = client.read_message();
    EXPECT_TRUE(answer && answer->status() == 200);
  }
  std::vector<int> counts;
  for (const auto& origin : origins) counts.push_back(origin->requests());
  return counts;
}

TEST(Balance, RoundRobinIsEven) {
  for (const int count : spread("round_robin", {100, 100, 100}, 600)) EXPECT_NEAR(count, 200, 2);
}

TEST(Balance, WeightsAreShares) {
  const auto counts = spread("round_robin", {1, 2, 5}, 800);
  EXPECT_NEAR(counts[0], 100, 16);
  EXPECT_NEAR(counts[1], 200, 16);
  EXPECT_NEAR(counts[2], 500, 16);
}

TEST(Balance, WeightZeroDrains) {
  const auto counts = spread("random", {0, 100}, 100);
  EXPECT_EQ(counts[0], 0);
  EXPECT_EQ(counts[1], 100);
}

}  // namespace
}  // namespace outrider::test
