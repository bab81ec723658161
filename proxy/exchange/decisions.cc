#include "exchange/decisions.h"

#include <algorithm>
#include <utility>

namespace outrider::exchange {

void Decisions::follow(const DecisionPlan& plan) {
  slower_ = plan.slower;
  if (plan.keep == most_) return;
  std::rotate(kept_.begin(), kept_.begin() + ptrdiff_t(kept_.size() < most_ ? 0 : next_), kept_.end());  // the oldest first
  if (kept_.size() > plan.keep) kept_.erase(kept_.begin(), kept_.end() - ptrdiff_t(plan.keep));
  kept_.shrink_to_fit();
  most_ = plan.keep;
  next_ = 0;
}

void Decisions::add(Decision decision) {
  if (kept_.size() < most_) return kept_.push_back(std::move(decision));
  if (kept_.empty()) return;
  kept_[next_] = std::move(decision);
  next_ = (next_ + 1) % kept_.size();
}

std::vector<Decision> Decisions::find(std::string_view id, size_t most) const {
  std::vector<Decision> found;
  for (size_t i = 0; i < kept_.size() && found.size() < most; ++i) {
    const Decision& each = kept_[(next_ + 2 * kept_.size() - 1 - i) % kept_.size()];
    if (id.empty() || each.id == id || (id.size() >= kLeastOfAnId && each.id.starts_with(id))) found.push_back(each);
  }
  return found;
}

}  // namespace outrider::exchange
