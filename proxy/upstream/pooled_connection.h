#pragma once
// One connection of a pool; for the pool alone.

#include "upstream/pool.h"

namespace outrider::upstream {

// What it is doing, how often it has served, when it must go. Owned by its pool's lists and given up by close(), or where its
// socket was lost while it served, by the give_back() that follows. One worker.
class PooledConnection final : public ListHook<PooledConnection>, public net::Retired, wire::ConnectionOwner {
 public:
  enum class Doing : uint8_t { Connecting, Idle, Busy, Closing };
  PooledConnection(Pool& p, Protocol asked);
  Result<Done> connect(const Endpoint& endpoint, const ClusterPlan& plan);
  http::Wire wire() const { return connection->wire(); }
  void become(Doing what, milliseconds limit = milliseconds(0)) {
    doing = what;
    due_ = limit.count() > 0 ? pool.loop_.now() + limit : TimePoint::max();
    if (limit.count() > 0) pool.loop_.arm_within(limit_, limit);
  }
  // Streams may say nothing for hours; a process that hangs is found out by asking.
  void begin_serving() {
    heard_ = connection->bytes_in();
    asked_ = false;
    become(Doing::Busy, wire() == http::Wire::Http2 ? silence() : milliseconds(0));
  }
  bool alive() const { return !lost && connection->transport().open(); }
  bool worn(const PoolPlan& plan) const {
    return (plan.max_requests && served >= plan.max_requests) ||
           (plan.max_age.count() && pool.loop_.now() - opened >= plan.max_age);
  }
  void retire(bool abort);  // the socket closes now; the rest goes after the turn

  Pool& pool;
  const Protocol protocol;  // asked for
  std::unique_ptr<wire::HttpConnection> connection;
  Doing doing = Doing::Connecting;
  bool established = false, lost = false, draining = false;
  uint32_t served = 0, leases = 0;
  uint64_t own = 0;         // in Limits::own; 0: it is not there
  milliseconds learned{0};  // from the server's Keep-Alive; 0: it said nothing
  const TimePoint began, opened;

 private:
  http::StreamEvents* on_stream(http::StreamId) override { return nullptr; }
  std::unique_ptr<http::Codec> codec_for(http::CodecEvents& events, http::Wire wire) override;
  void on_connected() override { pool.on_connected(*this); }
  void on_idle() override {}  // the lease's holder says when the stream is over
  void on_draining() override;
  void on_gone(const Error& why) override { pool.on_gone(*this, why); }
  void on_retired() override { delete this; }
  void on_limit();
  void look_for_life();
  milliseconds silence() const;
  uint64_t heard_ = 0;  // bytes, when last looked
  bool asked_ = false;  // by a PING, since
  TimePoint due_ = TimePoint::max();
  net::BoundTimer<PooledConnection, &PooledConnection::on_limit> limit_{*this};
};

}  // namespace outrider::upstream
