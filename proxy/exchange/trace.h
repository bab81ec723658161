#pragma once
// The trace of one request, as an exchange keeps it.

#include "base/time.h"
#include "exchange/trace_plan.h"

namespace outrider::upstream {
class Attempt;
}

namespace outrider::exchange {

// In the exchange's arena; there is none where tracing is off.
struct Trace {
  struct Try {
    upstream::Attempt* attempt;  // the exchange's, for as long as this
    uint64_t span;
    const char* reason;  // first, or why it was tried again
    TimePoint began{}, ended{};
    Try* next = nullptr;
  };
  const TracePlan* plan;       // the listener's
  http::TraceContext context;  // with the span of what came in
  http::TraceContext caller;   // what it came with; none where it came with nothing
  bool continues = false;      // the caller's trace; else one of our own, with a link to that
  std::string_view state;      // tracestate, of a trace that continues
  Try* first = nullptr;
  Try* last = nullptr;
};

}  // namespace outrider::exchange
