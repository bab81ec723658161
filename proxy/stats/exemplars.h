#pragma once
// Examples beside histograms: which request it was that took so long.

#include <array>
#include <atomic>
#include <vector>

#include "stats/stats.h"

namespace outrider::stats {

struct Exemplar {
  Slot histogram = kNowhere;
  uint64_t microseconds = 0;       // as it was observed
  uint64_t unix_microseconds = 0;  // when
  TraceId trace{};
};

// One shard's. Of each histogram and power of two the last one, in a table of fixed size: two that meet at a place take it in
// turn. Written by the shard's thread without a lock, read by any: who reads while a place is written passes over it.
class ExemplarTable {
 public:
  static constexpr size_t kPlaces = 1024;
  void leave(const Exemplar& one);
  void append_to(std::vector<Exemplar>& all) const;

 private:
  struct Place {
    std::atomic<uint64_t> version{0};  // odd: it is being written
    std::array<std::atomic<uint64_t>, 5> words{};
  };
  std::array<Place, kPlaces> places_;
};

}  // namespace outrider::stats
