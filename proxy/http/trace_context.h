#pragma once
// Which trace a request is of, as its fields say it: W3C Trace Context (traceparent, tracestate) and B3, of one field or of
// several.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/arena.h"
#include "http/header_map.h"

namespace outrider::http {

// A place in a trace: whoever has it is the parent of what is asked next. Plain data.
struct TraceContext {
  enum class Sampled : uint8_t { Undecided, No, Yes, Debug };  // Undecided and Debug: of B3 alone
  uint64_t high = 0, low = 0;                                  // the trace's id, 128 bits; both 0: there is none
  uint64_t span = 0;
  Sampled sampled = Sampled::Undecided;
  bool random = false;  // whoever began the trace says that the lower 56 bits of its id are (W3C, level 2)
  explicit operator bool() const { return (high | low) != 0; }
  bool is_sampled() const { return sampled >= Sampled::Yes; }
  bool operator==(const TraceContext&) const = default;
};

// Strict, by version: of a version that is not known yet, what stands where version 00 has it. Nothing: it is none.
std::optional<TraceContext> parse_traceparent(std::string_view text);
// Whether a list, of one field or of several joined by commas, is one: at most 32 members with keys and values as W3C wants them.
bool is_tracestate(std::string_view list);
// "trace-span", "trace-span-sampled", "trace-span-sampled-parent", or a decision alone, which is a context without ids.
std::optional<TraceContext> parse_b3(std::string_view text);
// The same of X-B3-TraceId, -SpanId, -Sampled and -Flags; empty: there is no such field.
std::optional<TraceContext> parse_b3_fields(std::string_view trace, std::string_view span, std::string_view sampled,
                                            std::string_view flags);

// Of a whole message. A field that must be there once and is there twice is none.
std::optional<TraceContext> read_traceparent(const HeaderMap& headers);
// Fields of B3, found in one pass. Empty: it is not there.
struct B3Fields {
  std::string_view single, trace, span, sampled, flags;
  bool any = false;    // of them, or X-B3-ParentSpanId
  bool twice = false;  // one of them is
};
B3Fields find_b3(const HeaderMap& headers);
std::optional<TraceContext> read_b3(const B3Fields& fields);  // the one field before the several
// All tracestate fields as one list, which is in the arena where there are several; empty: none, or it is malformed.
std::string_view read_tracestate(const HeaderMap& headers);

// Written in the arena. Of ids 32 and 16 hexadecimal digits.
std::string_view write_traceparent(const TraceContext& context, Arena& arena);
std::string_view write_b3(const TraceContext& context, Arena& arena);
std::string_view write_trace_id(const TraceContext& context, Arena& arena);
std::string_view write_span_id(uint64_t span, Arena& arena);

// The share of all ids: the same answer of every proxy, and of OpenTelemetry's TraceIdRatioBased; whoever is in a share is in
// every larger one.
bool is_in_share(const TraceContext& context, double share);

}  // namespace outrider::http
