#pragma once
// What a registry has told so far, by service: one view each, and when its watchers hear of it.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "discovery/registry.h"

namespace outrider::discovery {

// Both clocks, read once a turn. Deadlines are kept on the steady one: a wall clock that jumps ends no lease.
struct Moment {
  TimePoint steady;
  WallTime wall;
};

enum class Learned : uint8_t { New, Newer, Same, Older, Ended, Full };  // Ended: its validity is over already

// Newest sequence of an instance wins; tombstones are remembered until they expire, so that an older version cannot
// come back. A set is never emptied by silence: an instance whose lease has lapsed or whose record has expired leaves
// while others are known to be fresh, but the last ones stay, as Known::Stale, until `stale_serve` after their expiry.
// The same goes for all of them while nothing answers. Without threads, timers or sockets: the owner, a registry on the
// control loop, passes the time in and calls tick() when it is due.
class Catalog {
 public:
  struct Options {
    milliseconds stale_serve = std::chrono::hours(1);
    milliseconds hold_down{100};       // between two publications of one service
    milliseconds patience{2000};       // how long a first look-up may take until watchers hear that nothing answers
    milliseconds short_patience{500};  // the same when there is something remembered to serve
    milliseconds settling{10000};      // after silence, how long what is remembered is used beside what comes anew
    size_t most = 10000;               // instances of one service; those beyond are not taken
  };
  explicit Catalog(const Options& options) : options_(options) {}

  bool watch(const std::string& service, Watcher& watcher, Moment now);  // true: the first one of this service
  bool unwatch(const std::string& service, Watcher& watcher);            // true: the last one; the view is forgotten
  bool watched(const std::string& service) const { return views_.count(service) != 0; }

  Learned learn(const std::string& service, std::shared_ptr<const Instance> facts, bool tombstone, Moment now);
  Learned remember(const std::string& service, std::shared_ptr<const Instance> facts, Moment now);  // from a snapshot
  void lapse(const std::string& service, const Instance& facts, Moment now);  // the lease of this version is over
  void answered(const std::string& service, Moment now);                      // a look-up has been completed
  void answering(bool yes, Moment now);                                       // whether the registry's network answers at all
  bool answering() const { return answering_; }

  TimePoint due() const;  // when tick() wants to be called; max(): never
  void tick(Moment now);

  struct Held {
    std::shared_ptr<const Instance> facts;
    bool tombstone = false, stale = false;
  };
  struct Summary {
    std::string service;
    Known known = Known::NotYet;
    uint32_t instances = 0, draining = 0;
    std::optional<milliseconds> age;  // since it was last confirmed; none: never
  };
  std::vector<Summary> summary(Moment now) const;
  std::vector<Held> held(const std::string& service, Moment now) const;
  struct Counts {
    uint32_t valid = 0, stale = 0, tombstones = 0;
  };
  Counts counts(Moment now) const;
  // How long the newest version of an instance has been known; none: not at all.
  std::optional<milliseconds> known_for(const std::string& service, const Instance& facts, Moment now) const;

 private:
  struct Entry {
    std::shared_ptr<const Instance> facts;
    bool tombstone = false, lapsed = false;
    TimePoint expires{}, learned{};
    bool live(TimePoint now) const { return !tombstone && !lapsed && now < expires; }
  };
  using Set = std::vector<std::shared_ptr<const Instance>>;
  struct View {
    std::vector<Watcher*> watchers;
    std::map<std::string, Entry> entries;  // by identity and instance
    TimePoint since{}, published_at{}, next = TimePoint::max();
    std::optional<TimePoint> confirmed;  // when it was last Yes or Absent
    bool asked = false;                  // a look-up was completed since the network last came back
    bool published = false;
    Known known = Known::NotYet;
    Set set;
  };
  Learned take(const std::string& service, std::shared_ptr<const Instance> facts, bool tombstone, bool fresh, Moment now);
  void refresh(const std::string& service, Moment now);
  void publish(const std::string& service, const std::shared_ptr<View>& view, Known known, Set set, TimePoint now);
  std::pair<Known, Set> judge(View& view, TimePoint now) const;
  bool settled(const View& view, TimePoint now) const;
  Options options_;
  bool answering_ = false;
  TimePoint answering_since_{};
  std::unordered_map<std::string, std::shared_ptr<View>, StringHash, std::equal_to<>> views_;
};

const char* name_of(Known known);  // yes, not_yet, stale, absent

}  // namespace outrider::discovery
