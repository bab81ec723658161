#pragma once
// What the kernel lets a thread of root do beyond what it lets everybody.

#include <cstdint>

#include "net/address.h"

namespace outrider::net {

// Of the calling thread; one that it starts has the same. `permitted` may be taken up, `effective` is.
struct Capabilities {
  uint64_t effective = 0, permitted = 0;
  static constexpr uint64_t only(int capability) { return uint64_t(1) << capability; }
  static Capabilities now();
  bool apply() const;  // false: errno says why not
};

// bind(2). A thread that is permitted to bind ports below 1024 but has laid that down takes it up for this one call, and has
// it no more behind it. 0, or errno.
int bind_at(int fd, const Address& at);

}  // namespace outrider::net
