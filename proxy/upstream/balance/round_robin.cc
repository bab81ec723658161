// One after the other; those of more weight more often, and evenly spread.

#include <vector>

#include "upstream/balance/draw.h"
#include "upstream/balance/rows.h"

namespace outrider::upstream::balance {

namespace {

// Equal weights: a cursor. Else stride scheduling (Waldspurger 1995): a seat's next turn comes a stride of 1/weight
// after its last, and the soonest is at the top of a heap. Every worker starts at a place of its own, or all of them
// would send their first request to the same endpoint.
class RoundRobin final : public Balancer {
 public:
  explicit RoundRobin(Random& random) : random_(random) {}

  void rebuild(std::span<Seat* const> usable) override {
    turns_.clear();
    equal_ = true;
    for (Seat* seat : usable) {
      if (seat->weight == 0) continue;
      const uint64_t stride = kOne / seat->weight;
      turns_.push_back({seat, stride, uint64_t(double(stride) * random_.unit())});
      equal_ &= stride == turns_.front().stride;
    }
    if (turns_.empty()) return;
    if (equal_) cursor_ = random_.below(uint32_t(turns_.size()));
    for (size_t at = turns_.size() / 2; !equal_ && at-- > 0;) sink(at);
  }

  Seat* pick(const Pick& what) override {
    if (turns_.empty()) return nullptr;
    return equal_ ? next_equal(what.tried) : next_turn(what.tried);
  }

 private:
  struct Turn {
    Seat* seat;
    uint64_t stride, at;
  };
  static constexpr uint64_t kOne = uint64_t{1} << 48;
  static bool sooner(const Turn& a, const Turn& b) { return int64_t(a.at - b.at) < 0; }  // right across the wrap

  Seat* next_equal(std::span<const Seat* const> tried) {
    Seat* seat = nullptr;
    for (size_t i = 0; i < turns_.size(); ++i) {
      seat = turns_[cursor_].seat;
      cursor_ = cursor_ + 1 == turns_.size() ? 0 : cursor_ + 1;
      if (tried.empty() || !is_tried(seat, tried)) break;
    }
    return seat;
  }

  Seat* next_turn(std::span<const Seat* const> tried) {
    size_t at = 0;
    if (!tried.empty() && is_tried(turns_[0].seat, tried)) {  // a retry looks through all: rare
      size_t best = turns_.size();
      for (size_t i = 0; i < turns_.size(); ++i)
        if (!is_tried(turns_[i].seat, tried) && (best == turns_.size() || sooner(turns_[i], turns_[best]))) best = i;
      if (best < turns_.size()) at = best;
    }
    Seat* seat = turns_[at].seat;
    turns_[at].at += turns_[at].stride;
    sink(at);
    return seat;
  }

  void sink(size_t at) {
    for (;;) {
      size_t least = at;
      for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < turns_.size(); ++child)
        if (sooner(turns_[child], turns_[least])) least = child;
      if (least == at) return;
      std::swap(turns_[at], turns_[least]);
      at = least;
    }
  }

  Random& random_;
  std::vector<Turn> turns_;
  size_t cursor_ = 0;
  bool equal_ = true;
};

}  // namespace

std::unique_ptr<Balancer> make_round_robin(const ClusterPlan&, Random& random) { return std::make_unique<RoundRobin>(random); }

}  // namespace outrider::upstream::balance
