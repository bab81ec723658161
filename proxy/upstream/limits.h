#pragma once
// What all workers together may do to one service: the circuit breaker's counts.

#include <atomic>
#include <memory>
#include <mutex>

#include "base/tally.h"
#include "upstream/own_connections.h"

namespace outrider::upstream {

// One for all workers, so that a gauge summed over them is 0 or 1: who turns it counts it.
class Lamp {
 public:
  bool lit() const { return lit_.load(std::memory_order_relaxed); }
  bool turn(bool on) { return lit() != on && lit_.exchange(on, std::memory_order_relaxed) != on; }  // true: it was the other way

 private:
  std::atomic<bool> lit_{false};
};

// A count that refuses, and the lamp that says so.
struct Breaker {
  Tally tally;
  Lamp open;
};

// One per service in the process, shared by its workers' clusters.
struct Limits {
  Breaker connections, pending, requests;
  Lamp panic;
  std::atomic<uint32_t> retries{0};     // under way, of those that an endpoint may see
  std::atomic<uint32_t> clusters{0};    // of how many workers: each has a budget of its own for them
  Tally inside;                         // the application: of service.concurrency, and for sidecars that ask
  Tally waiting;                        // to be let in there
  Lamp shown;                           // that number, by one worker
  std::unique_ptr<OwnConnections> own;  // where endpoints are whatever was called; else null
  std::mutex ejecting;                  // one endpoint after the other, or they would be too many together
};

}  // namespace outrider::upstream
