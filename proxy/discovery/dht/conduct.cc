#include "discovery/dht/conduct.h"

namespace outrider::discovery {

uint64_t Conduct::key_of(const net::Address& who) { return who.ip_key() * 0x9E3779B97F4A7C15u + who.port(); }

bool Conduct::blame(const net::Address& who, TimePoint now) {
  auto it = entries_.find(key_of(who));
  if (it == entries_.end()) {
    if (entries_.size() >= kMost)
      std::erase_if(entries_,
                    [&](const auto& one) { return now - one.second.since >= kWindow && now >= one.second.muted_until; });
    if (entries_.size() >= kMost) return false;
    it = entries_.emplace(key_of(who), Entry{who, now, {}, 0}).first;
  }
  Entry& entry = it->second;
  if (now < entry.muted_until) return false;
  if (entry.who != who || now - entry.since >= kWindow) entry = {who, now, {}, 0};
  if (++entry.faults <= kBorne) return false;
  entry.muted_until = now + kMute;
  return true;
}

bool Conduct::muted(const net::Address& who, TimePoint now) const {
  if (entries_.empty()) return false;
  const auto it = entries_.find(key_of(who));
  return it != entries_.end() && now < it->second.muted_until && it->second.who == who;
}

bool Conduct::blamed(const net::Address& who, TimePoint now) const {
  const auto it = entries_.find(key_of(who));
  return it != entries_.end() && now - it->second.since < kWindow && it->second.who == who;
}

}  // namespace outrider::discovery
