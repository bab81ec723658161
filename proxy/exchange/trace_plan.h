#pragma once
// How the requests of a listener are traced.

#include <cstdint>
#include <string>
#include <vector>

#include "http/trace_context.h"

namespace outrider::exchange {

// Compiled from telemetry.tracing; constant, shared by all workers.
struct TracePlan {
  enum class Format : uint8_t { W3c, B3, B3Multi };
  std::vector<Format> propagate;  // read in this order; all of them are written
  double sample = 0.01, sample_errors = 1;
  std::string always;        // a field by which a request is sampled; empty: none
  bool always_here = true;   // callers of this listener may use it; else it is taken out
  bool trusted = true;       // these callers say of which trace a request is
  bool exported = false;     // somebody takes spans
  uint64_t salt = 0;         // of this process: ids come from a generator with half as many bits as they have
  bool writes(Format format) const {
    for (const Format each : propagate)
      if (each == format) return true;
    return false;
  }
};

// What a request says of its trace, by the first of these formats that it has.
inline http::TraceContext read_trace(const TracePlan& plan, const http::HeaderMap& headers) {
  for (const auto format : plan.propagate)
    if (const auto read = format == TracePlan::Format::W3c ? http::read_traceparent(headers) : http::read_b3(headers)) return *read;
  return {};
}

}  // namespace outrider::exchange
