#pragma once
// For parsers of what is signed: no fuzzer comes upon a good signature by itself.

#include <cstdint>
#include <cstdlib>
#include <string>

namespace outrider::fuzz {

inline void must(bool held) {
  if (!held) std::abort();
}

// The bytes behind the first of `data` or, where that is odd, `good` with some of its bytes changed by them.
inline std::string altered(const uint8_t* data, size_t size, const std::string& good) {
  if ((data[0] & 1) == 0) return {reinterpret_cast<const char*>(data + 1), size - 1};
  std::string bytes = good;
  for (size_t i = 1; i + 2 < size; i += 3) {
    char& byte = bytes[size_t(data[i] << 8 | data[i + 1]) % bytes.size()];
    byte = char(byte ^ data[i + 2]);
  }
  return bytes;
}

}  // namespace outrider::fuzz
