// gRPC-Web through the whole proxy, on loopback: a client of HTTP/1 or 2 on one side, frames of gRPC on the other.

#include <gtest/gtest.h>

#include <future>

#include "tests/support/grpc.h"
#include "tests/support/proxy.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

using namespace http;

const std::string kBridge = "filters: [{grpc_web: {}}]";

std::string trailers(const std::string& lines) { return std::string("\x80\0\0\0", 4) + char(lines.size()) + lines; }

std::string web_call(const std::string& body, const std::string& type = "application/grpc-web+proto",
                     const std::string& more = {}) {
  return "POST /shop.Cart/Add HTTP/1.1\r\nHost: web\r\nContent-Type: " + type + "\r\n" + more +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

void expect_status(Proxy& proxy, int status) {
  proxy.expect_metric(1, "outrider_grpc_responses_total", "grpc_status=\"" + std::to_string(status) + "\"");
}

TEST(GrpcWeb, ACallIsOneOfGrpcToTheEndpoint) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    const auto lines = peer.read_until("DATA 1 end");
    for (const char* field : {"[te: trailers]", "[content-type: application/grpc+proto]", "[x-mine: 1]"})
      EXPECT_TRUE(has(lines, field)) << lines;
    EXPECT_FALSE(has(lines, "content-length")) << lines;
    EXPECT_TRUE(has(lines, "DATA 1 end " + kGrpcMessage)) << lines;
    peer.send(grpc_answer(1));
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "", kBridge));
  const Message answer = request(proxy.address(), web_call(kGrpcMessage, "application/grpc-web+proto", "X-Mine: 1\r\n"));
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.field("content-type"), "application/grpc-web");
  EXPECT_EQ(answer.field("grpc-status"), "");
  EXPECT_EQ(answer.body, kGrpcMessage + trailers("grpc-status: 0\r\nx-more: trailing\r\n"));
  EXPECT_TRUE(answer.whole);
  expect_status(proxy, 0);
  expect_quiet(proxy);
}

TEST(GrpcWeb, TextIsBytesToTheEndpointAndTextAgainToTheClient) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    EXPECT_TRUE(peer.reads("DATA 1 end " + kGrpcMessage));
    peer.send(grpc_head(1) + data(1, kGrpcMessage));
    peer.send(headers(1, {{"grpc-status", "0"}}));
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "", kBridge));
  const Message answer = request(proxy.address(), web_call("AAAAAAJoaQ==", "application/grpc-web-text"));
  EXPECT_EQ(answer.field("content-type"), "application/grpc-web-text");
  // Where one piece ends and the next begins is the sockets' affair.
  EXPECT_TRUE(answer.body == "AAAAAAJoaQ==gAAAABBncnBjLXN0YXR1czogMA0K" ||
              answer.body == "AAAAAAJoaYAAAAAQZ3JwYy1zdGF0dXM6IDANCg==")
      << answer.body;
}

TEST(GrpcWeb, OverHttp2ItIsTheSame) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    peer.read_until("DATA 1 end");
    peer.send(grpc_answer(1));
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "", kBridge));
  H2Peer client(proxy.address());
  client.send(headers(1, request_fields({{"content-type", "application/grpc-web"}}, "POST"), kEndHeaders) +
              data(1, kGrpcMessage, true));
  const auto lines = client.read_until("DATA 1 end");
  EXPECT_TRUE(has(lines, "[content-type: application/grpc-web]")) << lines;
  EXPECT_TRUE(has(lines, "grpc-status: 0\r\nx-more: trailing\r\n")) << lines;
  EXPECT_EQ(lines.find("HEADERS 1"), lines.rfind("HEADERS 1")) << lines;
}

TEST(GrpcWeb, MessagesArriveAsTheyCome) {
  std::promise<void> first_read;
  GrpcEndpoint endpoint([&](H2Peer& peer) {
    peer.read_until("DATA 1 end");
    peer.send(grpc_head(1) + data(1, kGrpcMessage));
    first_read.get_future().wait();
    peer.send(data(1, kGrpcMessage) + headers(1, {{"grpc-status", "0"}}));
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "", kBridge));
  Stream client = proxy.connect();
  client.send(web_call(kGrpcMessage));
  EXPECT_TRUE(client.read_until(kGrpcMessage));
  first_read.set_value();
  EXPECT_TRUE(client.read_until(kGrpcMessage));
  EXPECT_TRUE(client.read_until("grpc-status: 0\r\n"));
}

