#include "stats/exemplars.h"

#include <bit>
#include <cstring>

namespace outrider::stats {

void ExemplarTable::leave(const Exemplar& one) {
  const uint64_t which = uint64_t(one.histogram) * 64 + uint64_t(std::bit_width(one.microseconds));
  Place& place = places_[(which * 0x9e3779b97f4a7c15u) >> (64 - std::countr_zero(kPlaces))];
  uint64_t halves[2];
  std::memcpy(halves, one.trace.data(), sizeof halves);
  const uint64_t version = place.version.load(std::memory_order_relaxed);
  place.version.store(version + 1, std::memory_order_relaxed);
  const uint64_t words[] = {one.histogram, one.microseconds, one.unix_microseconds, halves[0], halves[1]};
  // Release, each: whoever sees one of them sees that the place is being written.
  for (size_t i = 0; i < place.words.size(); ++i) place.words[i].store(words[i], std::memory_order_release);
  place.version.store(version + 2, std::memory_order_release);
}

void ExemplarTable::append_to(std::vector<Exemplar>& all) const {
  for (const Place& place : places_) {
    const uint64_t version = place.version.load(std::memory_order_acquire);
    if (version == 0 || version % 2) continue;
    uint64_t words[5];
    for (size_t i = 0; i < place.words.size(); ++i) words[i] = place.words[i].load(std::memory_order_acquire);
    if (place.version.load(std::memory_order_relaxed) != version) continue;
    Exemplar one{Slot(words[0]), words[1], words[2], {}};
    std::memcpy(one.trace.data(), &words[3], one.trace.size());
    all.push_back(one);
  }
}

}  // namespace outrider::stats
