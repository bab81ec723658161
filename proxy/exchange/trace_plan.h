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
  std::string always;       // a field by which a request is sampled; empty: none
  bool always_here = true;  // callers of this listener may use it; else it is taken out
  bool trusted = true;      // these callers say of which trace a request is
  bool exported = false;    // somebody takes spans
  uint64_t salt = 0;        // of this process: ids come from a generator with half as many bits as they have
  bool w3c = false, b3 = false, b3_multi = false;  // which of them there are
};

}  // namespace outrider::exchange
