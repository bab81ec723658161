#pragma once
// Connections that have not been answered yet go behind those that have.

#include <chrono>
#include <utility>

#include "base/time.h"

namespace outrider::net {

// Strangers are dear: a handshake costs what a hundred requests do, and who floods us begins anew all the time. So a turn
// of the loop serves one of them, and more only while they take little time; the others are found ready again in the next
// turn (epoll's level-triggered way), until each that was ready has been served once: a round. Whoever is known waits for
// one stranger a turn at most. A listener, whose work is to let strangers in, is one of them; the others wait in the
// kernel's queue. Owned by a loop; its thread.
class Newcomers {
 public:
  static constexpr std::chrono::microseconds kATurn{20};
  struct Ticket {
    uint32_t round = 0;  // in which its holder was last served
  };
  // May its holder be served in this turn? If not, its event must come again.
  bool admit(Ticket& ticket) {
    if (ticket.round == round_) return false;
    if (passed_over_ || out_of_time()) return passed_over_ = true, false;
    ticket.round = round_;
    return true;
  }
  // Has this turn no time left for more than what has begun?
  bool out_of_time() {
    const TimePoint now = std::chrono::steady_clock::now();
    if (began_ == TimePoint{}) began_ = now;
    return now - began_ >= kATurn;
  }
  void end_turn() {
    if (!std::exchange(passed_over_, false)) ++round_;
    began_ = {};
  }

 private:
  TimePoint began_{};
  uint32_t round_ = 1;
  bool passed_over_ = false;
};

}  // namespace outrider::net
