#include "server/memory_return.h"

#include <malloc.h>

#include <algorithm>

namespace outrider::server {

namespace {
constexpr milliseconds kSecond{1000};
constexpr uint32_t kMany = 500;  // what fewer leave behind is soon used again
}  // namespace

MemoryReturn::MemoryReturn(net::Loop& control, std::shared_ptr<const Tally> connections)
    : control_(control), connections_(std::move(connections)) {
  control_.arm(second_, kSecond);
}

void MemoryReturn::on_second() {
  const uint32_t now = connections_->now();
  most_ = std::max(most_, now);
  if (most_ - now >= std::max(kMany, most_ / 2)) {
    ::malloc_trim(0);
    most_ = now;
  }
  control_.arm(second_, kSecond);
}

}  // namespace outrider::server
