#include "upstream/attempt.h"

#include <utility>

#include "http/grpc.h"
#include "upstream/cluster.h"
#include "upstream/load_report.h"

namespace outrider::upstream {

namespace {

constexpr size_t kKept = 1024;
constexpr Error kTooManyRequests{Code::Overload, Side::Local, Retry::No, 0, "circuit_breaker_requests"};
constexpr Error kLimit{Code::Timeout, Side::Upstream, Retry::No, 0, kTryTimeout};
constexpr Error kCanceled{Code::Canceled, Side::Local, Retry::No, 0, "canceled"};

uint64_t microseconds(TimePoint from, TimePoint to) {
  return to <= from ? 0 : uint64_t(std::chrono::duration_cast<std::chrono::microseconds>(to - from).count());
}

// The status of an answer, that of gRPC as HTTP would put it.
uint16_t said(const http::ResponseHead& head, const http::HeaderMap* trailers) {
  if (head.status >= 500 || head.status == 429) return head.status;
  auto status = http::grpc_status_in(head.headers);
  if (!status && trailers) status = http::grpc_status_in(*trailers);
  if (!status || !http::is_grpc_failure(*status)) return head.status;
  return *status == http::GrpcStatus::Unavailable ? 503 : 500;
}

}  // namespace

Attempt::Attempt(net::Loop& loop, AttemptPool& home) : body(loop.blocks()), loop_(loop), home_(home), response_(arena_) {}

void Attempt::start(AttemptOwner& owner, Cluster& cluster, Ref<Seat> seat, Protocol protocol, milliseconds limit) {
  owner_ = &owner;
  cluster_ = &cluster;
  seat_ = std::move(seat);
  protocol_ = protocol;
  state_ = State::Waiting;
  began_at_ = loop_.now();
  if (!cluster.enter(cluster.limits().requests, cluster.plan().max_requests, cluster.stats().breaker_requests))
    return cluster.leave_trial(*seat_), fail(kTooManyRequests);
  counted_ = true;
  cluster.begin(*seat_);
  if (limit.count()) loop_.arm(limit_, limit);
  pool_ = &cluster.pool(*seat_);
  if (cluster.plan().proxy_protocol != wire::ProxyProtocol::Off)
    if (Caller* const caller = owner.caller()) pool_ = &pool_->of(*caller);
  pool_->acquire(*this);
}

void Attempt::on_queued() { queued_at_ = net::Loop::clock(); }

void Attempt::on_lease(Lease lease) {
  lease_ = lease;
  was_reused_ = lease.reused;
  state_ = State::Open;
  opened_at_ = net::Loop::clock();
  bytes_before_ = lease.connection->bytes_in();
  const Sending sending = owner_->sending(*this);
  const http::Pipe& sent = sending.body;
  resend_ = sent.kept.size();
  request_ended_ = sent.ended && sent.held.empty() && resend_ == 0 && !sent.trailers;
  request_sent_ = true;
  codec().send_request(lease_.stream, sending.head, sending.own, request_ended_);
  owner_->on_attempt(*this);  // who pumps, and counts what went on
}

void Attempt::pump() {
  if (!lease_.held || state_ < State::Open || state_ == State::Failed || request_ended_) return;
  http::Pipe& sent = owner_->sending(*this).body;
  const bool ends = sent.ended && !sent.trailers;
  if (resent_ < resend_) {
    Buffer again = sent.kept.share(resent_, resend_ - resent_);
    const bool all = ends && sent.held.empty();
    codec().send_body(lease_.stream, again, all);
    resent_ = resend_ - again.size();
    if (!again.empty()) return;
    request_ended_ = all;
  }
  const size_t there = sent.held.size();
  if (!request_ended_ && (there > 0 || ends)) {
    Buffer copy(sent.held.pool());
    if (sent.keeping && there > 0) copy = sent.held.share(0, there);
    codec().send_body(lease_.stream, sent.held, ends);
    const size_t gone = there - sent.held.size();
    if (sent.keeping && sent.kept.size() + gone > sent.most_kept) {
      sent.keeping = false;
      sent.kept.clear();
    } else if (sent.keeping && gone > 0) {
      sent.kept.append(copy.take(gone));
      sent.kept.settle();  // small pieces, each in a block of its own
    }
    if (!sent.held.empty()) return;
    request_ended_ = ends;
  }
  if (sent.ended && sent.trailers && !request_ended_) {
    request_ended_ = true;
    codec().send_trailers(lease_.stream, *sent.trailers);
  }
}

// --- what the endpoint says ----------------------------------------------------------------------------------------

void Attempt::on_interim() { owner_->on_interim(*this, response_); }

void Attempt::on_head(bool end) {
  headed_ = true;
  headed_at_ = net::Loop::clock();
  state_ = end ? State::Ended : State::Headed;
  body.ended = end;
  if (const auto keep_alive = response_.headers.value(http::HeaderId::KeepAlive); !keep_alive.empty())
    pool_->learn(lease_, keep_alive);
  if (response_.headers.has_any(http::set_of(http::HeaderId::XOutriderLoad))) {
    told_load_ = response_.headers.value(http::HeaderId::XOutriderLoad);
    response_.headers.remove(http::HeaderId::XOutriderLoad);
  }
  if (seat_->on_trial) cluster_->on_answer(*seat_, said(response_, nullptr));
  if (end) limit_.cancel();
  owner_->on_attempt(*this);
}

void Attempt::on_body(Buffer&& data, bool end) {
  body.held.append(std::move(data));
  if (end) {
    body.ended = true;
    state_ = State::Ended;
    limit_.cancel();
  }
  owner_->on_attempt(*this);
}

void Attempt::on_trailers(http::HeaderMap& trailers) {
  body.trailers = &trailers;
  body.ended = true;
  state_ = State::Ended;
  limit_.cancel();
  owner_->on_attempt(*this);
}

void Attempt::on_sendable() { owner_->on_attempt(*this); }

// Closed before the first byte of an answer: on a connection that had served before that is most likely the server's
// idle timeout, and it never saw the request (RFC 9112 9.3.1). The other idle ones are then as old as this one.
void Attempt::on_reset(const Error& why) {
  Error error = why;
  error.side = Side::Upstream;
  const bool silent = !headed_ && lease_.connection->bytes_in() == bytes_before_;
  const bool stale = silent || (!headed_ && why.retry == Retry::IfReused);  // the codec knows what came was no answer
  if (why.code == Code::Closed) error.retry = stale ? Retry::IfReused : Retry::No;
  else if (error.retry != Retry::IfReused || !silent) error.retry = Retry::No;
  if (why.retry == Retry::Yes) error.retry = Retry::Yes;  // h2: the peer says it has not looked at it
  if (error.retry == Retry::IfReused && lease_.reused) pool_->drop_idle();
  fail(error);
}

void Attempt::time_out() {
  if (state_ == State::Open && request_ended_) on_limit();
}

void Attempt::on_no_lease(const Error& why) {
  pool_ = nullptr;
  fail(why);
}

void Attempt::on_limit() {
  release(Pool::After::Cut);
  fail(kLimit);
}

// --- the end of it -------------------------------------------------------------------------------------------------

// A stale connection and a limit of our own are no fault of the endpoint's, nor is that it was not asked in full.
void Attempt::fail(const Error& why) {
  const bool blameless = why.side == Side::Local || why.code == Code::NoEndpoint || why.code == Code::Denied ||
                         (why.retry == Retry::IfReused && lease_.reused) || (&why == &kLimit && !request_ended_);
  state_ = State::Failed;
  failed_at_ = net::Loop::clock();
  error_ = why;
  limit_.cancel();
  settle(blameless ? Outcome::Kind::Cancelled : Outcome::Kind::Failed, &why);
  owner_->on_attempt(*this);
}

void Attempt::settle(Outcome::Kind kind, const Error* failure, uint16_t status) {
  if (!std::exchange(counted_, false)) return;
  cluster_->leave(cluster_->limits().requests, cluster_->plan().max_requests, cluster_->stats().breaker_requests);
  Outcome outcome{.kind = kind, .status = status};
  if (headed_) outcome.first_byte_us = microseconds(opened_at_, headed_at_);
  else if (kind == Outcome::Kind::Outrun) outcome.first_byte_us = microseconds(opened_at_, net::Loop::clock());
  LoadReport load;
  if (headed_ && cluster_->plan().reads_load) {
    load = read_load(response_.headers);
    if (!load.any() && body.trailers) load = read_load(*body.trailers);
    if (!load.any()) load = parse_load_text(told_load_);
    outcome.load = &load;
  }
  cluster_->report(*seat_, outcome, failure);
}

void Attempt::release(Pool::After after) {
  if (!pool_) return;
  Pool& pool = *std::exchange(pool_, nullptr);
  pool.leave(*this);
  const Lease lease = std::exchange(lease_, {});
  if (!lease.held) return;
  http::Codec& codec = lease.connection->codec();
  if (after == Pool::After::Cut) codec.reset(lease.stream, http::Reset::Cancelled);
  codec.detach(lease.stream);
  if (after == Pool::After::Keep && !codec.reusable()) after = Pool::After::Close;
  pool.give_back(lease, after);
}

// An answer that says "not now" or "I am broken" is no quick answer, or the balancer would send ever more there.
void Attempt::finish() {
  if (state_ == State::Idle || state_ == State::Failed) return cancel();
  limit_.cancel();
  const uint16_t status = protocol_ == Protocol::Raw ? uint16_t(0) : said(response_, body.trailers);
  settle(status >= 500 || status == 429 ? Outcome::Kind::Failed : Outcome::Kind::Ok, nullptr, status);
  release(state_ == State::Ended && request_ended_ ? Pool::After::Keep : Pool::After::Close);
}

void Attempt::lose() {
  if (state_ == State::Open && request_ended_) settle(Outcome::Kind::Outrun, nullptr);
  cancel();
}

void Attempt::cancel() {
  limit_.cancel();
  settle(Outcome::Kind::Cancelled, nullptr);
  release(Pool::After::Cut);
  if (state_ == State::Idle || state_ == State::Failed) return;
  state_ = State::Failed;
  failed_at_ = net::Loop::clock();
  error_ = kCanceled;
}

void Attempt::recycle(Attempt* attempt) {
  attempt->cancel();
  attempt->reset_for_reuse();
  auto& free = attempt->home_.free_;
  if (free.size() < kKept) free.push_back(attempt);
  else delete attempt;
}

void Attempt::reset_for_reuse() {
  body.clear();
  response_.clear();
  arena_.reset();
  owner_ = nullptr;
  cluster_ = nullptr;
  seat_ = {};
  state_ = State::Idle;
  headed_ = request_sent_ = request_ended_ = was_reused_ = false;
  resend_ = resent_ = 0;
  error_ = {};
  told_load_ = {};
  began_at_ = queued_at_ = opened_at_ = headed_at_ = failed_at_ = {};
}

AttemptPool::~AttemptPool() {
  for (Attempt* attempt : free_) delete attempt;
}

Ref<Attempt> AttemptPool::take() {
  if (free_.empty()) return Ref(new Attempt(loop_, *this));
  Attempt* attempt = free_.back();
  free_.pop_back();
  return Ref(attempt);
}

}  // namespace outrider::upstream
