#pragma once
// Tests that use chance print what they started from; OUTRIDER_SEED repeats a run.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/random.h"

namespace outrider::test {

inline Random seeded_random() {
  const char* given = std::getenv("OUTRIDER_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 0) : random_seed();
  std::printf("seed 0x%llx\n", static_cast<unsigned long long>(seed));
  return Random(seed);
}

inline std::string random_bytes(Random& random, size_t n) {
  std::string out(n, '\0');
  for (char& c : out) c = char(random.next());
  return out;
}

}  // namespace outrider::test
