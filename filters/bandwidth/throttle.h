#pragma once
// Bytes a second, of all or of each connection.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/hash.h"

namespace outrider::filters {

// Token buckets: each is the time when all that was taken from it will have gone (the generic cell rate algorithm, ITU-T I.371).
// Keys share a table of fixed size, and with it now and then a bucket. Any thread.
class Throttle {
 public:
  using Time = std::chrono::nanoseconds;
  Throttle(uint64_t bytes_a_second, bool keyed)
      : rate_(double(bytes_a_second)), piece_(std::clamp<uint64_t>(bytes_a_second / kPiecesASecond, 64, kMostPiece)),
        buckets_(keyed ? kKeys : 1) {}
  size_t piece() const { return piece_; }  // that is to be taken at a time, at most
  // How long to wait before `bytes` go that have been taken by this; 0: not at all.
  Time take(uint64_t key, size_t bytes, Time now) {
    const std::lock_guard lock(mutex_);
    Time& busy_until = buckets_[mix(key) % buckets_.size()];
    const Time start = std::max(busy_until, now - at_once());
    busy_until = start + Time(int64_t(double(bytes) * 1e9 / rate_));
    return std::max(Time(0), busy_until - now);
  }

 private:
  static constexpr uint64_t kPiecesASecond = 20, kMostPiece = 64 * 1024;
  static constexpr size_t kKeys = 16 * 1024;
  // After silence one piece goes at once.
  Time at_once() const { return Time(int64_t(double(piece_) * 1e9 / rate_)); }
  const double rate_;
  const size_t piece_;
  std::mutex mutex_;
  std::vector<Time> buckets_;
};

}  // namespace outrider::filters
