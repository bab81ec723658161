#pragma once
// The few of many endpoints to which a worker keeps connections.

#include <cstdint>
#include <vector>

#include "upstream/balancer.h"

namespace outrider::upstream {

// A connection to each of ten thousand endpoints costs more than it brings: an endpoint would have one from every worker
// of the mesh, and none would be warm. So a worker keeps to some of them, drawn by lots that no two workers share, and
// takes more where it has more requests in flight than endpoints. Owned by a cluster; one worker.
class Aperture {
 public:
  struct Candidate {
    Seat* seat;
    uint32_t weight;
  };
  Aperture(uint32_t least, uint64_t seed) : least_(least), size_(least), seed_(seed) {}  // least 0: all, always
  // Of the same endpoint always the same, so that one that comes or goes changes one of the chosen; over 0, at most 1.
  double lot_of(const Endpoint& endpoint) const;
  // Keeps size() of them, drawn by weight. Light ones that were chosen weigh more from then on, so that every endpoint has
  // its share of many workers' requests (priority sampling: Duffield, Lund, Thorup, Journal of the ACM 2007).
  void narrow(std::vector<Candidate>& usable);
  bool narrowed() const { return narrowed_; }
  uint32_t size() const { return size_; }
  bool is_too_small(uint32_t in_flight) const { return narrowed_ && in_flight >= size_; }
  void widen(uint32_t in_flight);   // doubles until it is more than them
  bool shrink(uint32_t in_flight);  // by half, if a quarter would do; false: it stays
  bool is_widened() const { return size_ > least_; }

 private:
  const uint32_t least_;
  uint32_t size_;
  const uint64_t seed_;
  bool narrowed_ = false;
};

}  // namespace outrider::upstream
