#include "filters/rate_limit/buckets.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"

namespace outrider::filters {

Buckets::Buckets(double rate, double burst, uint32_t keys)
    : each_ns_(std::max<uint64_t>(1, uint64_t(1e9 / rate))), burst_ns_(uint64_t(1e9 / rate * std::max(burst, 1.0))),
      mask_(std::bit_ceil(std::max(keys, 1u)) - 1), table_(new Bucket[(mask_ + 1) * kWays]) {}

std::optional<uint64_t> Buckets::take(uint64_t key, uint64_t now_ns, Place* at) {
  const Place place = of(key, now_ns);
  if (at) *at = place;
  Bucket& bucket = table_[place.index];
  uint64_t full_at = bucket.full_at.load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t then = std::max(full_at, now_ns) + each_ns_;
    if (then > now_ns + burst_ns_) return then - now_ns - burst_ns_;
    if (bucket.full_at.compare_exchange_weak(full_at, then, std::memory_order_relaxed)) return {};
  }
}

void Buckets::raise(uint32_t place, uint64_t owner, uint64_t full_at_ns) {
  Bucket& bucket = table_[place];
  if (bucket.key.load(std::memory_order_relaxed) != owner) return;
  uint64_t full_at = bucket.full_at.load(std::memory_order_relaxed);
  while (full_at < full_at_ns && !bucket.full_at.compare_exchange_weak(full_at, full_at_ns, std::memory_order_relaxed)) {}
}

// Two threads that make room at once may give a key two places, or two keys one, for a moment: a token too many or too few.
Buckets::Place Buckets::of(uint64_t key, uint64_t now_ns) {
  key = mix(key) | 1;  // 0 is nobody's
  const uint32_t first = uint32_t(key >> 8 & mask_) * kWays;
  uint32_t soonest = first;
  for (uint32_t i = first; i < first + kWays; ++i) {
    if (table_[i].key.load(std::memory_order_relaxed) == key) return {i, false};
    if (table_[i].full_at.load(std::memory_order_relaxed) < table_[soonest].full_at.load(std::memory_order_relaxed)) soonest = i;
  }
  table_[soonest].key.store(key, std::memory_order_relaxed);
  table_[soonest].full_at.store(now_ns, std::memory_order_relaxed);
  return {soonest, true};
}

}  // namespace outrider::filters
