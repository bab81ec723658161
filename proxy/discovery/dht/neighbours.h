#pragma once
// Other nodes as the socket meets them: heard of late, or gone by their own word.

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "net/address.h"

namespace outrider::discovery {

// A node that leaves tells everybody it has heard of late. OpenDHT has no such word: it would go on naming the node to
// newcomers and listening at it until three requests have met silence. So the word travels beside its packets, sealed, and
// for a while afterwards sending to that address fails, which is how OpenDHT learns it. To be heard again ends that.
// Owned by the registry's socket; its thread.
class Neighbours {
 public:
  static constexpr milliseconds kRecent = std::chrono::minutes(6);  // listeners renew their wish each 5
  static constexpr milliseconds kGone{5000};                        // longer than OpenDHT's own patience
  static constexpr size_t kFew = 64, kMost = 4096;
  void heard(const net::Address& from, TimePoint now);
  void left(const net::Address& from, TimePoint now);
  bool gone(const net::Address& to, TimePoint now) const;
  std::vector<net::Address> recent(TimePoint now) const;
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    net::Address address;
    TimePoint heard{}, gone_until{};
  };
  static uint64_t key_of(const net::Address& address);
  bool has_room(TimePoint now);  // for one more
  std::unordered_map<uint64_t, Entry> entries_;
  size_t tidy_at_ = kFew;  // entries; twice as many as were left the last time
};

// 0xC0 (no DHT packet begins so) | "bye" | milliseconds since 1970, 8 bytes | the node's id, 20 bytes. The time makes it
// useless to whoever repeats it later.
std::string write_goodbye(std::string_view node_id, WallTime now);
bool is_goodbye(std::string_view bytes);
std::optional<std::string> read_goodbye(std::string_view bytes, WallTime now);  // the node's id; null: no sound one

}  // namespace outrider::discovery
