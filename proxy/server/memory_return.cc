#include "server/memory_return.h"

#include <malloc.h>

#include <algorithm>

namespace outrider::server {

namespace {
constexpr milliseconds kSecond{1000};
constexpr uint32_t kMany = 500;  // what fewer leave behind is soon used again
constexpr uint32_t kAfter = 10;
constexpr int kKept = 1 << 20;  // at the end of a worker's heap, where malloc_trim() does not come: free() sees to it
}  // namespace

bool Ebb::look(uint32_t now, uint32_t most) {
  most_ = std::max({most_, now, most});
  const bool crowd_left = most_ - now >= std::max(kMany, most_ / 2);
  const bool stopped = after_ > 0 && now == last_ && now != stopped_at_;
  if (crowd_left) {
    most_ = now;
    after_ = kAfter;
    stopped_at_.reset();
  } else if (after_ > 0) {
    after_--;
    if (stopped) stopped_at_ = now;
  }
  last_ = now;
  return crowd_left || stopped;
}

MemoryReturn::MemoryReturn(net::Loop& control, std::shared_ptr<Tally> connections)
    : control_(control), connections_(std::move(connections)) {
  // Both, or malloc moves them up with the largest block that was ever freed.
  ::mallopt(M_TRIM_THRESHOLD, kKept);
  ::mallopt(M_MMAP_THRESHOLD, kKept);
  control_.arm(second_, kSecond);
}

void MemoryReturn::on_second() {
  // A crowd may have come and gone since.
  if (ebb_.look(connections_->now(), connections_->take_most())) ::malloc_trim(0);
  control_.arm(second_, kSecond);
}

}  // namespace outrider::server
