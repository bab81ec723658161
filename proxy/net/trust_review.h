#pragma once
// Connections of mutual TLS, looked at again when somebody else is trusted.

#include <algorithm>

#include "net/tls_engine.h"
#include "net/tls_slot.h"

namespace outrider::net {

// One round: whoever has connections shows each, and does with it what it is told. A round verifies a few chains only, for each
// is dear: the next goes on where it ended. Made by a worker, for a turn.
class TrustReview {
 public:
  static constexpr int kChains = 16;
  TrustReview(TimePoint now, milliseconds grace) : now_(now), grace_(grace) {}
  enum class Advice : uint8_t { Keep, Leave, Cut };  // Leave: as soon as nothing is under way; said once
  Advice of(TlsEngine& peer, const TlsSlot& slot) {
    if (!peer.context()->is_mutual()) return Advice::Keep;
    const auto now = slot.get();
    if (!peer.established()) {
      waiting_ |= peer.context() != now;
      return Advice::Keep;
    }
    if (!peer.has_asked(now) && left_-- <= 0) {
      unfinished_ = true;
      return Advice::Keep;
    }
    const bool known = peer.distrusted != TimePoint{};
    if (peer.trusts_still(now)) {
      peer.distrusted = {};
      return Advice::Keep;
    }
    if (!known) ++found_, peer.distrusted = now_;
    if (now_ >= peer.distrusted + grace_) return Advice::Cut;
    next_cut_ = std::min(next_cut_, peer.distrusted + grace_);
    return known ? Advice::Keep : Advice::Leave;
  }
  bool unfinished() const { return unfinished_; }   // others are to be looked at
  bool waiting() const { return waiting_; }         // handshakes that began before are under way
  uint64_t found() const { return found_; }         // who is trusted no more, and was when last looked at
  TimePoint next_cut() const { return next_cut_; }  // max(): never

 private:
  const TimePoint now_;
  const milliseconds grace_;
  int left_ = kChains;
  bool unfinished_ = false, waiting_ = false;
  uint64_t found_ = 0;
  TimePoint next_cut_ = TimePoint::max();
};

}  // namespace outrider::net
