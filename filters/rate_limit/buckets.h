#pragma once
// Token buckets of many keys in a table that does not grow.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

namespace outrider::filters {

// A bucket is one time: when it will be full again (the generic cell rate algorithm, ITU-T I.371; no timer fills it). What is
// full is forgotten without loss, so a place is as good as free then; where none of a key's places is, the one that is full
// the soonest makes room, and whom it belonged to begins anew. All functions from any thread, without a lock.
class Buckets {
 public:
  // `rate` tokens a second, `burst` of them at once; `keys`: about as many at a time.
  Buckets(double rate, double burst, uint32_t keys);
  struct Place {
    uint32_t index = 0;  // below places()
    bool fresh = false;  // it was somebody else's, or nobody's
  };
  // Takes a token at `now_ns`, of any steady clock. Nothing: there was one; else how many ns until there is.
  std::optional<uint64_t> take(uint64_t key, uint64_t now_ns, Place* at = nullptr);

  // For who counts together with others:
  uint32_t places() const { return uint32_t(mask_ + 1) * kWays; }
  uint64_t owner_of(uint32_t place) const { return table_[place].key.load(std::memory_order_relaxed); }  // the same everywhere
  void raise(uint32_t place, uint64_t owner, uint64_t full_at_ns);  // it is not full before that, if it is still theirs
  uint64_t each_ns() const { return each_ns_; }                     // until there is one more
  uint64_t burst_ns() const { return burst_ns_; }

 private:
  struct Bucket {
    std::atomic<uint64_t> key{0}, full_at{0};
  };
  static constexpr uint32_t kWays = 4;  // places of a key, side by side
  Place of(uint64_t key, uint64_t now_ns);
  const uint64_t each_ns_, burst_ns_;
  const uint64_t mask_;
  std::unique_ptr<Bucket[]> table_;
};

}  // namespace outrider::filters
