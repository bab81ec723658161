#pragma once
// The newest decisions of one worker.

#include <string_view>
#include <vector>

#include "exchange/decision.h"
#include "exchange/snapshot.h"

namespace outrider::exchange {

// Who has no room takes the place of the oldest. What went well in the end, but took more than one try, has a fifth of the room:
// where much is hedged, that is not to push out what failed. Owned by the Site; one worker.
class Decisions {
 public:
  explicit Decisions(const DecisionPlan& plan) { follow(plan); }
  void follow(const DecisionPlan& plan);  // `keep` is this worker's part; the newest stay
  std::chrono::microseconds slower() const { return slower_; }
  void add(Decision decision);
  // Copies: all, or those with that id, or whose ids begin so where that is long enough to be meant. Of what failed or was slow
  // the newest first, and so of the rest behind it; of each no more than `most`.
  std::vector<Decision> find(std::string_view id, size_t most) const;
  static constexpr size_t kLeastOfAnId = 6;

 private:
  class Ring {
   public:
    void keep(size_t most);
    void add(Decision decision);
    void find(std::string_view id, size_t most, std::vector<Decision>& found) const;

   private:
    size_t most_ = 0, next_ = 0;
    std::vector<Decision> kept_;
  };
  std::chrono::microseconds slower_{0};
  Ring bad_, good_;
};

}  // namespace outrider::exchange
