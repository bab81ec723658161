#pragma once
// The connections from one worker to one endpoint.

#include <array>
#include <memory>

#include "base/intrusive_list.h"
#include "net/tls_sessions.h"
#include "net/trust_review.h"
#include "upstream/caller.h"
#include "upstream/cluster_plan.h"
#include "wire/http_connection.h"

namespace outrider::upstream {

inline constexpr milliseconds kUsualIdle{60000};  // a connection that nobody says more of is kept for

class Cluster;
struct Endpoint;
class PooledConnection;  // an HttpConnection with its owner, idle timer and counters

// The right to one stream.
struct Lease {
  PooledConnection* held = nullptr;
  wire::HttpConnection* connection = nullptr;
  http::StreamId stream = 0;
  bool reused = false;  // it had served before: decides Retry::IfReused
};

// Embedded in the attempt. Leaves by Pool::leave(), or by one of the two events.
struct Waiter : ListHook<Waiter> {
  virtual Protocol protocol() const = 0;
  virtual http::StreamEvents& events() = 0;
  virtual void on_queued() {}  // no connection is free: it waits for one
  virtual void on_lease(Lease lease) = 0;
  virtual void on_no_lease(const Error& why) = 0;

 protected:
  ~Waiter() = default;
};

// A lease takes a whole connection, but with HTTP/2, where it takes one stream of it. LIFO, reading left on so that a server's
// close is noticed while idle. Limits (max_connections, max_pending) are the cluster's, shared by all workers; at max_connections
// waiters wait for a give_back(), and a pool that has no connection at all may open one all the same, since nobody could ever
// give it one. Connections that were made for a waiter who left are kept idle, but for raw ones. Waiters are served, or told of a
// failure, at the end of the turn, never from give_back() or on_gone(): no recursion through a queue. Owned by a Seat; where
// endpoints are told who calls, each client has a pool of his own beside it (of), which the Seat's owns until it is over.
class Pool final : net::EndOfTurn, ListHook<Caller>, ListHook<Pool> {
 public:
  Pool(Cluster& cluster, std::shared_ptr<Endpoint> endpoint);
  ~Pool();
  Pool& of(Caller& caller);  // of the Seat's; valid while somebody waits in it or has a lease of it, and for this call
  // on_lease() may come before it returns when an idle connection is there, and on_no_lease() when the queue is full;
  // else one of them comes later.
  void acquire(Waiter& waiter);
  void leave(Waiter& waiter);                            // waits no more; no event follows
  enum class After : uint8_t { Keep, Close, Cut };       // Cut: with RST, the exchange was cut short
  void give_back(Lease lease, After after);              // the stream is over and detached
  void learn(Lease lease, std::string_view keep_alive);  // the server's Keep-Alive field
  void drop_idle();                       // the server closed one that was in use: those it has closed too must not be used
  void drain();                           // no new leases; idle connections close, busy ones when given back
  void cut();                             // everything closes now
  void review(net::TrustReview& review);  // are those who answer still trusted?
  net::Loop& loop() { return loop_; }
  size_t idle_count() const { return idle_count_; }
  size_t open_count() const { return open_count_; }        // connecting, idle, busy and closing; the Seat's: of all
  const std::string& trouble() const { return trouble_; }  // what a person should know of the last failure of TLS

 private:
  friend class PooledConnection;
  friend class Caller;
  friend class IntrusiveList<Pool, Caller>;
  friend class IntrusiveList<Pool>;
  Pool(Pool& parent, Caller& caller);
  Pool& root() { return parent_ ? *parent_ : *this; }  // what is known of the endpoint is there
  void lose_caller();
  bool is_over() const;
  PooledConnection* unwanted();  // an idle one of anybody's at this endpoint; null: none is
  void count_open(int by);
  static constexpr size_t kProtocols = 4;
  void on_end_of_turn() override;
  void serve();
  bool serve_one();
  void fail_waiters();
  void open_for_waiters();
  Protocol asked_by(const Waiter& waiter) const;
  uint32_t streams_of(Protocol protocol);
  bool open_connection(Protocol protocol);
  bool enter_limit();
  void note_own(PooledConnection& connection);
  void wake();
  void lease(PooledConnection& connection, Waiter& waiter);
  PooledConnection* take(Protocol protocol);
  PooledConnection* take_idle(Protocol protocol);
  void on_connected(PooledConnection& connection);
  void on_gone(PooledConnection& connection, const Error& why);
  void close(PooledConnection& connection, After after);
  void unlist(PooledConnection& connection);  // from its list and its count
  void count_handshake(std::string_view result, std::string_view version);
  void forget(PooledConnection& connection);  // its socket is closed: the limit has room again
  Cluster& cluster_;
  net::Loop& loop_;
  std::shared_ptr<Endpoint> endpoint_;
  Pool* const parent_ = nullptr;  // null: it is the Seat's
  Caller* caller_ = nullptr;      // whose it is; null: nobody's, or he has gone
  IntrusiveList<Pool> children_;
  IntrusiveList<Waiter> waiting_;
  IntrusiveList<PooledConnection> idle_, busy_, connecting_, closing_;
  std::array<uint32_t, kProtocols> waiting_count_{}, connecting_count_{};
  uint32_t idle_count_ = 0, busy_count_ = 0, open_count_ = 0;
  uint32_t failures_ = 0;  // connections that did not come about since the last end of a turn
  Error last_failure_{};
  std::string trouble_;
  net::TlsSessions sessions_;
  bool chooses_http1_ = false;  // by ALPN, when last asked
  bool draining_ = false;
  net::BoundTimer<Pool, &Pool::wake> again_{*this};
};

}  // namespace outrider::upstream
