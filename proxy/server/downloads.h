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
  // What these want to have is fetched from now on, and nothing else: begin() gathers, and says what is wrong with somebody's
  // authorities, else nothing; keep() lets it be. Feeds that were there before go on as they are.
  std::string begin(const std::vector<std::shared_ptr<filter::Feed>>& feeds, TlsFiles& files);
  void keep();

 private:
  class Task;
  net::Loop& control_;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  upstream::AttemptPool attempts_;
  std::vector<std::shared_ptr<Task>> tasks_, next_;
};

}  // namespace outrider::server
