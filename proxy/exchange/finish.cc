// The end of an exchange: what is counted, logged and given back.

#include "exchange/exchange.h"
#include "exchange/http_session.h"

namespace outrider::exchange {

using http::HeaderId;
using upstream::Attempt;

namespace {

uint64_t microseconds(TimePoint from, TimePoint to) {
  return to <= from ? 0 : uint64_t(std::chrono::duration_cast<std::chrono::microseconds>(to - from).count());
}

const char* name_of(http::Version version) {
  switch (version) {
    case http::Version::Http10: return "HTTP/1.0";
    case http::Version::Http11: break;
    case http::Version::Http2: return "HTTP/2";
  }
  return "HTTP/1.1";
}

// As bytes, the first one first (W3C Trace Context 3.2.2.3).
stats::TraceId id_of(const http::TraceContext& context) {
  stats::TraceId id;
  for (size_t i = 0; i < 8; ++i) {
    id[i] = uint8_t(context.high >> (56 - 8 * i));
    id[8 + i] = uint8_t(context.low >> (56 - 8 * i));
  }
  return id;
}

uint64_t unix_now() {
  return uint64_t(std::chrono::duration_cast<std::chrono::microseconds>(net::Loop::wall().time_since_epoch()).count());
}

}  // namespace

void Exchange::finish() {
  deadline_.cancel();
  wait_limit_.cancel();
  place_.unlink();
  if (fetch_) fetch_->cancel();
  if (waits_) waits_->cancel();
  end_hedge();
  shadows_.for_each([](Shadow& shadow) { shadow.give_up(); });
  if (relaying_) {
    relay_->stop();
    request_bytes_ += relay_->bytes_up();
    response_bytes_ += relay_->bytes_down();
  }
  if (admission_) admission_->leave(turn_);
  chain().run_complete(*this);
  const TimePoint now = net::Loop::clock();
  if (counted_in_) site_.shard.sub(counters_->in_flight);
  if (admission_) note_service_outcome();
  if (!unsaid_) {
    if (doubted_) count_doubted_denial();
    count(now);
    log(now);
    if (trace_) report_trace(now);
    if (site_.taps.watched()) show(now);
    if (site_.decisions && is_noteworthy(now)) remember(now);
  }
  if (auto* last = attempt()) {
    const bool whole = relay_over_ || (last->state() == Attempt::State::Ended && last->request_ended() && !client_gone_);
    whole ? last->finish() : last->cancel();
  }
  if (session_) session_->end(stream_, flag_, client_gone_);
  session_ = nullptr;
  if (std::exchange(spent_, false)) cluster_->end_retry();
  site_.loop.retire(*this);
}

// What the client was told; 0 where there is no status to tell. 499: it left before it was told anything.
uint16_t Exchange::status() const {
  if (raw_) return 0;
  if (tunnel_ && request_.version == http::Version::Http2) return 200;
  return response_sent_ ? response_->status : uint16_t(client_gone_ ? 499 : 0);
}

RequestCounters& Exchange::find_counters() {
  return site_.counters.find(session_->plan().direction, route_ ? std::string_view(route_->name) : "none",
                             cluster_ ? cluster_->label() : std::string_view{});
}

void Exchange::count_in() {
  counters_ = &find_counters();
  counted_in_ = true;
  site_.shard.add(counters_->in_flight);
}

// At the other end of what is inbound is who asked, of everything else who was asked last.
std::string_view Exchange::other_end() const {
  if (session_->plan().inbound) return peer_.identity;
  return tries_ ? std::string_view(tried_[tries_ - 1]->member.endpoint->mutual_identity()) : std::string_view{};
}

void Exchange::count(TimePoint now) {
  if (!counters_) counters_ = &find_counters();
  stats::Shard& shard = site_.shard;
  shard.add(counters_->requests(status(), flag_));
  if (const auto peer = other_end(); !peer.empty()) shard.add(site_.peers.requests(session_->plan().direction, peer, status()));
  if (const auto status = grpc_status()) shard.add(counters_->grpc_responses(*status));
  const uint64_t total = microseconds(started_, now);
  shard.observe(counters_->duration, total);
  const http::TraceContext* const traced = trace();
  if (traced && traced->is_sampled()) shard.leave_exemplar(counters_->duration, total, id_of(*traced), unix_now());
  shard.add(counters_->request_bytes, request_bytes_);
  shard.add(counters_->response_bytes, response_bytes_);
  if (retry_reason_) count_retry(flag_ == Flag::None && !status_to_retry(*attempt()) ? "success" : "failure");
  if (tunnel_) {
    shard.add(counters_->tcp_bytes(true), request_bytes_);
    shard.add(counters_->tcp_bytes(false), response_bytes_);
  }
  if (first_byte_ == TimePoint{}) return;
  shard.observe(counters_->first_byte, microseconds(started_, first_byte_));
  if (traced && traced->is_sampled())
    shard.leave_exemplar(counters_->first_byte, microseconds(started_, first_byte_), id_of(*traced), unix_now());
  if (hedge_) return;  // what was waited for the first of two is not ours
  shard.observe(counters_->overhead, own_time(now));
}

// From arrival until the first endpoint was asked, or a connection to it was waited for, without what somebody else was waited
// for before; and from the answer to the end of ours, where that is one turn: else the endpoint, or the client, was waited for.
uint64_t Exchange::own_time(TimePoint now) const {
  const TimePoint asked = attempts_[0]->asked_at();
  TimePoint::duration own = (asked == TimePoint{} ? first_byte_ : asked) - started_ - waited_;
  if (site_.loop.now() <= first_byte_) own += now - first_byte_;
  return microseconds(TimePoint{}, TimePoint{} + own);
}

// Each further try, once it is known how it ended.
void Exchange::count_retry(const char* result) {
  if (const char* reason = std::exchange(retry_reason_, nullptr)) site_.shard.add(counters_->retries(reason, result));
}

AccessEntry Exchange::entry(TimePoint now) {
  AccessEntry entry;
  entry.start = net::Loop::wall() - (now - started_);
  entry.direction = session_->plan().direction;
  entry.listener = session_->plan().name;
  entry.client = peer_.remote_address;
  entry.peer = peer_.identity;
  std::array<char, net::Address::kMaxIpText> meant_for;
  if (const auto* address = session_->meant_for())
    entry.original_dst = arena_.copy({meant_for.data(), address->write_ip(meant_for.data())});
  entry.protocol = tls_ ? "tls" : raw_ ? "tcp" : name_of(request_.version);
  entry.host = asked_host_.empty() ? request_.authority : asked_host_;
  entry.offered = offered_;
  entry.route = route_ ? std::string_view(route_->name) : "";
  entry.cluster = cluster_name_;
  entry.endpoint = tries_ ? std::string_view(tried_[tries_ - 1]->member.endpoint->address) : "";
  if (!raw_) {
    entry.method = request_.method_text;
    entry.path = asked_path_.empty() ? request_.path : asked_path_;
    entry.request_id = request_.headers.value(HeaderId::XRequestId);
    entry.user_agent = request_.headers.value(HeaderId::UserAgent);
    entry.status = status();
    entry.grpc_status = grpc_status();
  }
  if (trace_) entry.trace_id = http::write_trace_id(trace_->context, arena_);
  entry.flag = name_of(flag_);
  entry.reason = reason_;
  entry.tries = tries_;
  entry.request_bytes = request_bytes_;
  entry.response_bytes = response_bytes_;
  entry.duration_us = microseconds(started_, now);
  entry.first_byte_us = first_byte_ == TimePoint{} ? 0 : microseconds(started_, first_byte_);
  return entry;
}

void Exchange::log(TimePoint now) {
  const AccessLogPlan* const plan = site_.access_log.plan();
  if (!plan || (route_ && !route_->logged)) return;
  const auto grpc = grpc_status();
  const bool error = flag_ != Flag::None || status() >= 500 || (grpc && http::is_grpc_failure(*grpc));
  if (!site_.access_log.drawn(error)) return;
  const AccessEntry logged = entry(now);
  if (plan->when) {
    const std::span<const http::Field> fields = raw_ ? std::span<const http::Field>{} : request_.headers.fields();
    if (!plan->when->of_request({logged.method, logged.host, logged.path, fields})) return;
    Seen seen{logged};
    if (tries_) seen.endpoint = tried_[tries_ - 1]->member.endpoint->mutual_identity();
    if (!plan->when->of_end(ended(seen))) return;
  }
  site_.access_log.write(logged, {raw_ ? nullptr : &request_.headers, response_sent_ ? &response_->headers : nullptr});
}

void Exchange::show(TimePoint now) {
  const AccessEntry shown = entry(now);
  Seen seen{shown};
  if (!raw_) {
    seen.request = tapping_ ? tapped_ : request_.headers.fields();
    if (response_sent_) seen.response = response_->headers.fields();
    seen.upgrade = request_.protocol;
    seen.local = session_->local(arena_);
  }
  if (tries_) seen.endpoint = tried_[tries_ - 1]->member.endpoint->mutual_identity();
  seen.encrypted = peer_.encrypted;
  if (tapping_ && tapping_->match.of_end(ended(seen))) {
    seen.tapped = tapping_->pace.enter(now, tapping_->max);
    if (!seen.tapped) site_.taps.count("limited");
  }
  site_.taps.show(seen);
}

void Exchange::on_retired() { site_.recycle(this); }

void Exchange::reset_for_reuse() {
  relay_.reset();
  for (uint32_t i = 0; i < tries_; ++i) attempts_[i] = {};
  tries_ = 0;
  cluster_ = {};
  trying_ = nullptr;
  admission_ = nullptr;
  serving_ = {};
  route_ = nullptr;
  chain_ = &kNoFilters;
  counters_ = nullptr;
  cluster_name_ = offered_ = asked_path_ = asked_host_ = {};
  request_pipe_.clear();
  answer_pipe_.clear();
  request_.clear();
  answer_.clear();
  response_ = &answer_;
  kept_ = nullptr;
  tapping_ = nullptr;
  trail_ = nullptr;
  trace_ = nullptr;
  arena_.reset();
  phase_ = Phase::Head;
  advancing_ = again_ = raw_ = tls_ = upgrading_ = tunnel_ = committed_ = response_sent_ = response_ended_ = relay_over_ = false;
  grpc_ = grpc_web_ = false;
  own_trailers_ = nullptr;
  grpc_answer_.reset();
  request_frames_.clear();
  client_gone_ = timed_out_ = waited_out_ = relaying_ = counted_in_ = let_in_ = dropped_ = unsaid_ = load_asked_ = by_address_ =
      false;
  retry_reason_ = nullptr;
  seen_ = spent_ = false;
  waits_since_ = {};
  waited_ = {};
  hedge_due_ = racing_ = request_gone_ = go_on_said_ = false;
  hedge_ = nullptr;
  hedge_result_ = nullptr;
  refused_.reset();
  doubted_.reset();
  flag_ = Flag::None;
  reason_ = "";
  last_error_ = {};
  request_bytes_ = response_bytes_ = 0;
  first_byte_ = sent_at_ = {};
}

}  // namespace outrider::exchange
