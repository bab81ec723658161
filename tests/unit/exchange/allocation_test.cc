// "The warm path calls neither malloc nor a lock": counted over the whole exchange, from a client's socket to an
// endpoint's and back, on one thread. Not where a sanitizer has put its own malloc in place.

#include <gtest/gtest.h>

#include <functional>
#include <mutex>

#include "exchange/decisions.h"
#include "tests/support/world.h"
#include "tests/unit/http/frames.h"

namespace outrider::exchange {
namespace {

using test::allocations;
using test::counting;
using test::locks;
using test::World;

const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nX-One: two\r\n\r\nfine!";

void expect_none(std::string_view request, std::string_view answer = kAnswer, std::string_view ending = "fine!",
                 const char* yaml = World::kYaml) {
  if (!test::kCountsCalls) GTEST_SKIP() << "a sanitizer has its own malloc";
  World world(yaml);
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

// To the application beside us, by a limit that is learnt, and past the throttle.
TEST(WarmPath, ARequestThatIsLetInCallsNeither) {
  expect_none("POST /a HTTP/1.1\r\nHost: web\r\nX-Priority: low\r\nContent-Length: 4\r\n\r\nbody", kAnswer, "fine!",
              "version: 1\nmode: edge\nregistry: {kind: none}\n"
              "service: {name: web, port: 1, admission: {success_rate: 95%}}\n"
              "listeners: {inbound: {address: \"127.0.0.1:0\", direction: inbound}}\n"
              "clusters: {local: {endpoints: [\"127.0.0.1:1\"]}}\n");
}

// With a filter `tap` that would pick each of them, after somebody has watched and gone.
TEST(WarmPath, WhileNobodyWatchesATapCallsNeither) {
  struct Sink final : TapSink {
    void on_shown(const std::shared_ptr<Watch>&, std::string text) override { lines += text; }
    std::string lines;
  } sink;
  if (!test::kCountsCalls) GTEST_SKIP() << "a sanitizer has its own malloc";
  World world(std::string(World::kYaml) + "filters: {edge: [{tap: {match: {header: {x-tap: \"1\"}}}}]}\n");
  const std::string request = "GET /a HTTP/1.1\r\nHost: web\r\nX-Tap: 1\r\n\r\n";
  world.site.taps.watch({std::make_shared<Watch>(sink)});
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(world.exchange(request, kAnswer, "fine!"));
  EXPECT_NE(sink.lines.find("\"tapped\":true"), std::string::npos) << sink.lines;
  world.site.taps.watch({});
  allocations = locks = 0;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(world.exchange(request, kAnswer, "fine!"));
  EXPECT_EQ(allocations, 0) << "in 1000 exchanges";
  EXPECT_EQ(locks, 0) << "in 1000 exchanges";
}

// Of what fails it is kept why; of what goes well nothing is.
TEST(WarmPath, WhileFailuresAreKeptAQuickAnswerCallsNeither) {
  if (!test::kCountsCalls) GTEST_SKIP() << "a sanitizer has its own malloc";
  World world;
  world.site.decisions = std::make_unique<Decisions>(DecisionPlan{100, milliseconds(60'000)});
  const std::string request = "GET /a HTTP/1.1\r\nHost: web\r\n\r\n";
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(world.exchange(request, kAnswer, "fine!"));
  allocations = locks = 0;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(world.exchange(request, kAnswer, "fine!"));
  EXPECT_EQ(allocations, 0) << "in 1000 exchanges";
  EXPECT_EQ(locks, 0) << "in 1000 exchanges";
  EXPECT_TRUE(world.site.decisions->find("", 10).empty());
  ASSERT_TRUE(world.exchange(request, "HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nfine!", "fine!"));
  const auto kept = world.site.decisions->find("", 10);
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].status, 503);
  EXPECT_EQ(kept[0].tried, 1u);
}

// In a trace that is not sampled, of which it has all fields there are.
TEST(WarmPath, ATracedRequestCallsNeither) {
  expect_none(
      "GET /a HTTP/1.1\r\nHost: web\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\nTracestate: a=1\r\n\r\n",
      kAnswer, "fine!",
      (std::string(World::kYaml) +
       "telemetry: {tracing: {otlp: \"http://127.0.0.1:1\", sample: 0%, propagate: [w3c, b3, b3multi], "
       "trust: on}}\n")
          .c_str());
}

// By what the endpoint says of its load, and by priority.
TEST(WarmPath, ARequestThatIsLedByLoadCallsNeither) {
  expect_none("GET /a HTTP/1.1\r\nHost: web\r\nX-Outrider-Load: 1\r\n\r\n",
              "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Outrider-Load: named_metrics.in_flight=7.000\r\n"
              "Endpoint-Load-Metrics: TEXT application_utilization=0.97,named_metrics.slots=8\r\n\r\nfine!",
              "fine!",
              "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
              "routes: {edge: [{cluster: web, priority: low}]}\nclusters: {web: {lb: adaptive, endpoints: [\"127.0.0.1:1\"]}}\n");
}

// --- HTTP/2: every request is a stream of its own --------------------------------------------------------------------

const std::string kHttp2Yaml =
    "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
    "routes: {edge: [{match: {host: web, prefix: /a}, cluster: web}]}\n"
    "clusters: {web: {endpoints: [\"127.0.0.1:1\"], lb: ewma, protocol: http2}}\n";

// Bytes that begin stream after stream, as the next of which each call of them is made.
using OfStream = std::function<std::string(uint32_t id)>;

std::string http2_get(uint32_t id) {
  return http::headers(id, http::request_fields({{"user-agent", "test"}, {"cookie", "a=b"}}));
}

std::string http2_answer(uint32_t id) {
  return http::headers(id, {{":status", "200"}, {"content-length", "5"}, {"x-one", "two"}}, http::kEndHeaders) +
         http::data(id, "fine!", true);
}

void expect_none_of_streams(const std::string& yaml, const OfStream& request, const OfStream& answer) {
  if (!test::kCountsCalls) GTEST_SKIP() << "a sanitizer has its own malloc";
  World world(yaml);
  const std::string settings = http::frame(NGHTTP2_SETTINGS, 0, 0);
  uint32_t id = 1;
  const auto run = [&](const std::string& before_request, const std::string& before_answer) {
    const bool answered = world.exchange(before_request + request(id), before_answer + answer(id), "fine!");
    id += 2;
    return answered;
  };
  ASSERT_TRUE(run(http::kPreface + settings, answer(1).starts_with("HTTP/1") ? "" : settings));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(run("", ""));
  allocations = locks = 0;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(run("", "")) << i;
  EXPECT_EQ(allocations, 0) << "in 1000 exchanges";
  EXPECT_EQ(locks, 0) << "in 1000 exchanges";
}

TEST(WarmPath, AStreamOverAStreamCallsNeither) { expect_none_of_streams(kHttp2Yaml, http2_get, http2_answer); }

TEST(WarmPath, AStreamOverHttp1CallsNeither) {
  expect_none_of_streams(World::kYaml, http2_get, [](uint32_t) { return kAnswer; });
}

TEST(WarmPath, AStreamWithABodyAndTrailersCallsNeither) {
  expect_none_of_streams(
      kHttp2Yaml,
      [](uint32_t id) {
        return http::headers(id, http::request_fields({{"content-type", "text/plain"}}, "POST"), http::kEndHeaders) +
               http::data(id, "0123456789") + http::headers(id, {{"x-sum", "10"}});
      },
      http2_answer);
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
