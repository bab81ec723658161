#pragma once
// Connections that are this process's own, known again when they come back to it.

#include <array>
#include <atomic>

#include "base/hash.h"
#include "net/address.h"

namespace outrider::upstream {

// From where and to where, of those to addresses nobody configured. Shared by all workers; no lock. What finds no room is not
// remembered: of a connection that goes round in circles, one of the next will.
class OwnConnections {
 public:
  static uint64_t key_of(const net::Address& from, const net::Address& to) {
    const uint64_t key = mix(mix(from.ip_key()) + mix(to.ip_key() + 1) + (uint64_t(from.port()) << 16 | to.port()));
    return key ? key : 1;
  }
  bool has(uint64_t key) const {
    for (size_t i = 0; i < kRow; ++i)
      if (cells_[row(key) + i].load(std::memory_order_relaxed) == key) return true;
    return false;
  }
  void add(uint64_t key) { replace(0, key, key); }
  void remove(uint64_t key) { replace(key, 0, key); }

 private:
  static constexpr size_t kRow = 8, kCells = 1024;
  static size_t row(uint64_t key) { return key % (kCells / kRow) * kRow; }
  void replace(uint64_t what, uint64_t by, uint64_t key) {
    for (size_t i = 0; i < kRow; ++i) {
      uint64_t seen = what;
      if (cells_[row(key) + i].compare_exchange_strong(seen, by, std::memory_order_relaxed)) return;
    }
  }
  std::array<std::atomic<uint64_t>, kCells> cells_{};  // 0: free
};

}  // namespace outrider::upstream
