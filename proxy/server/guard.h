#pragma once
// Whether what is served is worse than what was served before.

#include <deque>
#include <string>

#include "config/document.h"
#include "net/loop.h"
#include "stats/histogram.h"
#include "stats/stats.h"

namespace outrider::server {

// What ended within some time. Failed: 5xx, no answer at all, no rule; not what the client left alone or was refused for.
struct Ended {
  uint64_t requests = 0, failed = 0;
  stats::Histogram durations;
};

// Empty, or in which way `after` is worse than `before` by more than is allowed. Chance is left out: so many failures, or so many
// that are slower than p99 x `p99` was, would come about less than once in ten thousand times if nothing were worse. A p99 may
// always grow by 10 ms.
std::string worse(const Ended& before, const Ended& after, const config::Upkeep::Guard& limits);

class GuardEvents {
 public:
  virtual void on_worse(const std::string& why) = 0;  // it watches no more
  virtual void on_passed(bool judged) = 0;            // the window is over; not judged: hardly anybody came

 protected:
  ~GuardEvents() = default;
};

// Remembers the last window; after watch() compares what ends with that, until the window is over. Owned by the reloader; control
// loop.
class Guard {
 public:
  Guard(net::Loop& control, const stats::Catalog& catalog, GuardEvents& events);
  void follow(const config::Upkeep::Guard& limits);  // these from now on
  void watch();                                      // what is served is new
  void stop();
  bool watching() const { return watching_; }

 private:
  struct Moment {
    TimePoint at{};
    Ended total;
  };
  Ended total();
  void on_step();
  void remember();
  milliseconds step() const;
  net::Loop& control_;
  const stats::Catalog& catalog_;
  GuardEvents& events_;
  config::Upkeep::Guard limits_;
  std::deque<Moment> moments_;  // of the last window
  std::vector<const stats::Series*> outcomes_, durations_;
  size_t seen_ = 0;  // series of the catalog that were looked at
  bool watching_ = false;
  Moment began_;
  Ended before_;
  net::BoundTimer<Guard, &Guard::on_step> next_{*this};
};

}  // namespace outrider::server