// An ordinary request that came later is cut by the limit; the call is still there.
TEST(GrpcWeb, ASilentCallOutlivesTheLimitsOfRequests) {
  std::promise<void> go_on;
  GrpcEndpoint endpoint([&](H2Peer& peer) {
    if (!peer.reads("DATA 1 end")) return;
    peer.send(grpc_head(1));
    go_on.get_future().wait();
    peer.send(headers(1, {{"grpc-status", "0"}}));
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "protocol: http2, retry: {attempts: 0}",
                          kBridge + ", timeouts: {stream_idle: 60ms, request: 40ms}"),
              {"overload.threads=1"});
  Stream client = proxy.connect();
  client.send(web_call(kGrpcMessage));
  EXPECT_TRUE(client.read_until("application/grpc-web"));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(request(proxy.address(), "GET / HTTP/1.1\r\nHost: web\r\n\r\n").status(), 504);
  go_on.set_value();
  EXPECT_TRUE(client.read_until("grpc-status: 0\r\n"));
}

TEST(GrpcWeb, AnswersOfOurOwnAreOneHeadWithAStatus) {
  for (const std::string& listener : {std::string(), kBridge}) {
    Proxy proxy(Proxy::edge({refusing_address().text()}, "", listener));
    for (const char* type : {"application/grpc-web+proto", "application/grpc-web-text"}) {
      const Message answer = request(proxy.address(), web_call("", type));
      EXPECT_EQ(answer.status(), 200);
      EXPECT_TRUE(std::string_view(type).starts_with(answer.field("content-type"))) << answer.field("content-type");
      EXPECT_TRUE(answer.field("content-type").starts_with("application/grpc-web")) << answer.field("content-type");
      EXPECT_EQ(answer.field("grpc-status"), "14");
      EXPECT_TRUE(has(answer.field("grpc-message"), "outrider: "));
      EXPECT_EQ(answer.body, "");
    }
    proxy.expect_metric(2, "outrider_grpc_responses_total", "grpc_status=\"14\"");
  }
}

TEST(GrpcWeb, WhatIsNoBase64IsAnsweredWithAReason) {
  GrpcEndpoint endpoint([](H2Peer& peer) { peer.read_until("nothing"); });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "", kBridge));
  const Message answer = request(proxy.address(), web_call("AAAA!", "application/grpc-web-text"));
  EXPECT_EQ(answer.field("content-type"), "application/grpc-web-text");
  EXPECT_EQ(answer.field("grpc-status"), "13");
  EXPECT_EQ(answer.field("x-outrider-reason"), "bad_base64");
  proxy.expect_metric(1, "outrider_requests_total", "flag=\"denied\"");
}

TEST(GrpcWeb, ACallThatBreaksHalfWayEndsWithAStatus) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    peer.read_until("DATA 1 end");
    peer.send(grpc_head(1) + data(1, kGrpcMessage));
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "", kBridge));
  const Message answer = request(proxy.address(), web_call(kGrpcMessage));
  EXPECT_TRUE(answer.body.starts_with(kGrpcMessage)) << answer.body;
  EXPECT_TRUE(has(answer.body, "grpc-status: 14\r\ngrpc-message: outrider: ")) << answer.body;
  EXPECT_TRUE(answer.whole);
  expect_status(proxy, 14);
  expect_quiet(proxy);
}

TEST(GrpcWeb, ADeadlineHalfWayEndsWithItsStatus) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    peer.read_until("DATA 1 end");
    peer.send(grpc_head(1) + data(1, kGrpcMessage));
    EXPECT_TRUE(peer.reads("RST_STREAM 1 CANCEL"));
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "", kBridge));
  const Message answer = request(proxy.address(), web_call(kGrpcMessage, "application/grpc-web", "grpc-timeout: 2S\r\n"));
  EXPECT_TRUE(has(answer.body, "grpc-status: 4\r\n")) << answer.body;
  EXPECT_TRUE(answer.whole);
  expect_status(proxy, 4);
}

TEST(GrpcWeb, TheWholeBodyMayBeTooLarge) {
  GrpcEndpoint endpoint([](H2Peer& peer) { peer.read_until("nothing"); });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "", kBridge + ", http: {max_body: 10B}"));
  EXPECT_EQ(request(proxy.address(), web_call("AAAAAAJoaQ==", "application/grpc-web-text")).field("grpc-status"), "8");
}

}  // namespace
}  // namespace outrider::test
