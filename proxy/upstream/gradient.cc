#include "upstream/gradient.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace outrider::upstream {

namespace {

constexpr milliseconds kWindow{100};
constexpr double kTolerance = 1.5;  // times as slow as usual is slow
constexpr double kSmoothing = 0.2;  // of the way down, each window
constexpr double kLearning = 0.05;  // of what is usual, each window in which nobody waited
constexpr uint32_t kSlowRow = 3;    // a window may be slow by chance, or because memory was collected
constexpr double kSame = 0.15;
constexpr double kQueue = 0.6;  // as slow, at half of the load: they had stood in line
constexpr double kFall = 0.7;   // of a limit, after which answers should be quicker

}  // namespace

bool Gradient::sample(TimePoint now, uint64_t microseconds, uint32_t in_flight) {
  if (count_ < kKept) answers_[count_] = uint32_t(std::min<uint64_t>(microseconds, UINT32_MAX));
  ++count_;
  peak_ = std::max(peak_, in_flight);
  // The first to come back of many are the quick ones: half of those under way are to be seen.
  if (count_ < std::max(kEnough, peak_ / 2) || now < window_ends_) return false;
  const uint32_t before = limit();
  end_window(now);
  return limit() != before;
}

// The next one is long enough that most of what it sees has begun under the limit that comes of this one.
void Gradient::end_window(TimePoint now) {
  const auto end = answers_.begin() + std::min(count_, kKept);
  const auto quartile = answers_.begin() + (end - answers_.begin()) / 4;
  std::nth_element(answers_.begin(), quartile, end);
  const double quick = std::max<double>(1, *quartile);
  window_ends_ = now + std::max(kWindow, milliseconds(int64_t(2 * quick / 1000)));
  if (before_doubling_ > 0) limit_ = std::clamp<double>(peak_, std::exchange(before_doubling_, 0), limit_);
  switch (trial_) {
    case Trial::None: judge(quick); break;
    case Trial::Settling: trial_ = Trial::Measuring; break;
    case Trial::Measuring: end_trial(quick); break;
  }
  count_ = peak_ = 0;
  waited_ = false;
}

void Gradient::judge(double quick) {
  if (usual_ == 0) usual_ = quick;
  const bool slow = quick > kTolerance * usual_, used = 2.0 * peak_ >= limit_;
  const bool busy = used || 2 * peak_ >= kStart;  // enough to be a queue, however high the limit has come
  if (!waited_ && !(slow && busy)) {              // nobody was kept back: it is the application's own pace
    usual_ += kLearning * (quick - usual_);
    sure_ = true;
  }
  slow_in_a_row_ = slow ? slow_in_a_row_ + 1 : 0;
  if (!slow) fell_from_ = 0;
  if (!(slow ? busy : used)) return;
  ++since_trial_;
  const bool affordable = 4 * quick <= patience_us_;
  const bool due = since_trial_ >= until_trial_ || !sure_ || (slow && quick > kTolerance * tried_at_);
  if (slow && slow_in_a_row_ < kSlowRow) return;
  if ((slow || waited_) && affordable && due) return begin_trial(quick);
  if (slow) shrink(quick);
  else limit_ = std::min<double>(most_, limit_ + std::sqrt(limit_));
}

void Gradient::shrink(double quick) {
  if (fell_from_ > 0 && limit_ <= kFall * fell_from_) {
    const bool as_slow = quick > (1 - kSame) * fell_at_;
    fell_from_ = 0;
    if (as_slow) {
      usual_ = quick;
      return void(limit_ = std::min<double>(most_, 2 * limit_));
    }
  }
  if (fell_from_ == 0) {
    fell_from_ = std::min<double>(limit_, peak_);
    fell_at_ = quick;
  }
  const double base = std::min<double>(limit_, peak_);
  const double target = base * std::max(0.5, kTolerance * usual_ / quick) + std::sqrt(base);
  limit_ = std::clamp<double>(std::min(base, base + kSmoothing * (target - base)), least(), most_);
}

void Gradient::begin_trial(double quick) {
  trial_ = Trial::Settling;
  patience_spent_ = 0;
  tried_at_ = quick;
  limit_before_ = limit_;
  load_before_ = std::min<double>(limit_, peak_);
  limit_ = std::max(least(), load_before_ / 2);
}

void Gradient::end_trial(double quick) {
  trial_ = Trial::None;
  since_trial_ = slow_in_a_row_ = 0;
  fell_from_ = 0;
  // What was known already is asked for less often.
  const bool known = sure_ && std::abs(quick - usual_) <= kSame * usual_;
  until_trial_ = known ? std::min(kTrialsMost, until_trial_ * 2) : kTrials;
  const bool as_slow = quick > (1 - kSame) * tried_at_;  // at half of the load: there is no queue, and room for more
  usual_ = quick;
  sure_ = true;
  if (as_slow) limit_ = std::clamp<double>(2 * load_before_, limit_before_, most_);
  else if (quick > kQueue * tried_at_) limit_ = limit_before_;
}

void Gradient::note_patience_spent(bool answered) {
  if (trial_ != Trial::None && ++patience_spent_ >= 2) {  // what is under way does not end soon, and keeps the others out
    trial_ = Trial::None;
    since_trial_ = slow_in_a_row_ = 0;
    until_trial_ = std::min(kTrialsMost, until_trial_ * 2);
    limit_ = std::max(limit_, limit_before_);
  }
  if (answered && usual_ > 0 && usual_ <= patience_us_) return;
  if (before_doubling_ == 0) before_doubling_ = limit_;
  limit_ = std::min<double>(most_, limit_ * 2);
}

}  // namespace outrider::upstream
