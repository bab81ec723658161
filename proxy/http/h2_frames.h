#pragma once
// Where frames begin in the bytes of an HTTP/2 connection: nghttp2 does not tell of those it passes over.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace outrider::http {

struct H2Frame {
  uint32_t length, stream, depends_on;  // the last of PRIORITY alone
  uint8_t type, flags;
};

// Part of a codec.
class H2Frames {
 public:
  explicit H2Frames(size_t preface) : skip_(preface) {}  // bytes before the first frame
  // True: the head of another has been read, to its end, and `bytes` is what comes behind; else they are used up.
  bool next(std::string_view& bytes, H2Frame& frame) {
    const size_t passed = std::min(skip_, bytes.size());
    bytes.remove_prefix(passed);
    skip_ -= passed;
    while (skip_ == 0 && !bytes.empty()) {
      const size_t wanted = have_ >= kHead ? kHead + 4 : kHead;
      const size_t n = std::min(wanted - have_, bytes.size());
      std::memcpy(head_.data() + have_, bytes.data(), n);
      bytes.remove_prefix(n);
      have_ += n;
      if (have_ < wanted) return false;
      frame = {number(0, 3), number(5, 4) & 0x7fffffffu, 0, head_[3], head_[4]};
      if (wanted == kHead && frame.type == kPriority && frame.length == 5) continue;
      if (wanted > kHead) frame.depends_on = number(kHead, 4) & 0x7fffffffu;
      skip_ = kHead + frame.length - have_;
      have_ = 0;
      return true;
    }
    return false;
  }
  static size_t size_of_head(const H2Frame& frame) { return frame.type == kPriority && frame.length == 5 ? kHead + 4 : kHead; }

 private:
  static constexpr size_t kHead = 9;
  static constexpr uint8_t kPriority = 2;
  uint32_t number(size_t from, size_t n) const {
    uint32_t value = 0;
    for (size_t i = from; i < from + n; ++i) value = value << 8 | head_[i];
    return value;
  }
  size_t skip_, have_ = 0;
  std::array<uint8_t, kHead + 4> head_{};
};

}  // namespace outrider::http
