#pragma once
// Drawing lots among seats: by weight in constant time, and the choice of the better of a few.

#include <algorithm>
#include <vector>

#include "upstream/balancer.h"

namespace outrider::upstream::balance {

inline bool is_tried(const Seat* seat, std::span<const Seat* const> tried) {
  return std::find(tried.begin(), tried.end(), seat) != tried.end();
}

// Walker's alias method (Vose 1991): a cell a seat, each shared by at most two. Owned by a balancer.
class Draw {
 public:
  explicit Draw(Random& random) : random_(random) {}
  void rebuild(std::span<Seat* const> usable);
  size_t size() const { return seats_.size(); }
  Seat* by_weight();                                    // null: empty
  Seat* by_weight(std::span<const Seat* const> tried);  // an untried one while there is any
  // The best of `choices`, by better(a, b). The first is drawn by weight and each other one uniformly, who must be
  // better and is then taken with the ratio of their weights (Metropolis 1953): equals share by weight however often
  // they are compared, and a seat of little weight cannot take all because it is idle.
  template <class Better>
  Seat* best(uint32_t choices, std::span<const Seat* const> tried, Better better) {
    Seat* chosen = by_weight(tried);
    if (seats_.size() < 2) return chosen;
    for (uint32_t i = 1; i < choices; ++i) {
      Seat* other = other_than(chosen);
      if (!better(*other, *chosen) || (!tried.empty() && is_tried(other, tried))) continue;
      if (other->weight >= chosen->weight || random_.below(chosen->weight) < other->weight) chosen = other;
    }
    return chosen;
  }
  // The one of least cost(seat) of so many that are drawn uniformly, another each time where there are as many: weights are
  // for the cost to count.
  template <class Cost>
  Seat* cheapest(uint32_t choices, std::span<const Seat* const> tried, Cost cost) {
    const auto all = uint32_t(seats_.size());
    Seat* chosen = nullptr;
    float least = 0;
    for (uint32_t i = 0, n = std::min(choices, all); i < n; ++i) {
      std::swap(shuffled_[i], shuffled_[i + random_.below(all - i)]);
      Seat* const seat = shuffled_[i];
      if (!tried.empty() && is_tried(seat, tried)) continue;
      const float its = cost(*seat);
      if (!chosen || its < least) chosen = seat, least = its;
    }
    return chosen ? chosen : by_weight(tried);
  }

 private:
  struct Cell {
    uint32_t own = UINT32_MAX;
    uint32_t alias = 0;
  };  // own: the cell's own share of it, of 2^32
  Seat* other_than(const Seat* seat);
  Random& random_;
  std::vector<Seat*> seats_, shuffled_;
  std::vector<Cell> cells_;  // empty: all weigh the same
};

}  // namespace outrider::upstream::balance
