#include "upstream/balance/draw.h"

namespace outrider::upstream::balance {

void Draw::rebuild(std::span<Seat* const> usable) {
  seats_.clear();
  cells_.clear();
  double sum = 0;
  bool equal = true;
  for (Seat* seat : usable) {
    if (seat->weight == 0) continue;
    seats_.push_back(seat);
    sum += seat->weight;
    equal &= seat->weight == seats_.front()->weight;
  }
  shuffled_ = seats_;
  if (equal) return;

  cells_.resize(seats_.size());
  std::vector<double> share(seats_.size());
  std::vector<uint32_t> small, large;
  for (uint32_t i = 0; i < seats_.size(); ++i) {
    share[i] = seats_[i]->weight * double(seats_.size()) / sum;
    (share[i] < 1 ? small : large).push_back(i);
  }
  while (!small.empty() && !large.empty()) {
    const uint32_t poor = small.back(), rich = large.back();
    small.pop_back();
    cells_[poor] = {uint32_t(share[poor] * 0x1.0p32), rich};
    share[rich] -= 1 - share[poor];
    if (share[rich] >= 1) continue;
    large.pop_back();
    small.push_back(rich);
  }
  // Whatever is left is whole but for rounding.
  for (const auto& rest : {small, large})
    for (uint32_t i : rest) cells_[i] = {UINT32_MAX, i};
}

Seat* Draw::by_weight() {
  if (seats_.empty()) return nullptr;
  const uint64_t lot = random_.next();
  const auto at = uint32_t(((lot >> 32) * seats_.size()) >> 32);
  if (cells_.empty()) return seats_[at];
  return seats_[uint32_t(lot) < cells_[at].own ? at : cells_[at].alias];
}

Seat* Draw::by_weight(std::span<const Seat* const> tried) {
  Seat* seat = by_weight();
  if (tried.empty()) return seat;
  for (int i = 0; i < 8 && seat && is_tried(seat, tried); ++i) seat = by_weight();
  if (!seat || !is_tried(seat, tried)) return seat;
  // The untried are few or weigh little: whoever comes next from a place drawn anew.
  const auto from = random_.below(uint32_t(seats_.size()));
  for (size_t i = 0; i < seats_.size(); ++i)
    if (Seat* next = seats_[(from + i) % seats_.size()]; !is_tried(next, tried)) return next;
  return seat;
}

Seat* Draw::other_than(const Seat* seat) {
  const auto at = random_.below(uint32_t(seats_.size() - 1));
  return seats_[at] == seat ? seats_.back() : seats_[at];
}

}  // namespace outrider::upstream::balance
