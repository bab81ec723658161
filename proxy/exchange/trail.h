#pragma once
// What is noted of an exchange on its way, where it did not simply go through, for whoever asks why.

#include <array>
#include <cstdint>

#include "base/time.h"
#include "filter/filter.h"

namespace outrider::exchange {

// In the exchange's arena, made when there is something to note: the warm path never has one. Texts are literals, or live as long
// as the filter they are of.
struct Trail {
  static constexpr size_t kTries = 12;
  struct Note {
    const char *filter, *action;
  };
  std::array<const char*, kTries> again{};    // why another try followed this one
  std::array<milliseconds, kTries> waited{};  // before it did
  const char* not_again = nullptr;            // why there was none
  const filter::Filter* answered_by = nullptr;
  const char* answered_name = nullptr;  // as it says itself
  bool authorization = false;
  const filter::Filter *waiter = nullptr, *asker = nullptr;
  std::chrono::microseconds wait{0};
  TimePoint asked{}, heard{};        // somebody, by a filter
  TimePoint queued{}, let_in{};      // for the application
  TimePoint look_up{}, looked_up{};  // of a name
  std::array<Note, 4> notes{};
  size_t noted = 0;
};

}  // namespace outrider::exchange
