#include "discovery/dht/neighbours.h"

#include <algorithm>
#include <cstdlib>

namespace outrider::discovery {

namespace {
constexpr std::string_view kMagic =
    "\xC0"
    "bye";
constexpr size_t kTime = 8, kNodeId = 20;
constexpr int64_t kSkewMs = 10'000;
}  // namespace

uint64_t Neighbours::key_of(const net::Address& address) { return address.ip_key() * 0x9E3779B97F4A7C15u + address.port(); }

void Neighbours::heard(const net::Address& from, TimePoint now) {
  const auto it = entries_.find(key_of(from));
  if (it != entries_.end()) {
    it->second = {from, now, {}};
    return;
  }
  if (has_room(now)) entries_[key_of(from)] = {from, now, {}};
}

void Neighbours::left(const net::Address& from, TimePoint now) {
  if (entries_.contains(key_of(from)) || has_room(now)) entries_[key_of(from)] = {from, {}, now + kGone};
}

bool Neighbours::gone(const net::Address& to, TimePoint now) const {
  const auto it = entries_.find(key_of(to));
  return it != entries_.end() && now < it->second.gone_until && it->second.address == to;
}

std::vector<net::Address> Neighbours::recent(TimePoint now) const {
  std::vector<net::Address> all;
  for (const auto& [key, entry] : entries_)
    if (entry.heard != TimePoint{} && now - entry.heard < kRecent) all.push_back(entry.address);
  return all;
}

bool Neighbours::has_room(TimePoint now) {
  if (entries_.size() < tidy_at_) return true;
  std::erase_if(entries_, [&](const auto& one) {
    return now >= one.second.gone_until && (one.second.heard == TimePoint{} || now - one.second.heard >= kRecent);
  });
  tidy_at_ = std::clamp(entries_.size() * 2, kFew, kMost);
  return entries_.size() < kMost;
}

std::string write_goodbye(std::string_view node_id, WallTime now) {
  std::string out(kMagic);
  for (int shift = 56; shift >= 0; shift -= 8) out += char(uint64_t(to_ms(now)) >> shift);
  return out.append(node_id);
}

bool is_goodbye(std::string_view bytes) { return bytes.starts_with(kMagic.front()); }

std::optional<std::string> read_goodbye(std::string_view bytes, WallTime now) {
  if (!bytes.starts_with(kMagic) || bytes.size() != kMagic.size() + kTime + kNodeId) return {};
  uint64_t at = 0;
  for (const char byte : bytes.substr(kMagic.size(), kTime)) at = at << 8 | uint8_t(byte);
  const auto then = int64_t(at), moment = to_ms(now);
  if (then < moment - kSkewMs || then > moment + kSkewMs) return {};
  return std::string(bytes.substr(kMagic.size() + kTime));
}

}  // namespace outrider::discovery
