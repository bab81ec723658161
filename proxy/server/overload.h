#pragma once
// When this process is near what it may use, and what it does less of then.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/tally.h"
#include "config/document.h"
#include "exchange/pressure.h"
#include "net/loop.h"
#include "server/cgroup.h"
#include "stats/stats.h"

namespace outrider::server {

struct Strain {                     // what is looked at
  std::optional<MemoryUse> memory;  // none: there is no limit
  uint32_t connections = 0;
  milliseconds turn{0};  // the longest of any worker in the last second
};

// The level, from what is looked at. So that it does not flicker, one of memory or connections is left 5% below where it begins,
// and a turn that was too long counts for five seconds.
class OverloadLadder {
 public:
  using Level = exchange::Pressure::Level;
  using Cause = exchange::Pressure::Cause;
  explicit OverloadLadder(const config::Overload& limits) : limits_(limits) {}
  bool look(const Strain& strain, TimePoint now);  // true: the level is another, or has another cause
  Level level() const { return now_.level; }
  Cause cause() const { return now_.cause; }
  bool is_near(const Strain& strain) const;  // to any level: worth a look more often

 private:
  struct Step {
    Level level = Level::Calm;
    Cause cause = Cause::Nothing;
  };
  Step step(const Strain& strain, bool lags, double ease) const;
  const config::Overload limits_;
  Step now_;
  TimePoint lags_until_{};
};

// Looks once a second, and ten times a second while it is near. Workers read what it finds in `pressure`. Owned by the
// supervisor; control loop.
class OverloadWatch {
 public:
  struct Sources {
    CgroupMemory memory;
    std::shared_ptr<Tally> connections;
    std::function<milliseconds()> turn;
  };
  OverloadWatch(net::Loop& control, stats::Catalog& catalog, stats::Shard& shard, const config::Overload& limits, Sources sources,
                std::shared_ptr<exchange::Pressure> pressure);
  unsigned level() const { return unsigned(ladder_.level()); }
  std::string describe() const;  // for people: the level and its cause; empty while there is none

 private:
  void on_look();
  std::string cause_text() const;
  net::Loop& control_;
  stats::Shard& shard_;
  const config::Overload limits_;
  const Sources sources_;
  const std::shared_ptr<exchange::Pressure> pressure_;
  OverloadLadder ladder_;
  Strain strain_;
  const stats::Slot level_;
  net::BoundTimer<OverloadWatch, &OverloadWatch::on_look> look_{*this};
};

}  // namespace outrider::server
