#pragma once
// The way in: seeds pinged for life, names looked up again and again, nodes remembered from last time.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "discovery/dht/options.h"
#include "discovery/dht/table.h"
#include "net/loop.h"

namespace outrider::discovery {

// Pings every seed at a fixed pace whatever the state, since OpenDHT itself stops trying, and a mesh that was cut in two
// must grow together again; sooner while nothing answers, and then the remembered nodes too. Names are looked up on a
// thread of their own, at most one at a time, for the system's resolver may block for long. Owned by the registry's node;
// its thread.
class Bootstrap {
 public:
  Bootstrap(net::Loop& loop, Table& table, const DhtOptions& options);
  ~Bootstrap();
  void start(std::vector<net::Address> remembered);
  void on_connected(bool connected);
  std::vector<DhtFacts::Seed> facts() const;
  bool any() const { return !seeds_.empty() || !remembered_.empty(); }

 private:
  struct Seed {
    std::string name;        // as configured
    std::string host, port;  // to look up; empty: it is an address
    std::vector<net::Address> addresses;
    std::string trouble;  // of the last look-up
    size_t asked = 0;     // pings under way
    bool answered = false, ever_asked = false;
  };
  using Answers = std::vector<std::pair<std::vector<net::Address>, std::string>>;
  struct Mailbox;  // outlives us while a look-up blocks
  void on_due();
  void look_up();
  void found(const Answers& answers);
  void ping(Seed& seed);
  net::Loop& loop_;
  Table& table_;
  const DhtOptions& options_;
  std::vector<Seed> seeds_;
  std::vector<net::Address> remembered_;
  bool connected_ = false;
  milliseconds pace_;
  std::shared_ptr<Mailbox> mailbox_;
  net::BoundTimer<Bootstrap, &Bootstrap::on_due> due_{*this};
};

}  // namespace outrider::discovery
