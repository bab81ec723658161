#include "exchange/decisions.h"

#include <algorithm>
#include <utility>

namespace outrider::exchange {

void Decisions::Ring::keep(size_t most) {
  if (most == most_) return;
  std::rotate(kept_.begin(), kept_.begin() + ptrdiff_t(next_), kept_.end());  // the oldest first
  if (kept_.size() > most) kept_.erase(kept_.begin(), kept_.end() - ptrdiff_t(most));
  kept_.shrink_to_fit();
  most_ = most;
  next_ = 0;
}

void Decisions::Ring::add(Decision decision) {
  if (kept_.size() < most_) return kept_.push_back(std::move(decision));
  if (kept_.empty()) return;
  kept_[next_] = std::move(decision);
  next_ = (next_ + 1) % kept_.size();
}

void Decisions::Ring::find(std::string_view id, size_t most, std::vector<Decision>& found) const {
  for (size_t i = 0, left = most; i < kept_.size() && left > 0; ++i) {
    const Decision& each = kept_[(next_ + kept_.size() - 1 - i) % kept_.size()];
    if (!id.empty() && each.id != id && (id.size() < kLeastOfAnId || !each.id.starts_with(id))) continue;
    found.push_back(each);
    --left;
  }
}

void Decisions::follow(const DecisionPlan& plan) {
  slower_ = plan.slower;
  const size_t good = std::max<size_t>(plan.keep / 5, 1);
  bad_.keep(std::max<size_t>(plan.keep - good, 1));
  good_.keep(good);
}

void Decisions::add(Decision decision) {
  const bool failed = decision.flag != Flag::None || decision.status >= 400 ||
                      (decision.grpc_status && http::is_grpc_failure(*decision.grpc_status));
  const bool slow = decision.duration >= slower_.count();
  (failed || slow ? bad_ : good_).add(std::move(decision));
}

std::vector<Decision> Decisions::find(std::string_view id, size_t most) const {
  std::vector<Decision> found;
  bad_.find(id, most, found);
  good_.find(id, most, found);
  return found;
}

}  // namespace outrider::exchange
