#pragma once
// The context in force where certificates are renewed while they are used.

#include <memory>
#include <mutex>
#include <utility>

#include "net/tls_context.h"

namespace outrider::net {

// Set by the control loop, asked by workers for each connection that begins: those that are there keep the one they began
// with. Shared by all who use it; any thread.
class TlsSlot {
 public:
  explicit TlsSlot(std::shared_ptr<const TlsContext> first) : now_(std::move(first)) {}
  std::shared_ptr<const TlsContext> get() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  void set(std::shared_ptr<const TlsContext> next) {
    const std::lock_guard lock(mutex_);
    now_.swap(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsContext> now_;
};

}  // namespace outrider::net
