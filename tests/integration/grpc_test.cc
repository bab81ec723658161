// gRPC through the whole proxy, on loopback: what its clients and servers must be told that others are told otherwise.

#include <gtest/gtest.h>

#include <array>
#include <future>

#include "tests/support/grpc.h"
#include "tests/support/proxy.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

using namespace http;

std::string edge_with_rules(const std::string& rules, const std::string& endpoint) {
  return "version: 1\nmode: edge\nregistry: {kind: none}\nlisteners: {edge: {address: \"127.0.0.1:0\"}}\nroutes: {edge: [" +
         rules + "]}\nclusters: {web: {endpoints: [\"" + endpoint + "\"], retry: {attempts: 0}}}\n";
}

void expect_status(Proxy& proxy, int status, double count = 1) {
  proxy.expect_metric(count, "outrider_grpc_responses_total", "grpc_status=\"" + std::to_string(status) + "\"");
}

TEST(Grpc, ACallGoesByHttp2AndComesBackWithItsTrailers) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    const auto lines = peer.read_until("DATA 1 end");
    EXPECT_TRUE(has(lines, "[te: trailers]")) << lines;
    peer.send(grpc_answer(1));
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}));
  H2Peer client(proxy.address());
  client.send(grpc_call(1));
  const auto lines = client.read_until("[grpc-status: 0]");
  EXPECT_TRUE(has(lines, "DATA 1 " + kGrpcMessage)) << lines;
  EXPECT_TRUE(has(lines, "HEADERS 1 end [grpc-status: 0] [x-more: trailing]")) << lines;
  expect_status(proxy, 0);
}

struct Told {
  const char* rule;
  bool refusing;
  int grpc_status;
  const char* reason;
};

TEST(Grpc, AnswersOfOurOwnAreOneHeadWithTheStatusThatClientsKnow) {
  GrpcEndpoint silent([](H2Peer& peer) { peer.read_until("nothing"); });
  const Told table[] = {
      {"{match: {host: other}, cluster: web}", false, 12, "no_route"},
      {"{cluster: web}", true, 14, "outrider: "},
      {"{match: {host: web}, respond: {status: 401, body: \"100% no\"}}", false, 16, "[grpc-message: 100%25 no]"},
      {"{match: {host: web}, respond: {status: 403}}", false, 7, ""},
      {"{match: {host: web}, respond: {status: 429}}", false, 8, ""},
      {"{match: {host: web}, respond: {status: 418}}", false, 2, ""},
      {"{cluster: web, timeout: 20ms}", false, 4, "request_timeout"},
  };
  for (const Told& told : table) {
    Proxy proxy(edge_with_rules(told.rule, told.refusing ? refusing_address().text() : silent.origin.text()));
    H2Peer client(proxy.address());
    client.send(grpc_call(1));
    const auto lines = client.read_until("HEADERS 1");
    EXPECT_TRUE(has(lines, "HEADERS 1 end [:status: 200]")) << told.rule << '\n' << lines;
    EXPECT_TRUE(has(lines, "[content-type: application/grpc]")) << lines;
    EXPECT_TRUE(has(lines, "[grpc-status: " + std::to_string(told.grpc_status) + "]")) << told.rule << '\n' << lines;
    EXPECT_TRUE(has(lines, told.reason)) << lines;
    expect_status(proxy, told.grpc_status);
  }
}

