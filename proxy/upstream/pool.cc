#include "upstream/pool.h"

#include <sys/socket.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/text.h"
#include "net/socket.h"
#include "net/tls_engine.h"
#include "stats/names.h"
#include "upstream/cluster.h"
#include "upstream/origination.h"
#include "upstream/pooled_connection.h"

namespace outrider::upstream {

namespace {

constexpr milliseconds kFlushLimit{30000};  // for what a closed connection has still to write
constexpr milliseconds kLookAgain{50};
constexpr uint32_t kNoLimit = UINT32_MAX;
constexpr Error kQueueFull{Code::Overload, Side::Local, Retry::No, 0, "circuit_breaker_pending"};
constexpr Error kDistrusted{Code::Closed, Side::Upstream, Retry::No, 0, "endpoint_distrusted"};
constexpr Error kEndpointLeft{Code::NoEndpoint, Side::Upstream, Retry::Yes, 0, "endpoint_left"};

// What one more connection of HTTP/2 is good for: as much as servers usually take.
constexpr uint32_t kStreams = 100;

bool fits(Protocol asked, http::Wire wire) {
  return asked == Protocol::Either ? wire != http::Wire::Raw : wire_of(asked) == wire;
}

stats::Slot reason_slot(const ClusterStats& stats, Code code) {
  switch (code) {
    case Code::Refused: return stats.connect_refused;
    case Code::Timeout: return stats.connect_timeout;
    case Code::Unreachable: return stats.connect_unreachable;
    case Code::Tls: return stats.connect_tls;
    case Code::Overload: return stats.connect_overload;
    default: return stats.connect_closed;
  }
}

uint64_t microseconds_since(TimePoint then) {
  return uint64_t(std::chrono::duration_cast<std::chrono::microseconds>(net::Loop::clock() - then).count());
}

}  // namespace

using Doing = PooledConnection::Doing;

Pool::Pool(Cluster& cluster, std::shared_ptr<Endpoint> endpoint)
    : cluster_(cluster), loop_(cluster.context().loop), endpoint_(std::move(endpoint)) {}

Pool::~Pool() {
  cut();
  while (Pool* child = children_.front()) delete child;
}

void Pool::wake() { loop_.at_end_of_turn(*this); }

void Pool::acquire(Waiter& waiter) {
  if (draining_) return waiter.on_no_lease(kEndpointLeft);
  if (waiting_.empty())
    if (PooledConnection* ready = take(asked_by(waiter))) return lease(*ready, waiter);
  if (!cluster_.enter(cluster_.limits().pending, cluster_.plan().max_pending, cluster_.stats().breaker_pending))
    return waiter.on_no_lease(kQueueFull);
  cluster_.context().shard.add(cluster_.stats().pending);
  waiter.on_queued();
  waiting_.push_back(waiter);
  ++waiting_count_[size_t(asked_by(waiter))];
  open_for_waiters();
}

void Pool::leave(Waiter& waiter) {
  if (!waiter.linked()) return;
  waiter.unlink();
  --waiting_count_[size_t(asked_by(waiter))];
  cluster_.leave(cluster_.limits().pending, cluster_.plan().max_pending, cluster_.stats().breaker_pending);
  cluster_.context().shard.sub(cluster_.stats().pending);
  if (waiting_.empty()) cluster_.calm(cluster_.limits().connections, cluster_.stats().breaker_connections);
}

// Where an endpoint would not be asked, it has not to choose.
Protocol Pool::asked_by(const Waiter& waiter) const {
  const Protocol asked = waiter.protocol();
  if (asked != Protocol::Either || is_encrypted(cluster_.plan().tls, endpoint_->socket, endpoint_->mutual_identity(), asked))
    return asked;
  return Protocol::Http1;
}

// Streams of HTTP/2 are packed: on connections that carry some already, as long as they take more.
PooledConnection* Pool::take(Protocol protocol) {
  if (!fits(protocol, http::Wire::Http2)) return take_idle(protocol);
  PooledConnection* found = nullptr;
  busy_.for_each([&](PooledConnection& busy) {
    if (busy.wire() != http::Wire::Http2) return;
    if (busy.worn(cluster_.plan().pool)) busy.draining = true;
    if (!found && busy.alive() && !busy.draining && busy.connection->codec().can_open()) found = &busy;
  });
  return found ? found : take_idle(protocol);
}

PooledConnection* Pool::take_idle(Protocol protocol) {
  PooledConnection* found = nullptr;
  if (idle_.empty()) return nullptr;
  if (fits(protocol, idle_.front()->wire())) found = idle_.front();
  else
    idle_.for_each([&](PooledConnection& idle) {
      if (!found && fits(protocol, idle.wire())) found = &idle;
    });
  if (!found) return nullptr;
  const bool worn = found->served > 0 && found->worn(cluster_.plan().pool);  // one that was long in coming serves once
  const bool fresh = found->alive() && !found->draining && !worn;
  if (fresh && found->connection->codec().can_open()) return found;
  close(*found, After::Close);
  return take_idle(protocol);
}

void Pool::lease(PooledConnection& connection, Waiter& waiter) {
  if (connection.leases++ == 0) {
    unlist(connection);
    connection.begin_serving();
    busy_.push_back(connection);
    ++busy_count_;
  }
  const bool reused = connection.served++ > 0;
  const auto stream = connection.connection->codec().open(waiter.events());
  waiter.on_lease({&connection, connection.connection.get(), stream, reused});
}

// --- the queue: served when the turn has seen all its events ------------------------------------------------------

void Pool::on_end_of_turn() {
  serve();
  if (is_over()) delete this;
}

void Pool::serve() {
  while (!draining_ && serve_one()) {}
  fail_waiters();
  // A raw connection that nobody waits for any more will not be wanted: some servers speak first, and not for ever.
  for (;;) {
    PooledConnection* raw = nullptr;
    idle_.for_each([&](PooledConnection& idle) {
      if (idle.wire() == http::Wire::Raw) raw = &idle;
    });
    if (!raw) break;
    close(*raw, After::Close);
  }
  open_for_waiters();
}

bool Pool::serve_one() {
  Waiter* next = waiting_.front();
  if (!next) return false;
  PooledConnection* ready = take(asked_by(*next));
  if (!ready && idle_count_ > 0) {  // the first waits for a connection of another kind than those behind it
    next = nullptr;
    waiting_.for_each([&](Waiter& waiter) {
      if (!next && (ready = take(asked_by(waiter)))) next = &waiter;
    });
  }
  if (!ready) return false;
  leave(*next);
  lease(*ready, *next);
  return true;
}

// A connection that did not come about is the failure of one who waited. When none is left that could still serve the
// others, they need not wait to hear the same.
void Pool::fail_waiters() {
  uint32_t failures = std::exchange(failures_, 0);
  if (draining_) last_failure_ = kEndpointLeft, failures = 1;
  else if (failures == 0) return;
  const auto connecting = std::accumulate(connecting_count_.begin(), connecting_count_.end(), 0u);
  if (draining_ || (connecting == 0 && busy_count_ == 0)) failures = kNoLimit;
  const Error why = last_failure_;
  uint32_t waiting =
      std::accumulate(waiting_count_.begin(), waiting_count_.end(), 0u);  // those that come meanwhile have not failed
  for (; failures > 0 && waiting > 0 && !waiting_.empty(); --failures, --waiting) {
    Waiter& waiter = *waiting_.front();
    leave(waiter);
    waiter.on_no_lease(why);
  }
}

// An endpoint that has not chosen yet is asked once, however many wait for it.
uint32_t Pool::streams_of(Protocol protocol) {
  const bool packed = protocol == Protocol::Http2 || (protocol == Protocol::Either && !root().chooses_http1_);
  return packed ? kStreams : 1;
}

void Pool::open_for_waiters() {
  if (draining_) return;
  for (const auto protocol : {Protocol::Http1, Protocol::Http2, Protocol::Raw, Protocol::Either})
    while (waiting_count_[size_t(protocol)] > (connecting_count_[size_t(protocol)] + failures_) * streams_of(protocol))
      if (!open_connection(protocol)) {  // the limit is the whole cluster's: whoever makes room may be another pool or worker
        loop_.arm(again_, kLookAgain);
        break;
      }
}

bool Pool::enter_limit() {
  const uint32_t limit = cluster_.plan().max_connections;
  auto& breaker = cluster_.limits().connections;
  const auto gauge = cluster_.stats().breaker_connections;
  if (cluster_.enter(breaker, limit, gauge)) return true;
  if (PooledConnection* idle = root().unwanted()) {  // of another kind than the one that is waited for, or another client's
    idle->pool.close(*idle, After::Close);
    if (cluster_.enter(breaker, limit, gauge)) return true;
  }
  return root().open_count_ == 0 && breaker.tally.enter(kNoLimit);
}

bool Pool::open_connection(Protocol protocol) {
  if (!enter_limit()) return false;
  auto* connection = new PooledConnection(*this, protocol);
  count_open(1);
  ++connecting_count_[size_t(protocol)];
  connecting_.push_back(*connection);
  if (const auto ok = connection->connect(*endpoint_, cluster_.plan()); !ok) on_gone(*connection, ok.error());
  else if (cluster_.limits().own) note_own(*connection);
  return true;
}

// At once: it may be back before it is known to be established.
void Pool::note_own(PooledConnection& connection) {
  const auto from = net::Address::local_of(connection.connection->transport().fd());
  connection.own = OwnConnections::key_of(from, endpoint_->socket);
  cluster_.limits().own->add(connection.own);
}

// --- what happens to connections -----------------------------------------------------------------------------------

void Pool::on_connected(PooledConnection& connection) {
  const auto& stats = cluster_.stats();
  cluster_.context().shard.observe(cluster_.connect_duration(), microseconds_since(connection.began));
  cluster_.context().shard.add(stats.connections_active);
  connection.established = true;
  if (const auto* tls = connection.connection->transport().tls()) {
    count_handshake("ok", tls->version());
    auto& [loop, catalog, shard] = cluster_.context();
    shard.observe(catalog.slot(stats::names::kTlsHandshakeDuration, {{"side", "endpoint"}}), microseconds_since(tls->began()));
    if (connection.protocol == Protocol::Either) root().chooses_http1_ = connection.wire() == http::Wire::Http1;
  }
  const milliseconds alive = cluster_.plan().pool.tcp_keepalive;
  if (alive.count() && !endpoint_->socket.is_unix()) net::keep_alive(connection.connection->transport().fd(), alive);
  unlist(connection);
  const milliseconds idle = cluster_.plan().pool.idle_timeout;
  connection.become(Doing::Idle, idle.count() ? idle : kUsualIdle);
  idle_.push_front(connection);
  ++idle_count_;
  wake();
  cluster_.on_connected(*endpoint_);
}

void Pool::on_gone(PooledConnection& connection, const Error& why) {
  const Doing was = connection.doing;
  forget(connection);
  const net::Transport& transport = connection.connection->transport();
  if (why.code == Code::Tls) root().trouble_ = transport.tls()->trouble();
  if (was == Doing::Connecting && transport.tls() && transport.connected())
    count_handshake(why.code == Code::Tls ? why.what : why.code == Code::Timeout ? "tls_timeout" : "tls_closed", "none");
  if (was == Doing::Busy) {  // whoever has the lease may still look at it: until give_back()
    connection.lost = true;
    if (!waiting_.empty()) wake();
    return;
  }
  unlist(connection);
  connection.retire(false);
  if (was == Doing::Connecting) {
    Error failure = why;
    failure.side = why.code == Code::Overload ? Side::Local : Side::Upstream;
    if (why.code != Code::Overload) failure.retry = Retry::Yes;  // nothing of any request was sent
    last_failure_ = failure;
    ++failures_;
    cluster_.context().shard.add(reason_slot(cluster_.stats(), why.code));
    wake();
    cluster_.on_connect_failure(*endpoint_, failure, why.code == Code::Tls ? root().trouble_ : std::string_view{});
  } else if (!waiting_.empty()) {
    wake();
  }
}

void Pool::give_back(Lease lease, After after) {
  PooledConnection& connection = *lease.held;
  if (--connection.leases > 0) {  // a stream among others: the connection is not concerned
    if (!waiting_.empty()) wake();
    return;
  }
  if (connection.wire() == http::Wire::Http2 && connection.alive())
    after = connection.connection->codec().reusable() ? After::Keep : After::Close;
  if (connection.lost) {
    unlist(connection);
    if (parent_ && draining_) wake();
    return connection.retire(false);
  }
  const PoolPlan& plan = cluster_.plan().pool;
  milliseconds idle = plan.idle_timeout.count() ? plan.idle_timeout : kUsualIdle;
  if (connection.learned.count()) idle = plan.idle_timeout.count() ? std::min(idle, connection.learned) : connection.learned;
  if (plan.max_age.count()) {
    const auto age = std::chrono::duration_cast<milliseconds>(loop_.now() - connection.opened);
    idle = std::min(idle, plan.max_age - age);
  }
  const bool worn = idle.count() <= 0 || connection.worn(plan);
  if (after == After::Keep && !worn && !draining_ && !connection.draining && connection.wire() != http::Wire::Raw) {
    unlist(connection);
    connection.become(Doing::Idle, idle);
    idle_.push_front(connection);
    ++idle_count_;
  } else {
    close(connection, after);
  }
  if (!waiting_.empty()) wake();
}

// "timeout=5, max=100": a second earlier than the server, or a request would meet its FIN half way.
void Pool::learn(Lease lease, std::string_view keep_alive) {
  while (!keep_alive.empty()) {
    std::string_view value = trim(next_part(keep_alive, ','));
    if (!equals_ignore_case(trim(next_part(value, '=')), "timeout")) continue;
    const auto seconds = parse_number(trim(value));
    if (!seconds) continue;
    const auto told = milliseconds(1000 * int64_t(std::min<uint64_t>(*seconds, 86400)));
    lease.held->learned = told > milliseconds(1000) ? told - milliseconds(1000) : milliseconds(1);
  }
}

// What there is to write is written first, unless the exchange was cut short; with HTTP/2, that it ends at all.
void Pool::close(PooledConnection& connection, After after) {
  unlist(connection);
  net::Transport& transport = connection.connection->transport();
  if (after != After::Cut && connection.alive() && connection.established) {
    http::Codec& codec = connection.connection->codec();
    const bool flushed = connection.connection->flushed();
    if (connection.wire() == http::Wire::Http2) codec.drain();
    if (!flushed) {
      connection.become(Doing::Closing, kFlushLimit);
      closing_.push_back(connection);
      connection.connection->close_after_flush();
      return;
    }
    (void)transport.write(codec.output());
  }
  if (after != After::Cut && connection.established && transport.tls()) transport.shut_write();
  forget(connection);
  connection.retire(after == After::Cut);
}

void Pool::unlist(PooledConnection& connection) {
  switch (connection.doing) {
    case Doing::Connecting: --connecting_count_[size_t(connection.protocol)]; break;
    case Doing::Idle: --idle_count_; break;
    case Doing::Busy: --busy_count_; break;
    case Doing::Closing: break;
  }
  connection.ListHook<PooledConnection>::unlink();
}

void Pool::forget(PooledConnection& connection) {
  count_open(-1);
  if (parent_ && draining_) wake();  // it may have been the last
  if (const uint64_t own = std::exchange(connection.own, 0)) cluster_.limits().own->remove(own);
  if (std::exchange(connection.established, false)) cluster_.context().shard.sub(cluster_.stats().connections_active);
  cluster_.leave(cluster_.limits().connections, cluster_.plan().max_connections, cluster_.stats().breaker_connections);
}

// Once for each connection: the counter is looked up then.
void Pool::count_handshake(std::string_view result, std::string_view version) {
  auto& [loop, catalog, shard] = cluster_.context();
  shard.add(catalog.slot(stats::names::kTlsHandshakes,
                         {{"result", std::string(result)}, {"side", "endpoint"}, {"version", std::string(version)}}));
}

void Pool::drop_idle() {
  while (PooledConnection* idle = idle_.front()) close(*idle, After::Close);
}

void Pool::drain() {
  draining_ = true;
  children_.for_each([](Pool& child) { child.drain(); });
  drop_idle();
  while (PooledConnection* connecting = connecting_.front()) close(*connecting, After::Close);
  if (!waiting_.empty()) wake();
}

// First all are asked: what becomes of one may change what there is of others.
void Pool::review(net::TrustReview& review) {
  using Advice = net::TrustReview::Advice;
  if (!cluster_.plan().tls.mesh) return;
  children_.for_each([&](Pool& child) { child.review(review); });
  std::vector<PooledConnection*> leave, cut;
  for (auto* list : {&connecting_, &idle_, &busy_})
    list->for_each([&](PooledConnection& each) {
      net::TlsEngine* const tls = each.alive() ? each.connection->transport().tls() : nullptr;
      const Advice advice = tls ? review.of(*tls, *cluster_.plan().tls.mesh) : Advice::Keep;
      if (advice != Advice::Keep) (advice == Advice::Cut ? cut : leave).push_back(&each);
    });
  for (PooledConnection* each : leave) {
    each->draining = true;
    if (each->doing == Doing::Idle) close(*each, After::Close);
  }
  for (PooledConnection* each : cut)
    if (each->alive()) each->connection->fail(kDistrusted);
}

void Pool::cut() {
  drain();
  children_.for_each([](Pool& child) { child.cut(); });
  for (auto* list : {&closing_, &busy_})
    while (PooledConnection* connection = list->front()) {
      if (connection->lost) {
        unlist(*connection);
        connection->retire(false);
      } else {
        close(*connection, After::Cut);
      }
    }
  while (Waiter* waiter = waiting_.front()) leave(*waiter);
  net::EndOfTurn::unlink();
}

}  // namespace outrider::upstream
