#pragma once
// Timers in four wheels of 64 slots (Varghese and Lauck 1987): arm and cancel in constant time.

#include <array>
#include <cstdint>

#include "base/intrusive_list.h"
#include "base/time.h"

namespace outrider::net {

struct Timer : ListHook<Timer> {  // embedded in its owner; armed by Loop::arm
  virtual void on_timer() = 0;
  void cancel() { unlink(); }
  bool armed() const { return linked(); }
  uint64_t due_tick = 0;

 protected:
  ~Timer() = default;
};

// A timer as a member: `BoundTimer<Exchange, &Exchange::on_deadline> deadline_{*this};`
template <class Owner, void (Owner::*Method)()>
class BoundTimer final : public Timer {
 public:
  explicit BoundTimer(Owner& owner) : owner_(owner) {}
  void on_timer() override { (owner_.*Method)(); }

 private:
  Owner& owner_;
};

// Never fires early; late by at most one tick (more when armed far ahead: one slot of its wheel is a tick of it, and
// timers cascade down as their time comes). Owned by a Loop.
class TimerWheel {
 public:
  static constexpr milliseconds kTick{8};
  static constexpr std::chrono::microseconds kFineTick{50};
  explicit TimerWheel(TimePoint start, std::chrono::microseconds tick = kTick) : start_(start), length_(tick) {}
  void arm(Timer& timer, TimePoint due);
  TimePoint due(const Timer& timer) const { return start_ + length_ * int64_t(timer.due_tick); }
  void advance(TimePoint now);  // fires all that are due
  bool empty() { return next() == TimePoint::max(); }
  TimePoint next();  // when advance() should be called next; max(): never

 private:
  static constexpr int kLevels = 4, kBits = 6, kSlots = 1 << kBits;
  uint64_t tick_of(TimePoint at) const;  // rounded up
  uint64_t next_tick();
  void place(Timer& timer);
  const TimePoint start_;
  const std::chrono::microseconds length_;  // of a tick
  uint64_t tick_ = 0;                       // all before it have fired
  std::array<std::array<IntrusiveList<Timer>, kSlots>, kLevels> slots_;
  std::array<uint64_t, kLevels> occupied_{};  // a bit a slot; timers leave without telling, so a set bit may be stale
};

}  // namespace outrider::net
