#pragma once
// The connections from one worker to one endpoint.

#include "base/intrusive_list.h"
#include "upstream/cluster_plan.h"
#include "wire/http_connection.h"

namespace outrider::upstream {

class Cluster;
struct Endpoint;
class PooledConnection;              // an HttpConnection with its owner, idle timer and counters; in pool.cc

// The right to one stream.
struct Lease {
  PooledConnection* held = nullptr;
  wire::HttpConnection* connection = nullptr;
  http::StreamId stream = 0;
  bool reused = false;               // it had served before: decides Retry::IfReused
};

// Embedded in the attempt. Destroying or unlinking it cancels the wait.
struct Waiter : ListHook<Waiter> {
  virtual http::Wire wire() const = 0;
  virtual http::StreamEvents& events() = 0;
  virtual void on_lease(Lease lease) = 0;
  virtual void on_no_lease(const Error& why) = 0;

 protected:
  ~Waiter() = default;
};

// LIFO, reading left on so that a server's close is noticed while idle. Limits (max_connections, max_pending) are the
// cluster's, shared by all workers. Connections that were made for a waiter who left are kept idle. Waiters are served
// at the end of the turn, never from give_back() or on_gone(): no recursion through a queue. Owned by a Seat.
class Pool final : net::EndOfTurn {
 public:
  Pool(Cluster& cluster, std::shared_ptr<Endpoint> endpoint);
  ~Pool();
  // on_lease() may come before it returns when an idle connection is there; else later, or on_no_lease().
  void acquire(Waiter& waiter);
  // The stream is over. `reusable` false: the connection is closed (with RST when the exchange was cut short).
  void give_back(Lease lease, bool reusable);
  void drain();                      // no new leases; idle connections close, busy ones when given back

 private:
  friend class PooledConnection;
  void on_end_of_turn() override;
  void serve();
  void open_connection();
  Cluster& cluster_;
  std::shared_ptr<Endpoint> endpoint_;
  IntrusiveList<Waiter> waiting_;
  IntrusiveList<PooledConnection> idle_, busy_, connecting_;
  uint32_t connecting_count_ = 0;
  bool draining_ = false;
};

}  // namespace outrider::upstream
