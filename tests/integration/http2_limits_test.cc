// What a client of HTTP/2 may leave unfinished, and for how long; and that a connection ended by a limit says so and is
// counted by its reason.

#include "tests/support/h2_peer.h"
#include "tests/support/origin.h"
#include "tests/support/proxy.h"
#include "tests/support/quiet.h"

namespace outrider::test {
namespace {

using namespace http;

const std::string kSettings = frame(NGHTTP2_SETTINGS, 0, 0);
const std::string kNoWindow = number(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2) + number(0);

void expect_closed(Proxy& proxy, const char* reason) {
  proxy.expect_metric(1, "outrider_connections_closed_total", std::string("reason=\"") + reason + "\"");
}

void expect_flag(Proxy& proxy, const char* code, const char* flag) {
  proxy.expect_metric(1, "outrider_requests_total", std::string("code=\"") + code + "\",flag=\"" + flag + "\"");
}

TEST(Http2Limits, APrefaceThatDoesNotComeWholeEndsTheConnection) {
  const auto origin = Origin::answering("fine");
  for (const std::string& begun : {kPreface.substr(0, 10), kPreface}) {
    Proxy proxy(Proxy::edge({origin->text()}, "", "timeouts: {request_headers: 50ms}"));
    Stream client = proxy.connect();
    client.send(begun);
    EXPECT_TRUE(has(client.read_all(), "request_header_timeout")) << "by 408, or by GOAWAY: " << begun;
    expect_closed(proxy, "header_timeout");
    expect_quiet(proxy);
  }
}

TEST(Http2Limits, AConnectionMadeAheadOfItsNeedIsNotEndedByIt) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "", "timeouts: {request_headers: 500ms}"));
  H2Peer client(proxy.address());
  H2Peer late(proxy.address());  // ended, and by then the first one's time has come too
  late.send(frame(NGHTTP2_HEADERS, 0, 1, "\x82"));
  EXPECT_TRUE(late.reads("ENHANCE_YOUR_CALM request_header_timeout"));
  client.send(headers(1, request_fields()));
  EXPECT_TRUE(client.reads("DATA 1 end fine"));
}

// However it trickles.
TEST(Http2Limits, AHeadThatDoesNotEndEndsTheConnection) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "", "timeouts: {request_headers: 500ms}"));
  H2Peer client(proxy.address());
  client.send(headers(1, request_fields()));
  EXPECT_TRUE(client.reads("DATA 1 end fine"));
  client.send(frame(NGHTTP2_HEADERS, 0, 3, block(request_fields())));
  EXPECT_TRUE(client.reads("GOAWAY 3 ENHANCE_YOUR_CALM request_header_timeout"));
  expect_closed(proxy, "header_timeout");
  expect_quiet(proxy);
  EXPECT_EQ(origin->requests(), 1);
}

TEST(Http2Limits, AStreamThatIsNeverFinishedIsAnswered408AndItsConnectionGoesOn) {
  Origin origin([](Stream& connection) {
    const auto head = connection.read_until("\r\n\r\n");
    if (head && head->starts_with("GET")) connection.send(ok("fine"));
    connection.read_all();
  });
  Proxy proxy(Proxy::edge({origin.text()}, "", "timeouts: {stream_idle: 500ms}"));
  H2Peer client(proxy.address());
  client.send(headers(1, request_fields({}, "POST"), kEndHeaders) + data(1, "half"));
  client.read_until("RST_STREAM 1");
  const auto lines = client.read_until("RST_STREAM 1");
  EXPECT_TRUE(has(lines, "HEADERS 1 [:status: 408]")) << lines;
  EXPECT_TRUE(has(lines, "[x-outrider-reason: stream_idle]")) << lines;
  EXPECT_TRUE(has(lines, "RST_STREAM 1 NO_ERROR")) << lines;
  expect_flag(proxy, "408", "idle_timeout");
  client.send(headers(3, request_fields()));
  EXPECT_TRUE(client.reads("DATA 3 end fine"));
}

TEST(Http2Limits, AReaderWithoutCreditIsCutOffAndItsConnectionGoesOn) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}, "timeout: 0", "timeouts: {stream_idle: 500ms}"));
  H2Peer client(proxy.address(), kNoWindow);
  client.send(headers(1, request_fields()));
  EXPECT_TRUE(client.reads("RST_STREAM 1 CANCEL"));
  expect_flag(proxy, "200", "idle_timeout");
  client.send(frame(NGHTTP2_SETTINGS, 0, 0, number(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2) + number(1000)) +
              headers(3, request_fields()));
  EXPECT_TRUE(client.reads("DATA 3 end fine"));
  proxy.expect_metric(0, "outrider_requests_in_flight");
}

// The credit is taken back behind answers that have been handed over whole.
TEST(Http2Limits, AnAnswerNobodyTakesIsTakenBack) {
  const auto origin = Origin::answering(std::string(60000, 'x'));
  Proxy proxy(Proxy::edge({origin->text()}, "", "timeouts: {stream_idle: 500ms}"), {"overload.threads=1"});
  H2Peer client(proxy.address());
  client.send(headers(1, request_fields()) + headers(3, request_fields()));  // 65535 bytes of credit for both
  const auto lines = client.read_until("RST_STREAM");
  EXPECT_TRUE(has(lines, "RST_STREAM 1 CANCEL") || has(lines, "RST_STREAM 3 CANCEL"));
  client.send(frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(1 << 20)) + headers(5, request_fields()));
  EXPECT_TRUE(client.reads("DATA 5 end"));
}

TEST(Http2Limits, AReaderWhoTakesNothingAtAllIsCutOff) {
  const auto origin = Origin::answering(std::string(60000, 'x'));
  Proxy proxy(Proxy::edge({origin->text()}, "", "timeouts: {stream_idle: 100ms, idle: 100ms}"));
  H2Peer client(proxy.address(), number(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2) + number(1 << 30));
  client.stream().set_buffers(4096);
  client.send(frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(1 << 30)));
  std::string many;
  for (uint32_t i = 0; i < 100; ++i) many += headers(1 + 2 * i, request_fields());
  client.send(many);
  expect_closed(proxy, "idle");
  expect_quiet(proxy);
}

TEST(Http2Limits, WhatEndsAConnectionIsCountedByItsReason) {
  const auto origin = Origin::answering("fine");
  Proxy proxy(Proxy::edge({origin->text()}));
  std::string pings, settings, fields;
  for (int i = 0; i < 300; ++i) pings += frame(NGHTTP2_PING, 0, 0, "12345678");
  for (int i = 0; i < 100; ++i) settings += kSettings;
  for (int i = 0; i < 600; ++i) fields += block({{"a", ""}});
  const std::pair<std::string, const char*> floods[] = {
      {pings, "ping_flood"},
      {settings, "settings_flood"},
      {frame(NGHTTP2_HEADERS, 0, 1, fields), "header_list_flood"},
      {frame(NGHTTP2_HEADERS, 0, 1, "\xff\xff\xff\xff\xff\xff") + frame(NGHTTP2_CONTINUATION, 4, 1), "compression_error"},
      {data(7, "x"), "protocol_error"},
  };
  double ended = 0;
  for (const auto& [bytes, reason] : floods) {
    Stream client = proxy.connect();
    client.send(kPreface + kSettings + bytes);
    client.read_all();
    proxy.expect_metric(1, "outrider_malformed_requests_total", std::string("reason=\"") + reason + "\"");
    proxy.expect_metric(++ended, "outrider_connections_closed_total", "reason=\"malformed\"");
  }
  expect_quiet(proxy);
}

}  // namespace
}  // namespace outrider::test
