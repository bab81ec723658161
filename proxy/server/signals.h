#pragma once
// Signals as events of the control loop.

#include <memory>
#include <vector>

#include "net/loop.h"

namespace outrider::server {

class SignalEvents {
 public:
  virtual void on_signal(int number) = 0;

 protected:
  ~SignalEvents() = default;
};

// Owned by the supervisor; control loop. Its end gives the signals back their default action.
class Signals {
 public:
  Signals(net::Loop& control, SignalEvents& events, const std::vector<int>& numbers);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  struct Watch;
  std::vector<Watch*> watches_;
};

}  // namespace outrider::server
