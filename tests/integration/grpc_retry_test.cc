// Which calls of gRPC are made once more at another endpoint, for the status they ended with.

#include <gtest/gtest.h>

#include "tests/support/grpc.h"
#include "tests/support/proxy.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

using namespace http;

// Meets each call with the same, whole; counts them.
struct Endpoint {
  explicit Endpoint(std::function<std::string(uint32_t stream)> answer)
      : endpoint([this, answer = std::move(answer)](H2Peer& peer) {
          for (uint32_t stream = 1;; stream += 2) {
            const std::string mark = "DATA " + std::to_string(stream) + " end";
            if (!has(peer.read_until(mark), mark)) return;
            ++calls;
            const std::string bytes = answer(stream);
            if (bytes.empty()) return peer.close();
            peer.send(bytes);
          }
        }) {}
  std::atomic<int> calls{0};
  GrpcEndpoint endpoint;
};

std::string only_trailers(uint32_t stream, const Fields& more) {
  Fields fields{{":status", "200"}, {"content-type", "application/grpc"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return headers(stream, fields);
}

struct Ending {
  const char* what;
  const char* when;
  std::function<std::string(uint32_t)> answer;
  const char* reason;     // of the retry; null: there is none
  const char* told = "";  // of a frame the client is sent, where there is none
};

class GrpcRetry : public testing::TestWithParam<Ending> {};

TEST_P(GrpcRetry, IsAsTheStatusAndTheConfigurationSay) {
  const Ending& ending = GetParam();
  Endpoint failing(ending.answer), good(grpc_answer);
  Proxy proxy(
      Proxy::edge({failing.endpoint.origin.text(), good.endpoint.origin.text()},
                  std::string("lb: round_robin, panic: 0%, retry: {attempts: 1, buffer: 1KiB, when: ") + ending.when + "}"),
      {"overload.threads=1"});
  H2Peer client(proxy.address());
  int fine = 0;
  for (uint32_t stream = 1; failing.calls == 0 || good.calls == 0; stream += 2) {
    ASSERT_LT(stream, 20u);
    client.send(grpc_call(stream));
    const std::string end = "HEADERS " + std::to_string(stream) + " end", reset = "RST_STREAM " + std::to_string(stream);
    const std::string lines = client.read_until(end);
    fine += has(lines, end + " [grpc-status: 0]");
    if (has(lines, end + " [grpc-status: 0]")) continue;
    ASSERT_FALSE(ending.reason) << lines;
    EXPECT_TRUE(has(lines, ending.told)) << lines;
  }
  EXPECT_EQ(fine, good.calls);
  EXPECT_EQ(proxy.metric("outrider_cluster_retries_total"), ending.reason ? failing.calls.load() : 0);
  if (!ending.reason) return;
  proxy.expect_metric(failing.calls, "outrider_cluster_retries_total",
                      std::string("reason=\"") + ending.reason + "\",result=\"success\"");
  client.close();
  expect_quiet(proxy);
}

std::function<std::string(uint32_t)> with_status(const char* status, Fields more = {}) {
  more.insert(more.begin(), {"grpc-status", status});
  return [more = std::move(more)](uint32_t stream) { return only_trailers(stream, more); };
}

std::function<std::string(uint32_t)> with_reset(uint32_t code) {
  return [code](uint32_t stream) { return frame(NGHTTP2_RST_STREAM, 0, stream, number(code)); };
}

std::string closing(uint32_t) { return ""; }

std::string late(uint32_t stream) { return grpc_head(stream) + headers(stream, {{"grpc-status", "14"}}); }

std::string busy_page(uint32_t stream) {
  return headers(stream, {{":status", "503"}, {"content-type", "text/html"}}, kEndHeaders) + data(stream, "<html>", true);
}

INSTANTIATE_TEST_SUITE_P(
    Endings, GrpcRetry,
    testing::Values(Ending{"cancelled", "[cancelled]", with_status("1"), "cancelled"},
                    Ending{"deadline exceeded", "[deadline_exceeded]", with_status("4"), "deadline_exceeded"},
                    Ending{"resource exhausted", "[safe, resource_exhausted]", with_status("8"), "resource_exhausted"},
                    Ending{"internal", "[internal]", with_status("13"), "internal"},
                    Ending{"unavailable", "[safe, unavailable]", with_status("14"), "unavailable"},
                    Ending{"not listed", "[safe, internal]", with_status("14"), nullptr, "[grpc-status: 14]"},
                    Ending{"nothing listed", "safe", with_status("14"), nullptr, "[grpc-status: 14]"},
                    Ending{"a status that cannot be listed", "[cancelled, unavailable]", with_status("5"), nullptr,
                           "[grpc-status: 5]"},
                    Ending{"the endpoint does not want it again", "[unavailable]",
                           with_status("14", {{"grpc-retry-pushback-ms", "-1"}}), nullptr, "[grpc-retry-pushback-ms: -1]"},
                    Ending{"the endpoint wants it later", "[unavailable]",
                           with_status("14", {{"grpc-retry-pushback-ms", "1000"}}), nullptr, "[grpc-status: 14]"},
                    Ending{"the endpoint wants it at once", "[unavailable]", with_status("14", {{"grpc-retry-pushback-ms", "0"}}),
                           "unavailable"},
                    Ending{"behind a head that has gone on", "[unavailable]", late, nullptr, "[grpc-status: 14]"},
                    Ending{"a status of HTTP that means it", "[unavailable]", busy_page, "unavailable"},
                    Ending{"a reset that means it", "[internal]", with_reset(NGHTTP2_INTERNAL_ERROR), "internal"},
                    Ending{"a cancellation by the endpoint", "[cancelled]", with_reset(NGHTTP2_CANCEL), "cancelled"},
                    Ending{"a reset that means another", "[safe, unavailable]", with_reset(NGHTTP2_INTERNAL_ERROR), nullptr,
                           "[grpc-status: 13]"},
                    Ending{"a connection that closes", "[unavailable]", closing, "unavailable"},
                    Ending{"a connection that closes and safe alone", "safe", closing, nullptr, "[grpc-status: 14]"},
                    Ending{"a refused stream", "[refused_stream]", with_reset(NGHTTP2_REFUSED_STREAM), "refused_stream"},
                    Ending{"a refused stream where that is not listed", "[connect_failure]", with_reset(NGHTTP2_REFUSED_STREAM),
                           nullptr, "[grpc-status: 14]"}),
    [](const auto& of) {
      std::string name(of.param.what);
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

TEST(GrpcRetries, AreAsManyAsTheConfigurationSaysAndTheLastStatusIsTold) {
  Endpoint a(with_status("14", {{"x-who", "me"}})), b(with_status("14", {{"x-who", "me"}}));
  Proxy proxy(Proxy::edge({a.endpoint.origin.text(), b.endpoint.origin.text()}, "retry: {attempts: 3, when: [unavailable]}"));
  H2Peer client(proxy.address());
  client.send(grpc_call(1));
  const auto lines = client.read_until("HEADERS 1 end");
  EXPECT_TRUE(has(lines, "[grpc-status: 14] [x-who: me]")) << lines;
  EXPECT_EQ(a.calls + b.calls, 4);
  proxy.expect_metric(3, "outrider_cluster_retries_total", "reason=\"unavailable\",result=\"failure\"");
  proxy.expect_metric(1, "outrider_grpc_responses_total", "grpc_status=\"14\"");
}

TEST(GrpcRetries, AreNotMadeOfARequestThatWasNotKept) {
  Endpoint a(with_status("14")), b(with_status("14"));
  Proxy proxy(Proxy::edge({a.endpoint.origin.text(), b.endpoint.origin.text()}, "retry: {when: [unavailable], buffer: 1KiB}"));
  H2Peer client(proxy.address());
  client.send(headers(1, grpc_fields(), kEndHeaders) + data(1, std::string(2000, '\0'), true));
  EXPECT_TRUE(client.reads("[grpc-status: 14]"));
  EXPECT_EQ(a.calls + b.calls, 1);
}

TEST(GrpcRetries, AreOfCallsAlone) {
  Endpoint a(busy_page), b(busy_page);
  Proxy proxy(Proxy::edge({a.endpoint.origin.text(), b.endpoint.origin.text()}, "protocol: http2, retry: {when: [unavailable]}"));
  H2Peer client(proxy.address());
  client.send(headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "x", true));
  EXPECT_TRUE(client.reads("[:status: 503]"));
  EXPECT_EQ(a.calls + b.calls, 1);
}

}  // namespace
}  // namespace outrider::test
