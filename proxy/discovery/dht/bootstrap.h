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

class BootstrapEvents {
 public:
  virtual void on_found_again() = 0;  // somebody who had fallen silent answers: there may be more

 protected:
  ~BootstrapEvents() = default;
};

// Pings every seed at a fixed pace whatever the state, since OpenDHT itself stops trying, and a mesh that was cut in two
// must grow together again; sooner while nothing answers, and then the remembered nodes too; sooner as well after a seed
// or a peer has fallen silent. Peers that have fallen silent are asked now and then, and all at once when one of
// them answers: OpenDHT asks nobody again who was silent, and both halves hold each other for dead. Names are looked up on a
// thread of their own, at most one at a time, for the system's resolver may block for long. Owned by the registry's node;
// its thread.
class Bootstrap {
 public:
  Bootstrap(net::Loop& loop, Table& table, const DhtOptions& options, BootstrapEvents& events);
  ~Bootstrap();
  void start(std::vector<net::Address> remembered);
  void on_connected(bool connected);
  std::vector<DhtFacts::Seed> facts() const;
  bool any() const { return !seeds_.empty() || !remembered_.empty(); }

 private:
  struct Place {
    net::Address address;
    bool answered = false;
    TimePoint silent{};  // since then, after it has answered; epoch: it is not
  };
  struct Seed {
    std::string name;        // as configured
    std::string host, port;  // to look up; empty: it is an address
    std::vector<Place> places;
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
  void answer(Seed& seed, const net::Address& address, bool answered);
  void note_peers();
  void ask_lost(size_t most);
  void found_again();
  milliseconds pace() const;
  net::Loop& loop_;
  Table& table_;
  const DhtOptions& options_;
  BootstrapEvents& events_;
  std::vector<Seed> seeds_;
  std::vector<net::Address> remembered_;
  std::vector<std::pair<net::Address, TimePoint>> lost_;  // peers that fell silent, since when
  TimePoint found_again_{};                               // when that was said last
  bool connected_ = false;
  milliseconds pace_;
  std::shared_ptr<Mailbox> mailbox_;
  net::BoundTimer<Bootstrap, &Bootstrap::on_due> due_{*this};
};

}  // namespace outrider::discovery
