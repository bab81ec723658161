#pragma once
// Services by name: ours are listed, and all that are listed are read while somebody asks.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "discovery/dht/table.h"
#include "discovery/dht/verifier.h"
#include "net/loop.h"

namespace outrider::discovery {

class ListingsEvents {
 public:
  virtual void on_listed() = 0;  // all has been read that is listed

 protected:
  ~ListingsEvents() = default;
};

// A table cannot say which keys it has. So the instances of a service with the lowest ids put their records a second time,
// under a key for names (keys.h), where they live longer and are believed by the same rules: who may not speak for a service
// cannot list it. For people only, never for requests: a name may stand there for some minutes after its last instance has
// gone. Nobody reads them until somebody asks, and for a while after that. Owned by the registry's node; its thread.
class Listings {
 public:
  static constexpr size_t kSpeakers = 3;        // of a service
  static constexpr size_t kMost = 8192;         // listings read here
  static constexpr size_t kMostOfSigner = 64;   // a node speaks for few services
  static constexpr milliseconds kIdle{60'000};  // after nobody has asked for so long it is no longer read
  Listings(net::Loop& loop, Table& table, const DhtOptions& options, Verifier& verifier, DhtStats& stats, ListingsEvents& events);

  // What an instance of ours says now; `gone`: nothing more.
  void on_written(const std::string& service, const InstanceId& instance, const std::string& record, bool gone);
  void on_connected(bool connected);
  void put_again();                                  // nodes that were cut off have let it expire
  void add_keys(std::set<std::string>& keys) const;  // all under which something of ours lies

  void want();
  bool wanted() const { return idle_.armed(); }
  bool complete() const { return complete_; }
  std::vector<DhtFacts::Listed> listed() const;  // each service once, by name
  void forget();                                 // what has been read; the next who asks reads it anew

 private:
  struct Own {
    const std::string service;
    const InstanceId instance;
    std::string record;
    bool listed = false, looking = false;
    TimePoint looked{};
  };
  struct Entry {
    std::string service, protocol;
    WallTime expires{};
  };
  void look(const std::shared_ptr<Own>& own);
  void settle(Own& own, bool speaks);
  std::string key_of(const Own& own) const { return listing_key(options_.trust_domain, own.service); }
  void put(const Own& own) { table_.put_listing(key_of(own), own.record, listing_part(own.service)); }
  void on_more();
  void on_idle() { forget(); }
  void listen(size_t n);
  void read();
  void add(size_t n, const Values& values);
  bool take(size_t n, uint64_t id, const std::string& bytes, WallTime now);
  net::Loop& loop_;
  Table& table_;
  const DhtOptions& options_;
  Verifier& verifier_;
  DhtStats& stats_;
  ListingsEvents& events_;
  bool connected_ = false, complete_ = false;
  std::map<std::pair<std::string, InstanceId>, std::shared_ptr<Own>> own_;
  std::vector<uint64_t> listening_;  // tokens, by key
  size_t unanswered_ = 0;            // keys being read
  std::map<uint64_t, Entry> entries_;
  std::set<uint64_t> refused_;  // not looked at again, and counted once
  Quota quota_{kMostOfSigner};
  std::shared_ptr<bool> asked_;  // ends with forget(): what comes for an earlier reading is too late
  net::BoundTimer<Listings, &Listings::on_more> more_{*this};
  net::BoundTimer<Listings, &Listings::on_idle> idle_{*this};
};

}  // namespace outrider::discovery
