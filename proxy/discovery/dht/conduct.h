#pragma once
// How others have behaved: whoever sends too much that no honest node would send is not listened to for a while.

#include <unordered_map>

#include "base/time.h"
#include "net/address.h"

namespace outrider::discovery {

// An honest node has checked what it passes on. One whose settings differ from ours may err a few times a minute; thousands
// of times is an attack, and each would cost a signature. By address and port, since many nodes share one address: what an
// attacker can spend anew from each port is bounded by Verifier. Owned by the registry's socket; its thread.
class Conduct {
 public:
  static constexpr int kBorne = 64;  // a minute
  static constexpr milliseconds kWindow = std::chrono::minutes(1);
  static constexpr milliseconds kMute = std::chrono::minutes(10);
  static constexpr size_t kMost = 4096;
  bool blame(const net::Address& who, TimePoint now);  // true: it is muted from now on
  bool muted(const net::Address& who, TimePoint now) const;
  bool blamed(const net::Address& who, TimePoint now) const;  // within the last minute
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    net::Address who;
    TimePoint since{}, muted_until{};
    int faults = 0;
  };
  static uint64_t key_of(const net::Address& who);
  std::unordered_map<uint64_t, Entry> entries_;
};

}  // namespace outrider::discovery
