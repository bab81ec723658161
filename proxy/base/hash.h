#pragma once
// One hash for our own tables (FNV-1a with a final mix). Not for keys an attacker may choose to collide:
// tables fed by peers are bounded instead.

#include <cstdint>
#include <string_view>

namespace outrider {

inline uint64_t mix(uint64_t x) {  // the finaliser of splitmix64 (Steele, Lea, Flood 2014)
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

inline uint64_t hash(std::string_view text, uint64_t seed = 0) {
  uint64_t h = 0xcbf29ce484222325ULL ^ seed;
  for (char c : text) h = (h ^ uint8_t(c)) * 0x100000001b3ULL;
  return mix(h);
}

// For std::unordered_map<std::string, T, StringHash, std::equal_to<>>: found by string_view without a copy.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return hash(text); }
};

}  // namespace outrider
