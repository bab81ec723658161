#pragma once
// How much one signer may have others keep.

#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_map>

#include "base/time.h"

namespace outrider::discovery {

// Whoever holds a leaf certificate of the mesh can sign any number of records, each of them sound. Of one leaf so many values
// are taken, wherever values are taken: by a storing node in all, by a reader of each service. A value counts until its own
// end, since whoever put it may keep it alive so long. The default leaves room for a node that speaks for several hundred
// replicas, each signed anew twice; it fills neither a service (10,000 instances) nor a node's store. What is unsigned is
// nobody's, and counts for nobody.
class Quota {
 public:
  static constexpr size_t kMost = 2048;         // values of one leaf
  static constexpr size_t kMostValues = 65536;  // of all of them together: as many as a store of 32 MiB may hold
  explicit Quota(size_t most = kMost) : most_(most) {}
  // False: it finds no room. What has been taken is taken again without being counted.
  bool take(std::string_view leaf, uint64_t value, WallTime until, WallTime now);
  size_t size() const { return size_; }

 private:
  using Values = std::map<uint64_t, WallTime>;
  static size_t forget(Values& values, WallTime now);  // those that are over; how many
  void sweep(WallTime now);
  size_t most_;
  std::unordered_map<uint64_t, Values> by_signer_;
  size_t size_ = 0;
  WallTime swept_{};
};

}  // namespace outrider::discovery
