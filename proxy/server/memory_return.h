#pragma once
// What malloc keeps of connections that are gone goes back to the system.

#include <memory>
#include <optional>

#include "base/tally.h"
#include "net/loop.h"

namespace outrider::server {

// Says when a crowd of connections has left, and once more whenever its rest has stopped leaving, for ten seconds: the
// last few hundred hold a page each, here and there, and a connection is gone a moment before its memory is free.
class Ebb {
 public:
  // To be called once a second with the connections of now and the most there were since. True: memory is to go back.
  bool look(uint32_t now, uint32_t most);

 private:
  uint32_t most_ = 0;   // since the crowd before left
  uint32_t last_ = 0;   // a second ago
  uint32_t after_ = 0;  // seconds in which the rest may leave
  std::optional<uint32_t> stopped_at_;
};

// Looks once a second; what the ebb leaves free in every worker's heap is given back, on this thread: a worker waits for
// it only where it needs memory just then. Owned by the supervisor; control loop.
class MemoryReturn {
 public:
  MemoryReturn(net::Loop& control, std::shared_ptr<Tally> connections);

 private:
  void on_second();
  net::Loop& control_;
  const std::shared_ptr<Tally> connections_;
  Ebb ebb_;
  net::BoundTimer<MemoryReturn, &MemoryReturn::on_second> second_{*this};
};

}  // namespace outrider::server
