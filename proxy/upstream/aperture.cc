#include "upstream/aperture.h"

#include <algorithm>

#include "base/hash.h"

namespace outrider::upstream {

double Aperture::lot_of(const Endpoint& endpoint) const {
  return double((hash(endpoint.identity, hash(endpoint.address, seed_)) >> 11) + 1) * 0x1.0p-53;
}

void Aperture::narrow(std::vector<Candidate>& usable) {
  narrowed_ = least_ > 0 && usable.size() > size_;
  if (!narrowed_) return;
  const auto priority = [](const Candidate& one) { return one.weight / one.seat->lot; };
  const auto first_left_out = usable.begin() + size_;
  std::nth_element(usable.begin(), first_left_out, usable.end(),
                   [&](const Candidate& a, const Candidate& b) { return priority(a) > priority(b); });
  // Above the heaviest it makes no difference: all that were chosen weigh the same.
  const uint32_t heaviest =
      std::max_element(usable.begin(), first_left_out, [](auto& a, auto& b) { return a.weight < b.weight; })->weight;
  const auto threshold = uint32_t(std::min(priority(*first_left_out), double(heaviest)));
  usable.erase(first_left_out, usable.end());
  for (Candidate& one : usable) one.weight = std::max(one.weight, threshold);
}

void Aperture::widen(uint32_t in_flight) {
  while (size_ <= in_flight) size_ *= 2;
}

bool Aperture::shrink(uint32_t in_flight) {
  if (!is_widened() || uint64_t{in_flight} * 4 >= size_) return false;
  size_ = std::max(size_ / 2, least_);
  return true;
}

}  // namespace outrider::upstream
