#include "server/memory_return.h"

#include <malloc.h>

#include <algorithm>

namespace outrider::server {

namespace {
constexpr milliseconds kSecond{1000};
constexpr uint32_t kMany = 500;  // what fewer leave behind is soon used again
constexpr int kKept = 1 << 20;   // at the end of a worker's heap, where malloc_trim() does not come: free() sees to it
}  // namespace

MemoryReturn::MemoryReturn(net::Loop& control, std::shared_ptr<Tally> connections)
    : control_(control), connections_(std::move(connections)) {
  // Both, or malloc moves them up with the largest block that was ever freed.
  ::mallopt(M_TRIM_THRESHOLD, kKept);
  ::mallopt(M_MMAP_THRESHOLD, kKept);
  control_.arm(second_, kSecond);
}

void MemoryReturn::on_second() {
  const uint32_t now = connections_->now();
  most_ = std::max({most_, now, connections_->take_most()});  // a crowd may have come and gone since
  const bool crowd_left = most_ - now >= std::max(kMany, most_ / 2);
  // The rest of a crowd holds a page each, here and there: once more, when it has stopped leaving.
  const bool rest_left = returned_ && most_ > now && now == last_;
  if (crowd_left || rest_left) {
    ::malloc_trim(0);
    most_ = now;
    returned_ = crowd_left;
  }
  last_ = now;
  control_.arm(second_, kSecond);
}

}  // namespace outrider::server
