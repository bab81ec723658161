#pragma once
// Where endpoints were first to speak: there nobody waits for the client.

#include <array>
#include <atomic>
#include <cstdint>

namespace outrider::exchange {

// Of one listener's service, by the port that was called (a unix socket's is 0), as the last connection there went. Shared
// by all workers. What does not fit is not remembered.
class ServerFirst {
 public:
  bool known(uint16_t port) const {
    for (const auto& one : kept_)
      if (one.load(std::memory_order_relaxed) == of(port)) return true;
    return false;
  }
  void note(uint16_t port, bool first) {
    if (known(port) == first) return;
    for (auto& one : kept_) {
      uint32_t from = first ? kFree : of(port);
      if (one.compare_exchange_strong(from, first ? of(port) : kFree, std::memory_order_relaxed) && first) return;
    }
  }

 private:
  static constexpr uint32_t kFree = 0;
  static uint32_t of(uint16_t port) { return port + 1u; }
  std::array<std::atomic<uint32_t>, 16> kept_{};
};

}  // namespace outrider::exchange