TEST(Grpc, AnswersOfOurOwnAreTheSameOverHttp1) {
  Proxy proxy(Proxy::edge({refusing_address().text()}));
  const auto answer = request(
      proxy.address(), "POST /a HTTP/1.1\r\nHost: web\r\nContent-Type: application/grpc+proto\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.field("grpc-status"), "14");
  EXPECT_EQ(answer.field("content-type"), "application/grpc");
  EXPECT_EQ(answer.body, "");
}

TEST(Grpc, WhatOnlyLooksLikeItIsAnsweredAsHttp) {
  Proxy proxy(Proxy::edge({refusing_address().text()}));
  const auto answer = request(
      proxy.address(), "POST /a HTTP/1.1\r\nHost: web\r\nContent-Type: application/grpc-website\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(answer.status(), 502);
  EXPECT_EQ(answer.field("grpc-status"), "");
}

TEST(Grpc, ADeadlineIsPassedOnAndKept) {
  std::promise<std::string> seen;
  GrpcEndpoint endpoint([&](H2Peer& peer) {
    seen.set_value(peer.read_until("HEADERS 1"));
    EXPECT_TRUE(has(peer.read_until("RST_STREAM 1"), "RST_STREAM 1 CANCEL"));
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "retry: {attempts: 0}"));
  H2Peer client(proxy.address());
  client.send(grpc_call(1, {{"grpc-timeout", "2S"}}));
  const auto lines = client.read_until("HEADERS 1");
  EXPECT_TRUE(has(lines, "[grpc-status: 4]")) << lines;
  const auto told = seen.get_future().get();
  const size_t at = told.find("[grpc-timeout: ");
  ASSERT_NE(at, told.npos) << told;
  const auto left = parse_grpc_timeout(told.substr(at + 15, told.find(']', at) - at - 15));
  ASSERT_TRUE(left) << told;
  EXPECT_LE(left->count(), 2000);
}

TEST(Grpc, TheShorterOfRuleAndCallIsTheDeadline) {
  GrpcEndpoint silent([](H2Peer& peer) { peer.read_until("nothing"); });
  Proxy proxy(edge_with_rules("{cluster: web, timeout: 20ms}", silent.origin.text()));
  H2Peer client(proxy.address());
  client.send(grpc_call(1, {{"grpc-timeout", "1H"}}));
  EXPECT_TRUE(has(client.read_until("HEADERS 1"), "[grpc-status: 4]"));
}

TEST(Grpc, AMalformedTimeoutIsTheEndpointsToJudge) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    EXPECT_TRUE(has(peer.read_until("DATA 1 end"), "[grpc-timeout: soon]"));
    peer.send(grpc_answer(1));
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}));
  H2Peer client(proxy.address());
  client.send(grpc_call(1, {{"grpc-timeout", "soon"}}));
  EXPECT_TRUE(has(client.read_until("[grpc-status"), "[grpc-status: 0]"));
}

// An ordinary request that came later is cut by all of the limits; the call is still there.
TEST(Grpc, ASilentCallOutlivesTheLimitsOfRequests) {
  std::promise<void> go_on;
  GrpcEndpoint endpoint([&](H2Peer& peer) {
    peer.read_until("HEADERS 1");
    peer.read_until("HEADERS 3");
    go_on.get_future().wait();
    peer.send(grpc_answer(1));
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "protocol: http2, retry: {attempts: 0}",
                          "timeouts: {stream_idle: 60ms, request: 40ms}"),
              {"overload.threads=1"});
  H2Peer client(proxy.address());
  client.send(headers(1, grpc_fields(), kEndHeaders));
  client.send(headers(3, request_fields()));
  EXPECT_TRUE(has(client.read_until("HEADERS 3"), "[:status: 504]"));
  H2Peer another(proxy.address());
  another.send(headers(1, request_fields()));
  EXPECT_TRUE(has(another.read_until("HEADERS 1"), "[:status: 504]"));
  go_on.set_value();
  EXPECT_TRUE(has(client.read_until("[grpc-status"), "[grpc-status: 0]"));
}

TEST(Grpc, ACallThatBreaksHalfWayEndsWithAStatus) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    peer.read_until("DATA 1 end");
    peer.send(grpc_head(1) + data(1, kGrpcMessage));
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}));
  H2Peer client(proxy.address());
  client.send(grpc_call(1));
  const auto lines = client.read_until("[grpc-status");
  EXPECT_TRUE(has(lines, "DATA 1 " + kGrpcMessage)) << lines;
  EXPECT_TRUE(has(lines, "HEADERS 1 end [grpc-status: 14] [grpc-message: outrider: ")) << lines;
  expect_status(proxy, 14);
  client.close();
  expect_quiet(proxy);
}

