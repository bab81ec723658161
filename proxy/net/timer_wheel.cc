#include "net/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace outrider::net {

uint64_t TimerWheel::tick_of(TimePoint at) const {
  const auto since = std::chrono::ceil<std::chrono::microseconds>(at - start_).count();
  return since <= 0 ? 0 : uint64_t(since + length_.count() - 1) / uint64_t(length_.count());
}

void TimerWheel::arm(Timer& timer, TimePoint due) {
  timer.unlink();
  timer.due_tick = std::max(tick_of(due), tick_ + 1);
  place(timer);
}

// The level whose one slot covers the distance; farther than the last wheel reaches goes to its last slot and is
// placed anew when that comes round.
void TimerWheel::place(Timer& timer) {
  const uint64_t distance = timer.due_tick - tick_;
  int level = 0;
  while (level + 1 < kLevels && distance >> (kBits * (level + 1))) ++level;
  const uint64_t reach = uint64_t{1} << (kBits * kLevels);
  const uint64_t at = distance >= reach ? tick_ + reach - 1 : timer.due_tick;
  const uint64_t slot = (at >> (kBits * level)) & (kSlots - 1);
  slots_[size_t(level)][slot].push_back(timer);
  occupied_[size_t(level)] |= uint64_t{1} << slot;
}

void TimerWheel::advance(TimePoint now) {
  const auto since = std::chrono::floor<std::chrono::microseconds>(now - start_).count();
  const uint64_t target = since <= 0 ? 0 : uint64_t(since) / uint64_t(length_.count());
  while (tick_ < target) {
    const uint64_t soonest = next_tick();
    tick_ = std::min(soonest, target);  // nothing to do in between
    if (soonest > target) return;
    // A wheel that has turned once hands down the next slot of the one above, from the top.
    for (int level = kLevels - 1; level > 0; --level) {
      if (tick_ & ((uint64_t{1} << (kBits * level)) - 1)) continue;
      IntrusiveList<Timer> moving;
      moving.splice(slots_[size_t(level)][(tick_ >> (kBits * level)) & (kSlots - 1)]);
      while (Timer* timer = moving.pop_front()) place(*timer);
    }
    IntrusiveList<Timer> due;
    due.splice(slots_[0][tick_ & (kSlots - 1)]);
    while (Timer* timer = due.pop_front()) timer->on_timer();
  }
}

TimePoint TimerWheel::next() {
  const uint64_t soonest = next_tick();
  return soonest == UINT64_MAX ? TimePoint::max() : start_ + length_ * int64_t(soonest);
}

// The next tick at which a timer fires or a slot is handed down.
uint64_t TimerWheel::next_tick() {
  uint64_t soonest = UINT64_MAX;
  for (int level = 0; level < kLevels; ++level) {
    uint64_t& bits = occupied_[size_t(level)];
    const uint64_t first = (tick_ >> (kBits * level)) + 1;  // the slot that comes next
    while (bits) {
      const int ahead = std::countr_zero(std::rotr(bits, int(first & (kSlots - 1))));
      const uint64_t slot = (first + uint64_t(ahead)) & (kSlots - 1);
      if (slots_[size_t(level)][slot].empty()) {
        bits &= ~(uint64_t{1} << slot);
        continue;
      }
      soonest = std::min(soonest, (first + uint64_t(ahead)) << (kBits * level));
      break;
    }
  }
  return soonest;
}

}  // namespace outrider::net
