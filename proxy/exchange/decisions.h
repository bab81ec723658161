#pragma once
// The newest decisions of one worker.

#include <string_view>
#include <vector>

#include "exchange/decision.h"
#include "exchange/snapshot.h"

namespace outrider::exchange {

// A ring: who has no room takes the place of the oldest. Owned by the Site; one worker.
class Decisions {
 public:
  explicit Decisions(const DecisionPlan& plan) { follow(plan); }
  void follow(const DecisionPlan& plan);  // `keep` is this worker's part; the newest stay
  std::chrono::microseconds slower() const { return slower_; }
  void add(Decision decision);
  // Copies, the newest first: all, or those with that id, or whose ids begin so where that is long enough to be meant.
  std::vector<Decision> find(std::string_view id, size_t most) const;
  size_t size() const { return kept_.size(); }
  static constexpr size_t kLeastOfAnId = 6;

 private:
  size_t most_ = 0, next_ = 0;
  std::chrono::microseconds slower_{0};
  std::vector<Decision> kept_;
};

}  // namespace outrider::exchange
