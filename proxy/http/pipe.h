#pragma once
// One direction of an exchange: body bytes in transit, and how far the filters have come with head and body.

#include <algorithm>

#include "base/buffer.h"
#include "http/message.h"

namespace outrider::http {

struct Pipe {
  explicit Pipe(BlockPool& pool) : held(pool), kept(pool) {}
  Buffer held;             // arrived, not yet gone on
  size_t passed = 0;       // how much of `held` is through the filters
  size_t midway = 0;       // and how much, behind that, is with the filter that has paused
  Buffer kept;             // gone on, but an attempt may need it again
  uint32_t most_kept = 0;  // bytes of it
  bool keeping = false;    // false: `kept` was let go, the exchange is not repeatable any more
  bool ended = false, paused = false;
  bool collecting = false;  // paused, for the body to come to the filter that the head waits at
  bool end_passed = false;  // the filters have seen the end
  bool halfway = false;     // a filter has paused in the middle of a body: `midway`, and whether its end is part of that
  bool end_midway = false;
  bool trailers_taken = false;  // a filter has: they are not sent
  int64_t grown = 0;            // `held` by filters, which is less than nothing where they have let bytes go
  uint8_t head_cursor = 0, body_cursor = 0;
  HeaderMap* trailers = nullptr;  // with `ended`; lives in the head's arena

  // With `moved` bytes gone on: how many of those that had come are done with. All are when nothing is held.
  size_t done_with(size_t moved) {
    const auto left = int64_t(held.size()), there = left + int64_t(moved) - grown;
    grown = left - std::min(there, left);
    return size_t(there - std::min(there, left));
  }

  void clear() {
    held.clear();
    kept.clear();
    passed = midway = 0;
    keeping = ended = paused = collecting = end_passed = trailers_taken = halfway = end_midway = false;
    grown = 0;
    head_cursor = body_cursor = 0;
    trailers = nullptr;
  }
};

}  // namespace outrider::http
