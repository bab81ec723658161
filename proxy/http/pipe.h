#pragma once
// One direction of an exchange: body bytes in transit, and how far the filters have come with head and body.

#include "base/buffer.h"
#include "http/message.h"

namespace outrider::http {

struct Pipe {
  explicit Pipe(BlockPool& pool) : held(pool), kept(pool) {}
  Buffer held;           // arrived, not yet gone on
  size_t passed = 0;     // how much of `held` is through the filters
  Buffer kept;           // gone on, but an attempt may need it again; up to retry.buffer
  bool keeping = false;  // false: `kept` was let go, the exchange is not repeatable any more
  bool ended = false, paused = false;
  bool end_passed = false;  // the filters have seen the end
  uint8_t head_cursor = 0, body_cursor = 0;
  HeaderMap* trailers = nullptr;  // with `ended`; lives in the head's arena

  void clear() {
    held.clear();
    kept.clear();
    passed = 0;
    keeping = ended = paused = end_passed = false;
    head_cursor = body_cursor = 0;
    trailers = nullptr;
  }
};

}  // namespace outrider::http
