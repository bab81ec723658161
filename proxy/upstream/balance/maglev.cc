// A table of a prime number of places, which endpoints fill in turns, each in an order of its own (Eisenbud et al., NSDI
// 2016, 3.4). Found in one step, and evener than a ring; a few more keys move when an endpoint comes or goes.

#include <array>

#include "base/hash.h"
#include "upstream/balance/consistent.h"
#include "upstream/balance/rows.h"

namespace outrider::upstream::balance {

namespace {

constexpr uint32_t kPlacesEach = 100;  // at least: shares then differ by about 1 % (section 5.3)
// The paper's own two, and smaller ones, since a sidecar has often but a few endpoints, and tables are filled on workers.
constexpr std::array<uint32_t, 6> kPrimes{1021, 4093, 16381, 65537, 262139, 655373};

class Maglev final : public Consistent {
 public:
  using Consistent::Consistent;

 private:
  struct Turn {
    uint32_t next, skip;
    double credit;  // who has half the weight of the heaviest fills a place every other turn
  };
  void lay_out() override {
    table_.clear();
    if (seats().empty()) return;
    const auto wanted = std::min<uint64_t>(seats().size() * uint64_t{kPlacesEach}, kPrimes.back());
    const uint32_t size = *std::lower_bound(kPrimes.begin(), kPrimes.end(), wanted);
    std::vector<Turn> turns;
    turns.reserve(seats().size());
    for (const Seat* seat : seats()) {
      const std::string& address = seat->member.endpoint->address;
      turns.push_back({uint32_t(hash(address, 1) % size), uint32_t(hash(address, 2) % (size - 1) + 1), 0});
    }
    table_.assign(size, nullptr);
    for (uint32_t filled = 0; filled < size;)
      for (size_t i = 0; i < turns.size() && filled < size; ++i) {
        Turn& turn = turns[i];
        turn.credit += double(seats()[i]->weight) / heaviest();
        if (turn.credit < 1) continue;
        turn.credit -= 1;
        while (table_[turn.next]) turn.next = step(turn, size);
        table_[turn.next] = seats()[i];
        turn.next = step(turn, size);
        ++filled;
      }
  }
  static uint32_t step(const Turn& turn, uint32_t size) {
    const uint32_t next = turn.next + turn.skip;
    return next < size ? next : next - size;
  }
  size_t places() const override { return table_.size(); }
  size_t first(uint64_t key) const override { return key % table_.size(); }
  Seat* seat_at(size_t place) const override { return table_[place]; }
  std::vector<Seat*> table_;
};

}  // namespace

std::unique_ptr<Balancer> make_maglev(const ClusterPlan& plan, Random& random) { return std::make_unique<Maglev>(plan, random); }

}  // namespace outrider::upstream::balance
