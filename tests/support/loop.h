#pragma once
// Runs a loop until something is true, never longer than a limit that only a broken test meets.

#include "net/loop.h"

namespace outrider::test {

class Guard final : public net::Timer {
 public:
  void on_timer() override { fired = true; }
  bool fired = false;
};

template <class Condition>
[[nodiscard]] bool run_until(net::Loop& loop, Condition done, milliseconds limit = milliseconds(20000)) {
  Guard guard;
  loop.run_turn(false);  // the loop's clock may be old
  loop.arm(guard, limit);
  while (!done()) {
    if (guard.fired) return false;
    loop.run_turn(true);
  }
  return true;
}

// The same for who is the other side as well, and acts in `step` until it says true: the loop never waits for events.
template <class Step>
[[nodiscard]] bool drive_until(net::Loop& loop, Step step, milliseconds limit = milliseconds(20000)) {
  const auto end = net::Loop::clock() + limit;
  while (!step()) {
    if (net::Loop::clock() > end) return false;
    loop.run_turn(false);
  }
  return true;
}

// A few turns without waiting: what is under way settles.
inline void run_turns(net::Loop& loop, int n = 4) {
  for (int i = 0; i < n; ++i) loop.run_turn(false);
}

}  // namespace outrider::test
