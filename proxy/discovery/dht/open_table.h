#pragma once
// OpenDHT as a table.

#include <memory>
#include <string>

#include "discovery/dht/sealed_socket.h"
#include "discovery/dht/table.h"
#include "discovery/dht/verifier.h"
#include "net/loop.h"

namespace outrider::discovery {

class OpenTableEvents {
 public:
  virtual void on_settled() = 0;  // at the end of a turn: what was asked for is sent, answers are handed over
  virtual void on_wrong_id(const net::Address& who) = 0;  // a packet bore another node's id than its sender's

 protected:
  ~OpenTableEvents() = default;
};

// OpenDHT's core class over a sealed socket of ours. Packets are looked at before it sees them, values before it keeps them
// for others, and whoever sends what cannot be believed is blamed. open_table.cc alone knows OpenDHT. Owned by the registry's
// node; its thread, once that runs.
class OpenTable : public Table {
 public:
  static std::unique_ptr<OpenTable> make(net::Loop& loop, SealedSocket& socket, const DhtOptions& options, Verifier& verifier,
                                         DhtStats& stats, OpenTableEvents& events);
  virtual ~OpenTable() = default;
  // Empty, or why not; the socket is bound by then. `node_id`: of this node; empty: a random one.
  virtual std::string open(const std::string& node_id) = 0;
  virtual void close() = 0;  // nobody is called back any more
  virtual void take(std::string_view packet, const net::Address& from, std::string_view node_id) = 0;  // as Gate::admit()
  virtual void left(const std::string& node_id) = 0;  // by its own word: it is named to nobody any more
  virtual void look_around() = 0;                     // who sits near us?
  virtual void stir() = 0;                            // on_settled() follows
  virtual std::string id() const = 0;                 // of this node, 20 bytes
  virtual void count() = 0;                           // into DhtStats: peers, searches, what is stored
};

}  // namespace outrider::discovery
