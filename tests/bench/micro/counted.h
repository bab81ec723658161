#pragma once

#include <benchmark/benchmark.h>

#include "tests/support/counted_calls.h"

namespace outrider::bench {

// Beside a loop over `state`: how often an iteration calls malloc, as the column `allocs`.
class Counted {
 public:
  explicit Counted(benchmark::State& state, bool whole_loop = true) : state_(state) {
    test::allocations = 0;
    test::counting = whole_loop;
  }
  ~Counted() {
    test::counting = false;
    state_.counters["allocs"] = benchmark::Counter(test::allocations, benchmark::Counter::kAvgIterations);
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  benchmark::State& state_;
};

}  // namespace outrider::bench
