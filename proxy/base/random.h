#pragma once
// xoshiro-class small generator (splitmix64): one a worker, seeded from the system, repeatable in tests.

#include <cstdint>

#include "base/hash.h"

namespace outrider {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15ULL); }
  // Uniform in [0, bound) by multiplication (Lemire 2019, without the rejection: bias under 2^-32 for our bounds).
  uint32_t below(uint32_t bound) { return uint32_t((uint64_t(uint32_t(next() >> 32)) * bound) >> 32); }
  double unit() { return double(next() >> 11) * 0x1.0p-53; }  // [0, 1)

 private:
  uint64_t state_;
};

// A seed from getrandom(2).
uint64_t random_seed();

}  // namespace outrider
