#include "upstream/pooled_connection.h"

#include <algorithm>
#include <utility>

#include "upstream/cluster.h"
#include "upstream/origination.h"

namespace outrider::upstream {

namespace {

constexpr Error kBadAddress{Code::Unreachable, Side::Upstream, Retry::Yes, 0, "bad_address"};
constexpr Error kConnectTimeout{Code::Timeout, Side::Upstream, Retry::Yes, 0, "connect_timeout"};
constexpr Error kTlsTimeout{Code::Timeout, Side::Upstream, Retry::Yes, 0, "tls_timeout"};
constexpr Error kPingTimeout{Code::Timeout, Side::Upstream, Retry::No, 0, "ping_timeout"};
constexpr milliseconds kPingAnswer{10000};  // at the most; what a PING is waited for
constexpr int kPingSilence = 6;             // times tcp_keepalive: servers of gRPC take more than one in 5 minutes for abuse

}  // namespace

PooledConnection::PooledConnection(Pool& p, Protocol asked)
    : pool(p), protocol(asked), connection(new wire::HttpConnection(p.loop_, *this)), began(net::Loop::clock()),
      opened(p.loop_.now()) {}

Result<Done> PooledConnection::connect(const Endpoint& endpoint, const ClusterPlan& plan) {
  const net::Address& to = endpoint.socket;
  if (!to.valid()) return kBadAddress;
  become(Doing::Connecting, plan.pool.connect_timeout);
  const auto tls = peer_of(plan.tls, to, endpoint.mutual_identity(), protocol, &pool.root().sessions_, endpoint.host);
  const auto foreword = wire::write_proxy_header(plan.proxy_protocol, pool.caller_ ? &pool.caller_->told() : nullptr);
  const net::Address* const from = endpoint.source.valid() ? &endpoint.source : nullptr;
  return connection->connect(to, wire_of(protocol), plan.codec, tls ? &*tls : nullptr, foreword, from);
}

void PooledConnection::retire(bool abort) {
  limit_.cancel();
  ListHook<PooledConnection>::unlink();
  wire::HttpConnection::retire(std::move(connection), abort);
  pool.loop_.retire(*this);
}

std::unique_ptr<http::Codec> PooledConnection::codec_for(http::CodecEvents& events, http::Wire wire) {
  return encrypted_codec(wire, events, pool.loop_.blocks(), pool.cluster_.plan().codec);
}

void PooledConnection::on_draining() {
  draining = true;
  if (doing == Doing::Idle) pool.close(*this, Pool::After::Close);
}

// Comes early where an earlier limit is not needed any more.
void PooledConnection::on_limit() {
  const TimePoint now = pool.loop_.now();
  if (due_ == TimePoint::max()) return;
  if (now < due_) return pool.loop_.arm(limit_, std::chrono::ceil<milliseconds>(due_ - now));
  switch (doing) {
    case Doing::Connecting: return connection->fail(connection->connected() ? kTlsTimeout : kConnectTimeout);
    case Doing::Idle: return pool.close(*this, Pool::After::Close);
    case Doing::Closing: return pool.close(*this, Pool::After::Cut);
    case Doing::Busy: return look_for_life();
  }
}

void PooledConnection::look_for_life() {
  if (lost) return;
  const uint64_t before = std::exchange(heard_, connection->bytes_in());
  if (before != heard_) asked_ = false;
  else if (std::exchange(asked_, true)) return connection->fail(kPingTimeout);
  else connection->codec().probe();
  become(Doing::Busy, asked_ ? std::min(silence(), kPingAnswer) : silence());
}

milliseconds PooledConnection::silence() const { return pool.cluster_.plan().pool.tcp_keepalive * kPingSilence; }

}  // namespace outrider::upstream
