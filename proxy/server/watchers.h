#pragma once
// The page /tap: exchanges as they end, a line of JSON each, to a few who watch.

#include <memory>
#include <string>
#include <vector>

#include "admin/admin_server.h"
#include "exchange/tap.h"
#include "server/worker.h"

namespace outrider::server {

// Tells the workers who watches what, and hands on what they show. A reader that is slow misses some, and is told how many;
// no worker waits for it, and none of them holds more than Watch::kRoom of it. Owned by the supervisor, outlives the workers and
// the page; control loop, but for on_shown().
class Watchers final : exchange::TapSink {
 public:
  static constexpr size_t kMost = 4;  // at a time
  using Workers = std::vector<std::unique_ptr<Worker>>;
  Watchers(net::Loop& control, const Workers& workers, stats::Catalog& catalog, stats::Shard& shard);
  ~Watchers();
  std::unique_ptr<admin::Page> page();  // GET: ?method=&host=&... as filter/tap_match.h, tapped, limit=N, for=DURATION

 private:
  class Watcher;
  class TapPage;
  void on_shown(const std::shared_ptr<exchange::Watch>& watch, std::string lines) override;
  void begin(admin::Visit& visit);
  std::string read(const admin::Ask& ask, Watcher& watcher) const;  // empty, or what is wrong with it
  void publish(const std::shared_ptr<exchange::Watch>& fresh);
  void remove(const Watcher& watcher);
  Watcher* find(const exchange::Watch* watch);
  Watcher* find(const admin::Visit& visit);
  net::Loop& control_;
  const Workers& workers_;
  stats::Shard& shard_;
  const stats::Slot count_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
};

}  // namespace outrider::server