TEST(Grpc, ADeadlineHalfWayEndsWithItsStatus) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    peer.read_until("DATA 1 end");
    peer.send(grpc_head(1) + data(1, kGrpcMessage));
    EXPECT_TRUE(has(peer.read_until("RST_STREAM 1"), "RST_STREAM 1 CANCEL"));
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}));
  H2Peer client(proxy.address());
  client.send(grpc_call(1, {{"grpc-timeout", "2S"}}));
  const auto lines = client.read_until("[grpc-status");
  EXPECT_TRUE(has(lines, "HEADERS 1 end [grpc-status: 4]")) << lines;
  expect_status(proxy, 4);
}

// As the client would read the reset by itself.
TEST(Grpc, AResetOfTheEndpointsIsTheStatusThatItMeans) {
  const std::pair<uint32_t, int> table[] = {{NGHTTP2_CANCEL, 1}, {NGHTTP2_INTERNAL_ERROR, 13}, {NGHTTP2_PROTOCOL_ERROR, 13}};
  for (const bool begun : {false, true})
    for (const auto& [code, status] : table) {
      GrpcEndpoint endpoint([&, code = code](H2Peer& peer) {
        peer.read_until("DATA 1 end");
        if (begun) peer.send(grpc_head(1));
        peer.send(frame(NGHTTP2_RST_STREAM, 0, 1, number(code)));
        peer.read_until("nothing more");
      });
      Proxy proxy(Proxy::edge({endpoint.origin.text()}));
      H2Peer client(proxy.address());
      client.send(grpc_call(1));
      const auto lines = client.read_until("[grpc-status");
      EXPECT_TRUE(has(lines, "[grpc-status: " + std::to_string(status) + "]")) << begun << code << '\n' << lines;
    }
}

TEST(Grpc, ACancelledCallIsCancelledAtTheEndpoint) {
  std::promise<std::string> heard;
  GrpcEndpoint endpoint([&](H2Peer& peer) {
    peer.read_until("HEADERS 1");
    peer.send(grpc_head(1));
    heard.set_value(peer.read_until("RST_STREAM 1"));
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}));
  H2Peer client(proxy.address());
  client.send(headers(1, grpc_fields(), kEndHeaders));
  client.read_until("HEADERS 1");
  client.send(frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_CANCEL)));
  EXPECT_TRUE(has(heard.get_future().get(), "RST_STREAM 1 CANCEL"));
  expect_status(proxy, 1);
}

TEST(Grpc, OfACallOneMessageMayBeTooLargeButNotTheStream) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    peer.read_until("DATA 1 end");
    peer.send(grpc_answer(1));
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}, "", "http: {max_body: 10B}"));
  H2Peer client(proxy.address());
  client.send(headers(1, grpc_fields(), kEndHeaders));
  for (int i = 0; i < 20; ++i) client.send(data(1, kGrpcMessage, i == 19));
  EXPECT_TRUE(has(client.read_until("[grpc-status"), "HEADERS 1 end [grpc-status: 0]"));
  client.send(headers(3, grpc_fields(), kEndHeaders) + data(3, std::string("\0\0\0\0\x0b", 5) + "eleven"));
  EXPECT_TRUE(has(client.read_until("[grpc-status: 8]"), "HEADERS 3 end [:status: 200]"));
}

