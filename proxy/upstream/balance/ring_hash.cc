// Endpoints stand at many places of a ring, and a key goes to the next one (Karger et al., STOC 1997).

#include "base/hash.h"
#include "upstream/balance/consistent.h"
#include "upstream/balance/rows.h"

namespace outrider::upstream::balance {

namespace {

// Shares differ by about one part in the root of this; a fifth of that costs half the evenness.
constexpr double kPlacesEach = 160;
constexpr double kMostPlaces = 64 * 1024;  // on all of the ring: it is sorted on a worker

class RingHash final : public Consistent {
 public:
  using Consistent::Consistent;

 private:
  struct Place {
    uint64_t at;
    Seat* seat;
  };
  void lay_out() override {
    ring_.clear();
    const double all = std::min(kPlacesEach * double(seats().size()), kMostPlaces);
    for (Seat* seat : seats()) {
      const uint64_t base = hash(seat->member.endpoint->address);
      const auto places = std::max<uint64_t>(1, uint64_t(all * share_of(*seat) + 0.5));
      for (uint64_t i = 0; i < places; ++i) ring_.push_back({mix(base + i * 0x9e3779b97f4a7c15ULL), seat});
    }
    std::sort(ring_.begin(), ring_.end(), [](const Place& a, const Place& b) { return a.at < b.at; });
  }
  size_t places() const override { return ring_.size(); }
  size_t first(uint64_t key) const override {
    const auto next = std::lower_bound(ring_.begin(), ring_.end(), key, [](const Place& a, uint64_t k) { return a.at < k; });
    return next == ring_.end() ? 0 : size_t(next - ring_.begin());
  }
  Seat* seat_at(size_t place) const override { return ring_[place].seat; }
  std::vector<Place> ring_;
};

}  // namespace

std::unique_ptr<Balancer> make_ring_hash(const ClusterPlan& plan, Random& random) {
  return std::make_unique<RingHash>(plan, random);
}

}  // namespace outrider::upstream::balance
