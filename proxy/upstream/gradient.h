#pragma once
// How many requests an application takes at once, found from how long its answers take.

#include <array>
#include <cstdint>

#include "base/time.h"

namespace outrider::upstream {

// After Netflix's Gradient2 and Envoy's adaptive concurrency: the answers of a short window are compared with those of the long
// run. While they are as quick the limit grows by its root, where they are slower it shrinks by how much slower. What differs is
// meant to do no harm:
// - A window is its lower quartile. Where requests queue in the application the quick ones are slow, too; where some are slow
//   by nature the quick ones stay as they are.
// - A limit of which not half is used does not grow, and where little is under way does not shrink.
// - Slow answers may be a queue, or an application that is slower than it was. Before the limit shrinks, and now and then while
//   requests wait, it is halved for a moment that waiting can bridge: how quick answers are then is what they are compared with
//   from there on. With a queue that is quicker; without one it is as slow, and the limit grows. So a start in the middle of a
//   flood is seen through as well. Where answers take too long for that, the limit shrinks step by step, to the same end.
// - Where nothing is answered, or nothing within the time that may be waited (long polls), there is no evidence of a queue: who
//   has waited makes the limit double.
// No thread, no clock, no allocation: owned by an Admission.
class Gradient {
 public:
  static constexpr uint32_t kStart = 100, kLeast = 4;
  Gradient(uint32_t most, milliseconds patience)
      : most_(most), patience_us_(double(patience.count()) * 1000), limit_(most < kStart ? most : kStart) {}
  uint32_t limit() const { return uint32_t(limit_); }
  // An answer that took so long, and how many were under way with it. True: the limit is another now.
  bool sample(TimePoint now, uint64_t microseconds, uint32_t in_flight);
  void note_waiting() { waited_ = true; }   // somebody has to
  void note_patience_spent(bool answered);  // somebody has waited for long; something was answered meanwhile

 private:
  enum class Trial : uint8_t { None, Settling, Measuring };
  static constexpr uint32_t kEnough = 20, kKept = 256;
  static constexpr uint32_t kTrials = 20, kTrialsMost = 320;  // windows between two trials
  void end_window(TimePoint now);
  void judge(double quick);
  void shrink(double quick);
  void begin_trial(double quick);
  void end_trial(double quick);
  double least() const { return most_ < kLeast ? most_ : kLeast; }
  const uint32_t most_;
  const double patience_us_;
  double limit_;
  double usual_ = 0;                       // microseconds, of the long run; 0: unknown
  bool sure_ = false;                      // it was seen while nobody waited, or in a trial
  std::array<uint32_t, kKept> answers_{};  // the first of this window
  uint32_t count_ = 0, peak_ = 0;
  bool waited_ = false;
  TimePoint window_ends_{};
  uint32_t slow_in_a_row_ = 0;          // windows
  double fell_from_ = 0, fell_at_ = 0;  // the limit, and how slow answers were; 0: it has not shrunk
  Trial trial_ = Trial::None;
  double load_before_ = 0, limit_before_ = 0, tried_at_ = 0;  // likewise, of the trial
  uint32_t patience_spent_ = 0;                               // in it
  uint32_t since_trial_ = 0, until_trial_ = kTrials;          // windows that used the limit
  double before_doubling_ = 0;                                // 0: it has not
};

}  // namespace outrider::upstream
