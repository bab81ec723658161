#pragma once
// Those who watch exchanges as they end.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/tally.h"
#include "exchange/access_log.h"
#include "filter/tap_match.h"
#include "http/header_map.h"
#include "net/loop.h"
#include "stats/stats.h"

namespace outrider::exchange {

struct Watch;

// Who hands on what watchers see. Called by any worker; returns at once.
class TapSink {
 public:
  virtual void on_shown(const std::shared_ptr<Watch>& watch, std::string lines) = 0;  // lines of JSON, each with its end

 protected:
  ~TapSink() = default;
};

// One who watches. Shared by the control thread, which hands on, and the workers; constant but for its backlog.
struct Watch {
  static constexpr uint32_t kRoom = 1 << 20;  // bytes on their way; what finds no room is dropped
  explicit Watch(TapSink& s) : sink(s) {}
  TapSink& sink;
  filter::TapMatch match;
  bool tapped = false;  // only what a filter `tap` has picked
  Backlog backlog;
};
using Watches = std::vector<std::shared_ptr<Watch>>;

// An exchange that has ended, as it is shown. Secrets are in it; the line has none.
struct Seen {
  const AccessEntry& entry;
  std::string_view local;     // the address the client came to
  std::string_view endpoint;  // the identity it has shown
  std::string_view upgrade;   // what was asked for instead of HTTP
  bool encrypted = false, tapped = false;
  std::span<const http::Field> request, response;
};

filter::TapMatch::Ended ended(const Seen& seen);

// One worker's: makes a line of what somebody watches, and hands lines over once a turn. While nobody does it costs one look
// at watched(). Owned by the Site.
class Taps final : net::EndOfTurn {
 public:
  Taps(net::Loop& loop, stats::Catalog& catalog, stats::Shard& shard) : loop_(loop), catalog_(catalog), shard_(shard) {}
  void watch(const Watches& all);  // these from now on, and no others
  bool watched() const { return !open_.empty(); }
  void show(const Seen& seen);
  void count(const char* result);  // a literal

 private:
  struct Open {
    std::shared_ptr<Watch> watch;
    std::string lines;
  };
  void on_end_of_turn() override;
  net::Loop& loop_;
  stats::Catalog& catalog_;
  stats::Shard& shard_;
  std::vector<Open> open_;
};

}  // namespace outrider::exchange
