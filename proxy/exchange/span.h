#pragma once
// One span, as OTLP has it on the wire (opentelemetry.proto.trace.v1.Span, protobuf).

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "http/trace_context.h"

namespace outrider::exchange {

// Written as it is told, and taken once at its end. Lives on one worker's stack.
class Span {
 public:
  enum class Kind : uint8_t { Server = 2, Client = 3 };
  // `context` has its own id; a `parent` of 0 is none. `remote`: the parent is of another process.
  Span(const http::TraceContext& context, uint64_t parent, bool remote, Kind kind, std::string_view name, WallTime start,
       WallTime end);
  void text(std::string_view key, std::string_view value);  // an empty one is left out, a long one clipped
  void number(std::string_view key, uint64_t value);
  void link(const http::TraceContext& to);
  void state(std::string_view tracestate);
  void failed(std::string_view why);
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// One attribute (KeyValue) as a field of that number of the message around it.
void append_attribute(std::string& out, uint32_t number, std::string_view key, std::string_view value);

}  // namespace outrider::exchange
