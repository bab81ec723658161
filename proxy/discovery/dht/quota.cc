#include "discovery/dht/quota.h"

#include "discovery/dht/keys.h"

namespace outrider::discovery {

namespace {
constexpr milliseconds kSweep = std::chrono::minutes(1);
}

bool Quota::take(std::string_view leaf, uint64_t value, WallTime until, WallTime now) {
  if (leaf.empty()) return true;
  if (now >= swept_ + kSweep || now < swept_) sweep(now);
  const auto it = by_signer_.try_emplace(value_id(leaf)).first;
  if (it->second.contains(value)) return true;
  if (it->second.size() >= most_) size_ -= forget(it->second, now);
  if (it->second.size() >= most_ || size_ >= kMostValues) return false;
  it->second.emplace(value, until);
  ++size_;
  return true;
}

size_t Quota::forget(Values& values, WallTime now) {
  return std::erase_if(values, [&](const auto& one) { return now >= one.second; });
}

void Quota::sweep(WallTime now) {
  swept_ = now;
  for (auto& [signer, values] : by_signer_) size_ -= forget(values, now);
  std::erase_if(by_signer_, [](const auto& one) { return one.second.empty(); });
}

}  // namespace outrider::discovery
