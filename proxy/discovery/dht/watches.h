#pragma once
// Services being followed: their keys, what lies under them, what of it is believed.

#include <map>
#include <memory>
#include <set>
#include <string>

#include "discovery/dht/table.h"
#include "discovery/dht/verifier.h"
#include "net/loop.h"

namespace outrider::discovery {

class WatchesEvents {
 public:
  // `pushed`: it is a new version and came by itself, not as the answer to a look-up.
  virtual void on_learned(const std::string& service, const std::shared_ptr<const Instance>& facts, bool tombstone,
                          bool pushed) = 0;
  virtual void on_remembered(const std::string& service, const std::shared_ptr<const Instance>& facts) = 0;
  virtual void on_lapsed(const std::string& service, const std::shared_ptr<const Instance>& facts) = 0;
  virtual void on_answered(const std::string& service, milliseconds took, bool first) = 0;

 protected:
  ~WatchesEvents() = default;
};

// One listener a key, and a reading of all keys now and then, since the table may forget to say that a value has gone.
// That it has gone is believed only when some peer is heard afterwards: while we are cut off everything seems to go.
// The number of keys follows the records (field `shards`): they are opened a few at a time, since each answers at once with
// all that lies there, and read after they have answered, which costs nothing then. Owned by the registry's node; its thread.
class Watches {
 public:
  Watches(net::Loop& loop, Table& table, const DhtOptions& options, Verifier& verifier, WatchesEvents& events);
  void watch(const std::string& service);
  void unwatch(const std::string& service);
  void on_connected(bool connected);
  void on_trust_changed();                           // what is believed and what is refused is judged anew
  void add_keys(std::set<std::string>& keys) const;  // all that are listened at

  // Last-known-good, as received: what load() brought for services nobody watches, and the newest of each instance.
  void load(Values records);
  Values records() const;
  bool changed() { return std::exchange(changed_, false); }  // since it was asked last
  size_t size() const { return watches_.size(); }
  size_t entries() const;  // of whatever has been seen and is not forgotten yet

 private:
  static constexpr size_t kMostValues = 20000;  // a service
  struct Seen {
    std::shared_ptr<const Instance> facts;
    bool tombstone = false;
    uint8_t missing = 0;   // readings in a row that did not show it
    uint64_t reading = 0;  // the last that did
    bool ending = false;   // the table says it has gone
  };
  struct Kept {         // for the snapshot
    std::string bytes;  // none of a tombstone, which is never saved
    uint64_t sequence = 0;
    WallTime expires{};
    bool tombstone = false;
  };
  struct Watch {
    Watch(Watches& watches, std::string name) : watches(watches), service(std::move(name)) {}
    void on_due() { watches.read(watches.watches_.at(service)); }
    void on_more() { watches.more(watches.watches_.at(service)); }
    Watches& watches;
    const std::string service;
    TimePoint since{};
    std::vector<std::pair<std::string, uint64_t>> listening;  // key, token; one a shard
    uint16_t shards = 1;                                      // to listen at; the first ones are listened at already
    std::map<uint64_t, Seen> values;                          // believed, by id
    std::map<uint64_t, TimePoint> refused;                    // until when: not looked at again, and counted once
    std::map<std::string, Kept> kept;                         // by identity and instance
    Quota quota{watches.options_.quota};                      // of each signer among the values
    uint64_t reading = 0;
    TimePoint read_at{};
    uint8_t drowned = 0;               // readings in a row
    uint64_t junk = 0;                 // when this reading began
    size_t asked = 0, unanswered = 0;  // keys of this reading
    bool whole = true, answered = false;
    milliseconds retry{0}, empty{0};  // the last pause after no answer, and after an empty one
    net::BoundTimer<Watch, &Watch::on_due> due{*this};
    net::BoundTimer<Watch, &Watch::on_more> more{*this};
  };
  using Pointer = std::shared_ptr<Watch>;
  void extend(const Pointer& watch, uint16_t shards);
  void more(const Pointer& watch);
  void listen(const Pointer& watch);
  void read(const Pointer& watch);
  void read_keys(const Pointer& watch);
  void read_done(Watch& watch, uint64_t reading, bool ok);
  void finish(Watch& watch);
  void add(const Pointer& watch, const Values& values, bool pushed);
  void refuse(Watch& watch, uint64_t id, RecordVerdict why);
  void keep(Watch& watch, const Instance& facts, bool tombstone, const std::string& bytes);
  bool over(const Kept& kept, WallTime now) const;
  void ended(Watch& watch, const Values& values);
  void confirm();
  void confirmed(bool heard);
  net::Loop& loop_;
  Table& table_;
  const DhtOptions& options_;
  Verifier& verifier_;
  WatchesEvents& events_;
  bool connected_ = false, changed_ = false;
  std::map<std::string, Pointer> watches_;
  std::map<std::string, std::vector<Kept>> loaded_;       // by service
  std::vector<std::pair<std::string, uint64_t>> ending_;  // service, id: waiting for a round of pings
  std::vector<std::pair<std::string, uint64_t>> in_round_;
  size_t pings_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace outrider::discovery
