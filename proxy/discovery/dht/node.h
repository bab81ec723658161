#pragma once
// One node of the DHT, on a thread of its own.

#include <memory>
#include <string>

#include "discovery/dht/announcer.h"
#include "discovery/dht/watches.h"

namespace outrider::discovery {

class NodeEvents : public WatchesEvents, public AnnouncerEvents {  // on the node's thread
 public:
  virtual void on_answering(bool yes) = 0;
  virtual void on_turn_over() = 0;  // nothing more for now: what was collected may travel

 protected:
  ~NodeEvents() = default;
};

// A table (OpenDHT's), a loop and a sealed socket of ours. Owned by a DhtRegistry; its
// functions are for the owner's thread but where said. stop(), or its end, withdraws what is announced, waits `farewell`
// for an acknowledgement at most, saves what is to be remembered, and joins the thread.
class Node {
 public:
  Node(DhtOptions options, DhtStats& stats, NodeEvents& events);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  std::string start();  // empty, or why it cannot: the address is in use
  void stop();

  void watch(const std::string& service);
  void unwatch(const std::string& service);
  void announce(const std::string& service, const Instance& facts);
  void withdraw(const std::string& service);
  void list();  // facts() will have the services that are listed, for a while
  void set_identity(std::shared_ptr<const identity::Identity> identity);
  int fall_silent();  // see MeshRegistry; waits for the node's thread
  void speak_again();
  void leave_silently();
  net::Address local() const;  // after start()
  DhtFacts facts() const;      // any thread; a second old at most

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider::discovery
