// Which trace a request is of. What is good and bad is what the W3C's own test suite has (trace-context, test/test.py), and B3's
// specification.

#include "http/trace_context.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/random.h"

namespace outrider::http {
namespace {

using Sampled = TraceContext::Sampled;

const std::string kTrace = "12345678901234567890123456789012", kSpan = "1234567890123456";

class Read : public testing::Test {
 protected:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  HeaderMap& with(const Fields& fields) {
    headers_.clear();
    for (const auto& [name, value] : fields) headers_.add(name, value);
    return headers_;
  }
  Arena arena_;
  HeaderMap headers_{arena_};
};

TEST(Traceparent, IsReadAsItWasWritten) {
  const auto context = parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  ASSERT_TRUE(context);
  EXPECT_EQ(context->high, 0x0af7651916cd43ddu);
  EXPECT_EQ(context->low, 0x8448eb211c80319cu);
  EXPECT_EQ(context->span, 0xb7ad6b7169203331u);
  EXPECT_TRUE(context->is_sampled());
  EXPECT_FALSE(context->random);
  Arena arena;
  EXPECT_EQ(write_traceparent(*context, arena), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_EQ(write_trace_id(*context, arena), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(write_span_id(context->span, arena), "b7ad6b7169203331");
  EXPECT_EQ(write_span_id(0x1f, arena), "000000000000001f");
}

struct Case {
  const char* name;
  std::string text;
  bool good;
};

void expect_each(const std::vector<Case>& cases, bool (*is_good)(std::string_view)) {
  for (const Case& each : cases) EXPECT_EQ(is_good(each.text), each.good) << each.name << ": " << each.text;
}

TEST(Traceparent, IsStrictByVersion) {
  const std::string ids = "-" + kTrace + "-" + kSpan + "-";
  expect_each({{"usual", "00" + ids + "01", true},
               {"not sampled", "00" + ids + "00", true},
               {"all flags", "00" + ids + "ff", true},
               {"empty", "", false},
               {"version alone", "00", false},
               {"version 00 with more behind", "00" + ids + "01.", false},
               {"version 00 with a field behind", "00" + ids + "01-what-the-future-will-be-like", false},
               {"version 00 with a dash behind", "00" + ids + "01-", false},
               {"version cc", "cc" + ids + "01", true},
               {"version cc with a field behind", "cc" + ids + "01-what-the-future-will-be-like", true},
               {"version cc with something else behind", "cc" + ids + "01.what-the-future-will-be-like", false},
               {"version ff", "ff" + ids + "01", false},
               {"version with a dot", ".0" + ids + "01", false},
               {"version with a dot behind", "0." + ids + "01", false},
               {"version of one digit", "0" + ids + "01", false},
               {"version of three digits", "000" + ids + "01", false},
               {"version in capitals", "CC" + ids + "01", false},
               {"trace of zeros", "00-00000000000000000000000000000000-" + kSpan + "-01", false},
               {"trace with a dot", "00-.2345678901234567890123456789012-" + kSpan + "-01", false},
               {"trace with a dot at its end", "00-1234567890123456789012345678901.-" + kSpan + "-01", false},
               {"trace in capitals", "00-ABCDEF78901234567890123456789012-" + kSpan + "-01", false},
               {"trace too long", "00-" + kTrace + "3-" + kSpan + "-01", false},
               {"trace too short", "00-" + kTrace.substr(1) + "-" + kSpan + "-01", false},
               {"span of zeros", "00-" + kTrace + "-0000000000000000-01", false},
               {"span with a dot", "00-" + kTrace + "-.234567890123456-01", false},
               {"span too long", "00-" + kTrace + "-" + kSpan + "7-01", false},
               {"span too short", "00-" + kTrace + "-" + kSpan.substr(1) + "-01", false},
               {"span in capitals", "00-" + kTrace + "-ABCDEF7890123456-01", false},
               {"flags with a dot", "00" + ids + ".0", false},
               {"flags with a dot behind", "00" + ids + "0.", false},
               {"flags too long", "00" + ids + "001", false},
               {"flags too short", "00" + ids + "1", false},
               {"flags in capitals", "00" + ids + "0A", false},
               {"no dash", "00" + ids.substr(0, 33) + "_" + kSpan + "-01", false}},
              [](std::string_view text) { return parse_traceparent(text).has_value(); });
}

TEST(Traceparent, OfFlagsTwoAreKnownAndNoneElseGoesOn) {
  Arena arena;
  for (const auto& [flags, written] :
       {std::pair{"00", "00"}, {"01", "01"}, {"02", "02"}, {"03", "03"}, {"fc", "00"}, {"ff", "03"}}) {
    const auto context = parse_traceparent("00-" + kTrace + "-" + kSpan + "-" + flags);
    ASSERT_TRUE(context) << flags;
    EXPECT_EQ(write_traceparent(*context, arena).substr(53), written) << flags;
  }
}

TEST_F(Read, ATraceparentThatIsThereTwiceIsNone) {
  const std::string good = "00-" + kTrace + "-" + kSpan + "-01";
  EXPECT_TRUE(read_traceparent(with({{"TraceParent", good}})));
  EXPECT_FALSE(read_traceparent(with({{"traceparent", good}, {"Traceparent", good}})));
  EXPECT_FALSE(read_traceparent(with({{"trace-parent", good}})));
  EXPECT_FALSE(read_traceparent(with({})));
}

TEST(Tracestate, IsAListOfMembers) {
  const auto members = [](int n) {
    std::string list;
    for (int i = 0; i < n; ++i) list += (i ? ",bar" : "bar") + std::to_string(i) + "=" + std::to_string(i);
    return list;
  };
  expect_each({{"one", "foo=1", true},
               {"two", "foo=1,bar=2", true},
               {"spaces around members", "foo=1 \t , \t bar=2, \t baz=3", true},
               {"empty members", "foo=1,,,bar=2,", true},
               {"nothing", "", false},
               {"commas alone", ",,", false},
               {"32 members", members(32), true},
               {"33 members", members(33), false},
               {"key with a space", "foo =1", false},
               {"key in capitals", "FOO=1", false},
               {"key with a dot", "foo.bar=1", false},
               {"no key", "=1", false},
               {"no value", "foo=", false},
               {"no equals", "foo", false},
               {"tenant", "foo@bar=1,bar@foo=2", true},
               {"tenant with two @", "foo@bar@baz=1", false},
               {"tenant without a name", "@foo=1", false},
               {"system without a name", "foo@=1", false},
               {"@ alone", "@=1", false},
               {"longest key", std::string(256, 'z') + "=1", true},
               {"key too long", std::string(257, 'z') + "=1", false},
               {"longest tenant and system", std::string(241, 't') + "@" + std::string(14, 'v') + "=1", true},
               {"tenant too long", std::string(242, 't') + "@v=1", false},
               {"system too long", "t@" + std::string(15, 'v') + "=1", false},
               {"key of all there is", "a0123456789_-*/=1", true},
               {"value with a space inside", "foo=1 2", true},
               {"value with =", "foo=bar=baz", false},
               {"longest value", "foo=" + std::string(256, '!'), true},
               {"value too long", "foo=" + std::string(257, '!'), false},
               {"value with a control character", "foo=a\x01", false},
               {"value beyond ASCII", "foo=\xc3\xa4", false}},
              [](std::string_view text) { return is_tracestate(text); });
}

TEST_F(Read, SeveralTracestatesAreOneList) {
  EXPECT_EQ(read_tracestate(with({{"tracestate", "foo=1"}, {"TraceState", "bar=2"}})), "foo=1,bar=2");
  EXPECT_EQ(read_tracestate(with({{"tracestate", "foo=1"}, {"tracestate", ""}})), "foo=1,");
  EXPECT_EQ(read_tracestate(with({{"tracestate", "foo=1"}, {"tracestate", "BAD=2"}})), "");
  EXPECT_EQ(read_tracestate(with({})), "");
}

// --- B3 --------------------------------------------------------------------------------------------------------------

TEST(B3, OfOneFieldMaySayMoreOrLess) {
  const struct {
    std::string text;
    std::optional<TraceContext> read;
  } cases[] = {
      {"80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90",
       TraceContext{0x80f198ee56343ba8, 0x64fe8b2a57d3eff7, 0xe457b5a2e4d86bd1, Sampled::Yes}},
      {"80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-d",
       TraceContext{0x80f198ee56343ba8, 0x64fe8b2a57d3eff7, 0xe457b5a2e4d86bd1, Sampled::Debug}},
      {"64fe8b2a57d3eff7-e457b5a2e4d86bd1-0", TraceContext{0, 0x64fe8b2a57d3eff7, 0xe457b5a2e4d86bd1, Sampled::No}},
      {"64fe8b2a57d3eff7-e457b5a2e4d86bd1", TraceContext{0, 0x64fe8b2a57d3eff7, 0xe457b5a2e4d86bd1, Sampled::Undecided}},
      {"0", TraceContext{0, 0, 0, Sampled::No}},
      {"1", TraceContext{0, 0, 0, Sampled::Yes}},
      {"d", TraceContext{0, 0, 0, Sampled::Debug}},
      {"", {}},
      {"2", {}},
      {"64fe8b2a57d3eff7", {}},
      {"64fe8b2a57d3eff7-", {}},
      {"64fe8b2a57d3eff7-e457b5a2e4d86bd1-2", {}},
      {"64fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a", {}},
      {"64FE8B2A57D3EFF7-e457b5a2e4d86bd1-1", {}},
      {"64fe8b2a57d3eff-e457b5a2e4d86bd1-1", {}},
      {"0000000000000000-e457b5a2e4d86bd1-1", {}},
      {"64fe8b2a57d3eff7-0000000000000000-1", {}},
  };
  for (const auto& [text, read] : cases) EXPECT_EQ(parse_b3(text), read) << text;
}

TEST(B3, IsWrittenAsOneField) {
  Arena arena;
  for (const std::string text :
       {"80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1", "000000000000000064fe8b2a57d3eff7-e457b5a2e4d86bd1-0",
        "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-d", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1"}) {
    const auto read = parse_b3(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(write_b3(*read, arena), text);
  }
}

TEST_F(Read, B3MayBeSeveralFields) {
  const std::string trace = "80f198ee56343ba864fe8b2a57d3eff7", span = "e457b5a2e4d86bd1";
  const auto read = [&](const Fields& fields) { return read_b3(find_b3(with(fields))); };
  const auto whole = read({{"X-B3-TraceId", trace}, {"X-B3-SpanId", span}, {"X-B3-Sampled", "1"}, {"X-B3-ParentSpanId", span}});
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->low, 0x64fe8b2a57d3eff7u);
  EXPECT_EQ(whole->sampled, Sampled::Yes);
  EXPECT_EQ(read({{"x-b3-traceid", trace}, {"x-b3-spanid", span}})->sampled, Sampled::Undecided);
  EXPECT_EQ(read({{"x-b3-traceid", trace}, {"x-b3-spanid", span}, {"x-b3-sampled", "false"}})->sampled, Sampled::No);
  EXPECT_EQ(read({{"x-b3-traceid", trace}, {"x-b3-spanid", span}, {"x-b3-flags", "1"}})->sampled, Sampled::Debug);
  const auto denied = read({{"x-b3-sampled", "0"}});
  ASSERT_TRUE(denied);
  EXPECT_FALSE(*denied);
  EXPECT_EQ(denied->sampled, Sampled::No);
  EXPECT_FALSE(read({{"x-b3-traceid", trace}}));
  EXPECT_FALSE(read({{"x-b3-spanid", span}}));
  EXPECT_FALSE(read({{"x-b3-traceid", trace}, {"x-b3-spanid", span}, {"x-b3-sampled", "maybe"}}));
  EXPECT_FALSE(read({{"x-b3-traceid", trace}, {"x-b3-traceid", trace}, {"x-b3-spanid", span}}));
  EXPECT_FALSE(read({{"b3", "0"}, {"B3", "0"}}));
  EXPECT_FALSE(read({{"c3", "0"}, {"x-b3-nothing", "1"}, {"xxb3-traceid", trace}}));
  EXPECT_FALSE(read({{"x-b3-flags", "0"}}));
  EXPECT_EQ(read({{"b3", "0"}, {"x-b3-traceid", trace}, {"x-b3-spanid", span}, {"x-b3-sampled", "1"}})->sampled, Sampled::No)
      << "the one field comes first";
}

// --- sampling --------------------------------------------------------------------------------------------------------

TEST(Share, IsByTheIdAloneAndGrowsWithoutLeavingAnybodyOut) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const double shares[] = {0, 0.001, 0.01, 0.25, 0.5, 0.99, 1};
  int in[7] = {};
  constexpr int kTraces = 100'000;
  for (int i = 0; i < kTraces; ++i) {
    const TraceContext one{random.next(), random.next(), random.next()}, other{one.high, one.low, random.next(), Sampled::No};
    bool before = false;
    for (int s = 0; s < 7; ++s) {
      const bool is = is_in_share(one, shares[s]);
      EXPECT_EQ(is, is_in_share(other, shares[s]));
      EXPECT_TRUE(is || !before);
      before = is;
      in[s] += is;
    }
  }
  EXPECT_EQ(in[0], 0);
  EXPECT_EQ(in[6], kTraces);
  for (int s = 1; s < 6; ++s)
    EXPECT_NEAR(in[s], kTraces * shares[s], 6 * std::sqrt(kTraces * shares[s] * (1 - shares[s]))) << shares[s];
}

// As go.opentelemetry.io/otel/sdk/trace decides: the lower half of the id, without its last bit, below the share of 2^63.
TEST(Share, IsOpenTelemetrys) {
  EXPECT_TRUE(is_in_share({1, 0x7fffffffffffffff, 1}, 0.5));
  EXPECT_FALSE(is_in_share({1, 0x8000000000000000, 1}, 0.5));
  EXPECT_TRUE(is_in_share({~0ull, 0, 1}, 0.0001));
  EXPECT_FALSE(is_in_share({0, ~0ull, 1}, 0.9999));
}

}  // namespace
}  // namespace outrider::http
