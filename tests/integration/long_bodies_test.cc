// Answers long enough to go from socket to socket without coming by: what is around them must not notice.

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "tests/support/origin.h"
#include "tests/support/quiet.h"
#include "tests/support/seed.h"
#include "tests/support/wires.h"

namespace outrider::test {
namespace {

constexpr size_t kLong = 3 << 20;

const std::string& content() {
  static const std::string bytes = [] {
    Random random = seeded_random();
    return random_bytes(random, kLong + 1000);
  }();
  return bytes;
}

std::string head(size_t length) { return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n"; }

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: web\r\n\r\n"; }

class LongBodies : public EveryPair {};
OUTRIDER_EVERY_PAIR(LongBodies);
OUTRIDER_EVERY_ENCRYPTED_PAIR(LongBodies);

TEST_P(LongBodies, OneAfterAnotherShareTheirConnections) {
  const auto origin = Origin::answering([](const Message& request) {
    const size_t n = size_t(std::stoul(request.start.substr(5)));
    return head(n) + content().substr(0, n);
  });
  Proxy& proxy = chain.start({chain.to(*origin)});
  Stream client = chain.connect();
  size_t sum = 0;
  for (const size_t n : {size_t(200000), kLong, size_t(13), size_t(65536), kLong + 1, size_t(0), size_t(81920), kLong + 999}) {
    client.send(get("/" + std::to_string(n)));
    const auto answer = client.read_message();
    ASSERT_TRUE(answer && answer->whole) << n;
    EXPECT_TRUE(answer->body == content().substr(0, n)) << n;
    sum += n;
  }
  EXPECT_EQ(origin->connections(), 1);
  proxy.expect_metric(double(sum), "outrider_response_bytes_total", "cluster=\"web\"");
  client.close();
  chain.expect_quiet();
}

TEST_P(LongBodies, APipelinedRequestWaitsItsTurn) {
  const auto origin = Origin::answering([](const Message& request) {
    return request.start.starts_with("GET /long") ? head(kLong) + content().substr(0, kLong) : ok("short");
  });
  chain.start({chain.to(*origin)});
  Stream client = chain.connect();
  client.send(get("/long") + get("/short") + get("/long") + get("/short"));
  for (int i = 0; i < 2; ++i) {
    const auto first = client.read_message();
    ASSERT_TRUE(first && first->whole);
    EXPECT_TRUE(first->body == content().substr(0, kLong));
    const auto second = client.read_message();
    ASSERT_TRUE(second);
    EXPECT_EQ(second->body, "short");
  }
  client.close();
  chain.expect_quiet();
}

// Cut short by the endpoint, with FIN or with RST: the client must see that it has not got all.
class LongBodiesCutShort : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(By, LongBodiesCutShort, ::testing::Bool(), [](const auto& p) { return p.param ? "Reset" : "Fin"; });

TEST_P(LongBodiesCutShort, AreSeenToBe) {
  const bool reset = GetParam();
  Origin origin([reset](Stream& connection) {
    while (connection.read_message()) {
      if (!connection.send(head(kLong) + content().substr(0, kLong / 2))) return;
      if (reset) return connection.abort();
      return;
    }
  });
  Proxy proxy(Proxy::edge({origin.text()}));
  Stream client = proxy.connect();
  client.send(get("/"));
  const auto answer = client.read_message();
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->whole);
  EXPECT_TRUE(client.ended_by_reset());
  if (!reset) {
    EXPECT_LE(answer->body.size(), kLong / 2);
  }
  EXPECT_TRUE(answer->body == content().substr(0, answer->body.size()));
  proxy.expect_metric(1, "outrider_requests_total", "code=\"200\",flag=\"upstream_reset\"");
  expect_quiet(proxy);
}

TEST_P(LongBodies, OneThatStopsIsCutVisibly) {
  content();  // made now: not while the limit runs
  Origin origin([](Stream& connection) {
    if (!connection.read_message()) return;
    connection.send(head(kLong) + content().substr(0, kLong / 2));
    connection.read_all();
  });
  Proxy& proxy = chain.start({chain.to(origin)}, "", "timeouts: {stream_idle: 1s}");
  const Message half = request(chain.address(), get("/"));
  EXPECT_EQ(half.status(), 200);
  EXPECT_FALSE(half.whole);
  EXPECT_TRUE(half.body == content().substr(0, half.body.size()));
  proxy.expect_metric(1, "outrider_requests_total", "code=\"200\",flag=\"idle_timeout\"");
  chain.expect_quiet();
}

TEST_P(LongBodies, AClientThatLeavesEndsOnlyItsOwn) {
  std::atomic<int> cut{0};
  Origin origin([&cut](Stream& connection) {
    while (connection.read_message())
      if (!connection.send(head(64 << 20)) || ![&] {
            for (int i = 0; i < 64; ++i)
              if (!connection.send(content().substr(0, 1 << 20))) return ++cut, false;
            return true;
          }())
        return;
  });
  Proxy& proxy = chain.start({chain.to(origin)});
  for (const bool reset : {false, true}) {
    Stream client = chain.connect();
    client.send(get("/"));
    ASSERT_TRUE(client.read_exactly(1 << 20));
    reset ? client.abort() : client.close();
  }
  proxy.expect_metric(2, "outrider_requests_total", "flag=\"downstream_gone\"");
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (cut < 2 && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  EXPECT_EQ(cut, 2) << "the endpoint must hear of it";
  chain.expect_quiet();
}

// An answer that begins before its request has ended: both bodies pass at once.
TEST_P(LongBodies, ARequestMayStillBeComing) {
  Origin origin([](Stream& connection) {
    if (!connection.read_until("\r\n\r\n")) return;
    connection.send(head(kLong) + content().substr(0, kLong / 2));
    const auto sent = connection.read_exactly(kLong);
    connection.send(sent && *sent == content().substr(0, kLong) ? content().substr(kLong / 2, kLong / 2)
                                                                : std::string(kLong / 2, '?'));
    connection.read_all();
  });
  chain.start({chain.to(origin)});
  Stream client = chain.connect();
  client.send("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: " + std::to_string(kLong) + "\r\n\r\n");
  ASSERT_TRUE(client.read_until("\r\n\r\n"));
  const auto first = client.read_exactly(kLong / 2);
  ASSERT_TRUE(first);
  ASSERT_TRUE(client.send(content().substr(0, kLong)));
  const auto second = client.read_exactly(kLong / 2);
  ASSERT_TRUE(second);
  EXPECT_TRUE(*first + *second == content().substr(0, kLong));
}

}  // namespace
}  // namespace outrider::test