// That of ewma depends on how fast they are. Who joins: Mesh.CallsOfGrpcOnOneConnectionGoToAllReplicas.
TEST(Grpc, CallsOnOneConnectionAreSpreadOverAllEndpoints) {
  constexpr int kEach = 50;
  for (const char* balancer : {"round_robin", "random", "least_request"}) {
    std::array<CountingEndpoint, 4> endpoints;
    std::vector<std::string> addresses;
    for (auto& each : endpoints) addresses.push_back(each.endpoint.origin.text());
    Proxy proxy(Proxy::edge(addresses, std::string("lb: ") + balancer), {"overload.threads=1"});
    H2Peer client(proxy.address());
    for (uint32_t i = 0; i < kEach * endpoints.size(); ++i) {
      client.send(grpc_call(1 + 2 * i));
      ASSERT_TRUE(client.reads("HEADERS " + std::to_string(1 + 2 * i) + " end [grpc-status: 0]"));
    }
    const bool chance = std::string_view(balancer) != "round_robin";
    for (auto& each : endpoints) {
      EXPECT_NEAR(each.calls, kEach, chance ? 40 : 1) << balancer << ": more than six sigma of chance";
      EXPECT_EQ(each.endpoint.origin.connections(), 1);
    }
  }
}

TEST(Grpc, EndpointsAreAskedByTheProtocolOfGrpcHowTheyAre) {
  const auto endpoint = [](char status, const char* grpc_status) {
    return std::make_unique<GrpcEndpoint>([=](H2Peer& peer) {
      const auto lines = peer.read_until("DATA 1 end");
      if (!has(lines, "DATA 1 end")) return;  // the test has ended meanwhile
      EXPECT_TRUE(has(lines, "[:method: POST]") && has(lines, "[:path: /grpc.health.v1.Health/Check]")) << lines;
      EXPECT_TRUE(has(lines, "\x0a\x09shop.Cart")) << lines;
      const std::string answer{0, 0, 0, 0, 2, 8, status};
      peer.send(grpc_head(1) + data(1, answer) + headers(1, {{"grpc-status", grpc_status}}));
      peer.read_until("nothing more");
    });
  };
  const auto serving = endpoint(1, "0"), not_serving = endpoint(2, "0"), failing = endpoint(1, "13");
  const auto absent = refusing_address();
  Proxy proxy(Proxy::edge({serving->origin.text(), not_serving->origin.text(), failing->origin.text(), absent.text()},
                          "health_check: {grpc: shop.Cart}"));
  proxy.expect_metric(1, "outrider_cluster_endpoints", "state=\"ready\"");
  proxy.expect_metric(3, "outrider_cluster_endpoints", "state=\"unhealthy\"");
}

TEST(Grpc, StatusesAreCountedFromTrailersFromHeadsAndFromWhatIsNoAnswer) {
  GrpcEndpoint endpoint([](H2Peer& peer) {
    peer.read_until("DATA 1 end");
    peer.send(headers(1, {{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "5"}}));
    peer.read_until("DATA 3 end");
    peer.send(grpc_head(3) + headers(3, {{"grpc-status", "99"}}));
    peer.read_until("DATA 5 end");
    peer.send(headers(5, {{":status", "403"}, {"content-type", "text/html"}}));
    peer.read_until("nothing more");
  });
  Proxy proxy(Proxy::edge({endpoint.origin.text()}), {"overload.threads=1"});
  H2Peer client(proxy.address());
  client.send(grpc_call(1));
  EXPECT_TRUE(
      has(client.read_until("HEADERS 1"), "HEADERS 1 end [:status: 200] [content-type: application/grpc] [grpc-status: 5]"));
  client.send(grpc_call(3));
  EXPECT_TRUE(has(client.read_until("[grpc-status: 99]"), "HEADERS 3 end [grpc-status: 99]"));
  client.send(grpc_call(5));
  EXPECT_TRUE(has(client.read_until("HEADERS 5"), "[:status: 403]"));
  expect_status(proxy, 5);
  expect_status(proxy, 2);
  expect_status(proxy, 7);
}

}  // namespace
}  // namespace outrider::test
