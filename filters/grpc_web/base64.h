#pragma once
// Base64 (RFC 4648 4) of streams, as gRPC-Web has it: a text may be several, each with its padding, one behind the other.

#include "base/buffer.h"

namespace outrider::filters {

// What encode_base64() leaves is a text that is whole.
Buffer encode_base64(Buffer& bytes);

// Of one stream. Plain memory: it may live in an arena.
class Base64Decoder {
 public:
  bool decode(Buffer& text);  // to the bytes it stands for, as far as they are known; false: it is none
  bool whole() const { return count_ == 0; }

 private:
  bool take(char c, char*& out);
  uint32_t bits_ = 0;
  uint8_t count_ = 0, padding_ = 0;  // characters of four that have come; how many of them are '='
};

}  // namespace outrider::filters
