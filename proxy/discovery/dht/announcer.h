#pragma once
// Our own records: written, refreshed, changed, withdrawn.

#include <functional>
#include <map>
#include <set>

#include "discovery/dht/table.h"
#include "discovery/dht/verifier.h"
#include "net/loop.h"

namespace outrider::discovery {

class AnnouncerEvents {
 public:
  virtual void on_version(const std::string& service, bool acknowledged) = 0;  // once a version
  virtual void on_gone(const std::string& service, bool acknowledged) = 0;     // once a withdrawal
  // `record` is now what an instance of ours says, until the next one; `gone`: the last one.
  virtual void on_written(const std::string& /*service*/, const InstanceId& /*instance*/, const std::string& /*record*/,
                          bool /*gone*/) {}

 protected:
  ~AnnouncerEvents() = default;
};

// A version is a new value under the same key; the one before is no longer refreshed and fades. At half of its validity
// a record is signed anew. Leaving is a version too, a tombstone, refreshed for as long as older ones may be about.
// Facts that bring an instance id are a replica of their own: one node may speak for many of a service.
// Owned by the registry's node; its thread.
class Announcer {
 public:
  Announcer(net::Loop& loop, Table& table, const DhtOptions& options, Verifier& verifier, DhtStats& stats,
            AnnouncerEvents& events);
  void announce(const std::string& service, const Instance& facts);
  void withdraw(const std::string& service);  // on_gone() follows, within `farewell`
  void withdraw_all();
  bool leaving() const;  // some withdrawal waits to be acknowledged
  void on_connected();   // what nobody has acknowledged is put again
  void put_again();      // everything: nodes that were cut off have let it expire, and OpenDHT believes they have it
  void on_identity_changed();
  void add_keys(std::set<std::string>& keys) const;  // all under which something of ours lies
  std::vector<DhtFacts::Own> facts() const;

 private:
  struct Lying {  // one value of ours in the table
    std::string key, value;
  };
  struct Own {
    Own(Announcer& announcer, std::string service, std::string name)
        : announcer(announcer), service(std::move(service)), name(std::move(name)) {}
    void on_due() { announcer.on_due(*this); }
    void on_farewell() { announcer.part(*this, false); }
    Announcer& announcer;
    const std::string service, name;  // name: in own_
    Instance facts;
    InstanceId id{};
    uint16_t shards = 1;
    std::set<uint16_t> also;  // keys besides the one its id falls on
    uint64_t sequence = 0;
    WallTime not_after{};
    TimePoint written{};
    size_t unanswered = 0;  // puts of this version
    bool acknowledged = false, told = false, changed = false, gone = false, leaving = false;
    std::vector<Lying> lying;
    net::BoundTimer<Own, &Own::on_due> due{*this};
    net::BoundTimer<Own, &Own::on_farewell> farewell{*this};
  };
  void on_due(Own& own);
  void write(Own& own);
  void put(const std::shared_ptr<Own>& own, const Lying& value);
  void put_again(const std::shared_ptr<Own>& own);
  void answered(Own& own, uint64_t sequence, bool acknowledged);
  void part(Own& own, bool acknowledged);
  struct Survey {  // of a service's first key
    std::vector<Record> sample;
    std::vector<std::weak_ptr<Own>> waiting;
  };
  void survey(const std::shared_ptr<Own>& own);
  void surveyed(Own& own, const Survey& survey);
  net::Loop& loop_;
  Table& table_;
  const DhtOptions& options_;
  Verifier& verifier_;
  DhtStats& stats_;
  AnnouncerEvents& events_;
  std::map<std::string, std::shared_ptr<Own>> own_;
  std::map<std::string, std::shared_ptr<Survey>> surveys_;  // under way, by service
};

}  // namespace outrider::discovery
