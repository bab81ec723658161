#pragma once
// What malloc keeps of connections that are gone goes back to the system.

#include <memory>

#include "base/tally.h"
#include "net/loop.h"

namespace outrider::server {

// Looks once a second; once half of many connections have left, and when no more of them do, the free pages of every
// worker's heap are given back, on this thread: a worker waits for it only where it needs memory just then. Owned by the
// supervisor; control loop.
class MemoryReturn {
 public:
  MemoryReturn(net::Loop& control, std::shared_ptr<Tally> connections);

 private:
  void on_second();
  net::Loop& control_;
  const std::shared_ptr<Tally> connections_;
  uint32_t most_ = 0;      // since the last return
  uint32_t last_ = 0;      // a second ago
  bool returned_ = false;  // the last return was for a crowd, part of which may still leave
  net::BoundTimer<MemoryReturn, &MemoryReturn::on_second> second_{*this};
};

}  // namespace outrider::server
