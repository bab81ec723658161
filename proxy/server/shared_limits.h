#pragma once
// What filters count together with other proxies.

#include <memory>
#include <vector>

#include "filter/feed.h"
#include "net/loop.h"
#include "stats/stats.h"

namespace outrider::server {

// Tells stores what was spent here and hands back what all have spent; one connection for each store, and nothing while nobody
// spends. A store that does not answer is counted, logged once in a while, and tried again. Owned by the supervisor; control
// loop, and no worker waits.
class SharedLimits {
 public:
  SharedLimits(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard);
  ~SharedLimits();
  // Those of them that have a shared(), and no others: before workers use them. Stores that were there before are kept connected.
  void keep(const std::vector<std::shared_ptr<filter::Feed>>& feeds);

 private:
  class Group;
  net::Loop& control_;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  std::vector<std::shared_ptr<Group>> groups_;
};

}  // namespace outrider::server
