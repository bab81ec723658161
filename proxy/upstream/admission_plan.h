#pragma once
// What requests are let in to the application beside us by. Constant, of a configuration.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"

namespace outrider::upstream {

enum class Priority : uint8_t { High, Normal, Low };
constexpr size_t kPriorities = 3;
const char* name_of(Priority priority);
std::optional<Priority> priority_named(std::string_view name);  // any case

// Of the cluster that is the application. Nothing of it set: everybody is let in.
struct AdmissionPlan {
  enum class Limit : uint8_t { Off, Auto, Number } limit = Limit::Off;
  uint32_t number = 0;          // Auto: the most it may come to
  uint32_t max_waiting = 1024;  // on each worker
  milliseconds timeout{1000};   // of a wait
  double success_rate = 0;      // of the throttle; 0: there is none
  bool counts = false;          // what is inside, for sidecars that ask, though everybody is let in
  uint32_t slots = 0;           // requests the application works on at a time; 0: not known
  bool any() const { return limit != Limit::Off || success_rate > 0; }
};

}  // namespace outrider::upstream
