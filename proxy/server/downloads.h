#pragma once
// What filters know from URLs.

#include <memory>
#include <string>
#include <vector>

#include "filter/feed.h"
#include "server/tls_files.h"
#include "stats/stats.h"
#include "upstream/attempt.h"

namespace outrider::server {

// Fetches for feeds: at the start, every so often, sooner after a failure or when a worker asks for it. What cannot be had
// changes nothing: what was there stays, it is counted, and the log says why. Owned by the supervisor; control loop, and no
// worker waits.
class Downloads {
 public:
  Downloads(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard);
  ~Downloads();
  std::string add(std::shared_ptr<filter::Feed> feed, TlsFiles& files);  // empty, or what is wrong with its authorities
  void start();

 private:
  class Task;
  net::Loop& control_;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  upstream::AttemptPool attempts_;
  std::vector<std::unique_ptr<Task>> tasks_;
};

}  // namespace outrider::server
