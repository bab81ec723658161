#pragma once
// What ring_hash and maglev share: where a key leads first is theirs, where it goes on from there is the same.

#include <algorithm>

#include "upstream/balance/draw.h"

namespace outrider::upstream::balance {

// Requests of one key go to one endpoint, whichever worker or proxy has them, as long as that takes requests: what is
// computed depends on addresses and weights alone. With bounded load an endpoint that has more than its share of this
// worker's requests in flight is passed by, and so is one that has been tried (Mirrokni, Thorup, Zadimoghaddam, SODA 2018).
// Without a key lots are drawn by weight.
class Consistent : public Balancer {
 public:
  Consistent(const ClusterPlan& plan, Random& random) : bounded_load_(plan.bounded_load), draw_(random) {}
  void rebuild(std::span<Seat* const> usable) final {
    seats_.clear();
    weights_ = 0;
    heaviest_ = 0;
    for (Seat* seat : usable) {
      if (seat->weight == 0) continue;
      seats_.push_back(seat);
      weights_ += seat->weight;
      heaviest_ = std::max(heaviest_, seat->weight);
    }
    std::sort(seats_.begin(), seats_.end(),
              [](const Seat* a, const Seat* b) { return a->member.endpoint->address < b->member.endpoint->address; });
    draw_.rebuild(usable);
    lay_out();
  }
  Seat* pick(const Pick& what) final {
    if (!what.key || seats_.size() < 2) return draw_.by_weight(what.tried);
    Seat* spare = nullptr;
    size_t at = first(*what.key);
    for (size_t step = 0; step < std::min(places(), kSteps); ++step, at = at + 1 == places() ? 0 : at + 1) {
      Seat* const seat = seat_at(at);
      if (is_tried(seat, what.tried)) continue;
      if (has_room(*seat, what.in_flight)) return seat;
      if (!spare) spare = seat;
    }
    return spare ? spare : draw_.by_weight(what.tried);
  }

 protected:
  virtual void lay_out() = 0;  // seats() anew
  virtual size_t places() const = 0;
  virtual size_t first(uint64_t key) const = 0;
  virtual Seat* seat_at(size_t place) const = 0;
  const std::vector<Seat*>& seats() const { return seats_; }  // of some weight each
  double share_of(const Seat& seat) const { return double(seat.weight) / weights_; }
  uint32_t heaviest() const { return heaviest_; }

 private:
  static constexpr size_t kSteps = 1024;  // then whoever would be next: a crowd that is full to the last is no reason to search
  bool has_room(const Seat& seat, uint32_t in_flight) const {
    return bounded_load_ <= 0 || double(seat.in_flight) < bounded_load_ * double(in_flight + 1) * share_of(seat);
  }
  const double bounded_load_;  // times the average; 0: whatever it has
  double weights_ = 0;
  uint32_t heaviest_ = 0;
  std::vector<Seat*> seats_;
  Draw draw_;
};

}  // namespace outrider::upstream::balance
