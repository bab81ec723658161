#pragma once
// What must outlive the call that decided to end it.

#include "net/loop.h"

namespace outrider::upstream {

// Deletes an object after the turn, and itself with it. Owned by the loop's list of the retired.
template <class T>
class Departed final : net::Retired {
 public:
  static void bury(net::Loop& loop, T* object) { loop.retire(*new Departed(object)); }

 private:
  explicit Departed(T* object) : object_(object) {}
  void on_retired() override {
    delete object_;
    delete this;
  }
  T* const object_;
};

}  // namespace outrider::upstream
