#include "http/h2_guard.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>

namespace outrider::http {

namespace {

struct Budget {
  uint16_t limit;
  uint16_t paid_back;  // a turn
  const char* what;
};

// In the order of H2Guard::Kind. Clients cancel in bursts: a thousand at once is a deadline that has passed, not an
// attack. A header block of the largest limit fits in a few frames.
constexpr Budget kBudgets[] = {{256, 4, "ping_flood"},        {64, 1, "settings_flood"},        {1000, 8, "rapid_reset"},
                               {512, 8, "empty_frame_flood"}, {512, 64, "window_update_flood"}, {16, 0, "continuation_flood"}};

}  // namespace

const char* H2Guard::count(Kind kind) { return ++counted_[kind] > kBudgets[kind].limit ? kBudgets[kind].what : nullptr; }

const char* H2Guard::frame(uint8_t type, uint8_t flags, size_t length) {
  switch (type) {
    case NGHTTP2_PING: return flags & NGHTTP2_FLAG_ACK ? nullptr : count(Pings);
    case NGHTTP2_SETTINGS: return flags & NGHTTP2_FLAG_ACK ? nullptr : count(Settings);
    case NGHTTP2_DATA: return length == 0 && !(flags & NGHTTP2_FLAG_END_STREAM) ? count(Empty) : nullptr;
    case NGHTTP2_WINDOW_UPDATE: return earned_ > 0 ? --earned_, nullptr : count(Windows);
    case NGHTTP2_HEADERS:
      counted_[Continuations] = 0;
      earn(2);  // some clients begin each stream with it
      return nullptr;
    case NGHTTP2_CONTINUATION: return count(Continuations);
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_GOAWAY: return nullptr;
    default: return count(Empty);  // PRIORITY and what we do not know
  }
}

const char* H2Guard::reset() { return count(Resets); }

void H2Guard::earn(size_t credits) { earned_ = uint16_t(std::min<size_t>(earned_ + credits, UINT16_MAX)); }

// For the stream and for the connection, however small the pieces it is read in.
void H2Guard::sent(size_t size) { earn(2 + size / 128); }

void H2Guard::turn() {
  for (size_t kind = 0; kind < Count; ++kind)
    counted_[kind] = uint16_t(counted_[kind] - std::min(counted_[kind], kBudgets[kind].paid_back));
}

// A head is what costs most. A few dozen are what many streams ask for at once; of a peer that takes its own back, or makes
// us do it, others should notice nothing, and of one that has not brought a stream to its end yet, for which nearly each
// may open a connection to an endpoint, least of all.
uint32_t H2Guard::cost(uint8_t type) const {
  if (type != NGHTTP2_HEADERS) return 1;
  if (!known_) return kATurn / 2 + 1;
  return counted_[Resets] > kBudgets[Resets].limit / 64 ? kATurn / 8 : kATurn / 64;
}

void H2Guard::finished() {
  known_ = true;
  if (counted_[Resets] > 0) --counted_[Resets];
}

}  // namespace outrider::http
