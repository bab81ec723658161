#include "stats/histogram.h"

#include <algorithm>
#include <cmath>

namespace outrider::stats {

void Histogram::merge(const Histogram& other) {
  for (uint32_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  sum_ += other.sum_;
}

void Histogram::subtract(const Histogram& earlier) {
  for (uint32_t i = 0; i < kBuckets; ++i) counts_[i] -= earlier.counts_[i];
  sum_ -= earlier.sum_;
}

uint64_t Histogram::count() const {
  uint64_t all = 0;
  for (uint64_t n : counts_) all += n;
  return all;
}

double Histogram::quantile(double q) const {
  uint64_t all = count();
  if (all == 0) return 0;
  auto rank = std::clamp<uint64_t>(uint64_t(std::ceil(q * double(all))), 1, all);
  uint32_t bucket = 0;
  for (uint64_t seen = 0; bucket < kBuckets; ++bucket) {
    seen += counts_[bucket];
    if (seen >= rank) break;
  }
  return figure(bucket);
}

// The harmonic mean of the edges: off by the same share whichever end the value was at.
double Histogram::figure(uint32_t bucket, uint32_t width) {
  const double low = double(lower(bucket));
  if (bucket < kSub || bucket == kBuckets - 1) return low;
  const double high = double(lower(bucket + width) - 1);
  return 2 * low * high / (low + high);
}

std::vector<uint64_t> Histogram::cumulative(std::span<const double> bounds) const {
  std::vector<uint64_t> result;
  result.reserve(bounds.size());
  uint64_t below = 0;
  uint32_t bucket = 0;
  for (double bound : bounds) {
    // What `bucket` holds are whole numbers, lower(bucket) up to lower(bucket + 1) - 1.
    while (bucket + 1 < kBuckets && double(lower(bucket + 1)) - 1 <= bound) below += counts_[bucket++];
    double width = bucket + 1 < kBuckets ? double(lower(bucket + 1) - lower(bucket)) : HUGE_VAL;
    double reached = std::max(0.0, std::floor(bound) + 1 - double(lower(bucket)));
    result.push_back(below + uint64_t(std::llround(double(counts_[bucket]) * (reached / width))));
  }
  return result;
}

}  // namespace outrider::stats
