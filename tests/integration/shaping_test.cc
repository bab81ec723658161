// Bodies that go no faster than they may, and bodies that are too large.

#include <gtest/gtest.h>

#include "tests/support/origin.h"
#include "tests/support/proxy.h"

namespace outrider::test {
namespace {

class Shaping : public testing::Test {
 protected:
  void start(const std::string& filters) {
    proxy_ = std::make_unique<Proxy>(
        "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\n"
        "routes: {edge: [{match: {prefix: /free}, cluster: web}, {cluster: web, filters: [" +
            filters + "]}]}\nclusters: {web: {endpoints: [\"" + origin_->text() + "\"]}}\n",
        std::vector<std::string>{"overload.threads=1"});
  }
  static std::string post(const std::string& path, const std::string& body) {
    return "POST " + path + " HTTP/1.1\r\nHost: shop\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  static std::string chunked(const std::string& body) {
    char size[16];
    std::snprintf(size, sizeof size, "%zx", body.size());
    return "POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(size) + "\r\n" + body +
           "\r\n0\r\n\r\n";
  }
  // Answers with what it was sent.
  std::unique_ptr<Origin> origin_ = Origin::answering([](const Message& message) { return ok(message.body); });
  std::unique_ptr<Proxy> proxy_;
};

std::string some_text(size_t size) {
  std::string text;
  while (text.size() < size) text += std::to_string(text.size()) + " ";
  return text;
}

TEST_F(Shaping, WhatIsSlowedArrivesWhole) {
  start("{bandwidth: {down: 200KiB/s, up: 200KiB/s}}");
  const std::string body = some_text(50'000);
  Stream slow = proxy_->connect(), quick = proxy_->connect();
  slow.send(post("/", body));
  proxy_->expect_metric(1, "outrider_filter_actions_total", "filter=\"bandwidth\",action=\"slowed\"");
  quick.send(post("/free", body));
  EXPECT_EQ(quick.read_message()->body, body);
  const auto answer = slow.read_message();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->whole);
  EXPECT_EQ(answer->body, body);
  slow.send(chunked(body));
  EXPECT_EQ(slow.read_message()->body, body);
}

// Each way takes its time: so long at the least, whatever else goes on.
TEST_F(Shaping, ABodyTakesTheTimeItsBandwidthGivesIt) {
  start("{bandwidth: {down: 100KiB/s}}");
  const std::string body = some_text(40 * 1024);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(request(proxy_->address(), post("/", body)).body, body);
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(300)) << "40 KiB, of which 5 KiB go at once";
}

TEST_F(Shaping, WhoLeavesIsNotWaitedFor) {
  start("{bandwidth: {down: 1KiB/s}}");
  {
    Stream client = proxy_->connect();
    client.send(post("/", some_text(100'000)));
    ASSERT_TRUE(client.read_until("\r\n\r\n"));
    client.abort();
  }
  proxy_->expect_metric(0, "outrider_requests_in_flight");
}

TEST_F(Shaping, ABodyThatIsTooLargeGoesNowhere) {
  start("{body_limit: {max: 10KiB}}");
  const std::string fits = some_text(10'000), large = some_text(20'000);
  EXPECT_EQ(request(proxy_->address(), post("/", fits)).body, fits);
  EXPECT_EQ(request(proxy_->address(), chunked(fits)).body, fits);
  for (const std::string& what : {post("/", large), chunked(large)}) {
    const Message answer = request(proxy_->address(), what);
    EXPECT_EQ(answer.status(), 413);
    EXPECT_EQ(answer.field("x-outrider-reason"), "body_too_large");
  }
  EXPECT_EQ(request(proxy_->address(), post("/free", large)).body, large);
  proxy_->expect_metric(2, "outrider_filter_denied_total", "filter=\"body_limit\",reason=\"body_too_large\"");
}

TEST_F(Shaping, AResponseIsCompressedForThoseWhoCanReadIt) {
  origin_ =
      Origin::answering([](const Message&) { return ok(some_text(300'000), "Content-Type: text/plain\r\nETag: \"1\"\r\n"); });
  start("{compress: {}}");
  Stream client = proxy_->connect();
  for (const std::string coding : {"zstd", "br", "gzip"}) {
    client.send("GET / HTTP/1.1\r\nHost: shop\r\nAccept-Encoding: " + coding + "\r\n\r\n");
    const auto answer = client.read_message();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->whole);
    EXPECT_EQ(answer->field("content-encoding"), coding);
    EXPECT_EQ(answer->field("transfer-encoding"), "chunked");
    EXPECT_EQ(answer->field("etag"), "W/\"1\"");
    EXPECT_EQ(answer->field("vary"), "Accept-Encoding");
    EXPECT_LT(answer->body.size(), 200'000u);
    EXPECT_GT(answer->body.size(), 1'000u);
    proxy_->expect_metric(1, "outrider_filter_actions_total", "filter=\"compress\",action=\"" + coding + "\"");
  }
  client.send("GET / HTTP/1.1\r\nHost: shop\r\n\r\n");
  EXPECT_EQ(client.read_message()->body, some_text(300'000));
}

// Slowed behind it: a body that has become another length goes in pieces all the same.
TEST_F(Shaping, WhatIsCompressedAndSlowedIsWhole) {
  origin_ = Origin::answering([](const Message&) { return ok(some_text(300'000), "Content-Type: text/plain\r\n"); });
  start("{bandwidth: {down: 400KiB/s}}, {compress: {algorithms: [gzip]}}");
  const std::string ask = "GET / HTTP/1.1\r\nHost: shop\r\nAccept-Encoding: gzip\r\n\r\n";
  Stream client = proxy_->connect();
  client.send(ask);
  const auto slowed = client.read_message();
  ASSERT_TRUE(slowed && slowed->whole);
  EXPECT_EQ(slowed->field("content-encoding"), "gzip");
  EXPECT_EQ(slowed->body.substr(0, 2), "\x1f\x8b");
  uint32_t length = 0;  // of what was compressed, at the end of a gzip member
  ASSERT_GT(slowed->body.size(), 4u);
  for (size_t i = 0; i < 4; ++i) length |= uint32_t(uint8_t(slowed->body[slowed->body.size() - 4 + i])) << (8 * i);
  EXPECT_EQ(length, some_text(300'000).size());
  proxy_->expect_metric(1, "outrider_filter_actions_total", "filter=\"bandwidth\",action=\"slowed\"");
}

}  // namespace
}  // namespace outrider::test
