// A span as it is sent: read back by the tests' own collector.

#include "exchange/span.h"

#include <gtest/gtest.h>

#include "tests/support/collector.h"

namespace outrider::exchange {
namespace {

const http::TraceContext kContext{0x0af7651916cd43dd, 0x8448eb211c80319c, 0xb7ad6b7169203331, http::TraceContext::Sampled::Yes};

TEST(Span, HasWhatItWasTold) {
  const WallTime start = from_ms(1'700'000'000'123), end = start + std::chrono::microseconds(4567);
  Span span(kContext, 0x1f, true, Span::Kind::Client, "GET cart", start, end);
  span.text("url.path", "/a");
  span.text("empty", "");
  span.number("http.response.status_code", 503);
  span.number("zero", 0);
  span.link({1, 2, 3});
  span.state("a=1");
  span.failed("no_endpoint");
  const auto seen = test::otlp::read_span(span.take());
  EXPECT_EQ(seen.trace, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(seen.id, "b7ad6b7169203331");
  EXPECT_EQ(seen.parent, "000000000000001f");
  EXPECT_EQ(seen.name, "GET cart");
  EXPECT_EQ(seen.kind, 3u);
  EXPECT_EQ(seen.start, 1'700'000'000'123'000'000u);
  EXPECT_EQ(seen.end, 1'700'000'000'127'567'000u);
  EXPECT_EQ(seen.attributes,
            (std::map<std::string, std::string>{{"url.path", "/a"}, {"http.response.status_code", "503"}, {"zero", "0"}}));
  EXPECT_EQ(seen.links,
            (std::vector<std::pair<std::string, std::string>>{{"00000000000000010000000000000002", "0000000000000003"}}));
  EXPECT_EQ(seen.state, "a=1");
  EXPECT_EQ(seen.code, 2u);
  EXPECT_EQ(seen.message, "no_endpoint");
}

TEST(Span, WithoutAParentHasNone) {
  const auto seen = test::otlp::read_span(Span(kContext, 0, false, Span::Kind::Server, "GET", from_ms(2), from_ms(1)).take());
  EXPECT_EQ(seen.parent, "");
  EXPECT_EQ(seen.start, seen.end) << "a clock that was set back makes no span that ends before it begins";
}

// One that is not makes a collector refuse the whole message.
TEST(Span, TextsAreUtf8AndOfBoundedLength) {
  const std::string half = std::string(1023, 'x') + "\xc3\xa4";
  for (const auto& [given, written] : {std::pair<std::string, std::string>{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
                                       {"bad \xff\xfe bytes", "bad ?? bytes"},
                                       {std::string(5000, 'y'), std::string(1024, 'y')},
                                       {half, std::string(1023, 'x')}}) {
    Span span(kContext, 0, false, Span::Kind::Server, "GET", from_ms(1), from_ms(2));
    span.text("key", given);
    EXPECT_EQ(test::otlp::read_span(span.take())["key"], written);
  }
}

}  // namespace
}  // namespace outrider::exchange
