// Which requests go on at once, which wait, and which are refused so that others are served.
//
// What counts as under way in the application, and for how long: a request from when it is let in, to the end of its answer where
// the limit is a number, and to the head of it where the limit is learnt; what is behind the head takes as long as whoever reads
// it likes, and a hundred slow readers are no reason to keep anybody out. Streams (WebSocket, events, gRPC, whatever is answered
// before all of it has been sent) always count to the head only, or a few that stay open for hours would be all there is room
// for. TCP is never counted: a connection is no piece of work.
//
// A latency is what the application took from having all of a request until the head of its answer. There is none of a
// request that is still being sent when it is answered, that was tried twice, or whose answer is a failure: failing is quick.

#include "exchange/exchange.h"
#include "exchange/http_session.h"
#include "exchange/trail.h"
#include "upstream/load_report.h"

namespace outrider::exchange {

using http::HeaderId;
using upstream::Applicant;
using upstream::Priority;
using State = Applicant::State;

namespace {

const char* reason_of(Pressure::Cause cause) {
  switch (cause) {
    case Pressure::Cause::Connections: return "overload_connections";
    case Pressure::Cause::LoopLag: return "overload_loop_lag";
    case Pressure::Cause::Memory:
    case Pressure::Cause::Nothing: break;
  }
  return "overload_memory";
}

}  // namespace

Priority Exchange::priority() const {
  if (const auto& field = session_->plan().priority_field; !field.empty() && !raw_)
    if (const auto named = upstream::priority_named(request_.headers.value(field))) return *named;
  return route_->priority;
}

// Whoever is told so comes again, and not at once.
void Exchange::shed(const char* reason) {
  site_.shard.add(site_.sheds.of(name_of(priority()), reason));
  if (!raw_) answer_.headers.set("retry-after", "1");
  fail({Code::Overload, Side::Local, Retry::No, 0, reason});
}

// By the process's own state, whatever the request is for.
bool Exchange::shed_by_pressure() {
  const Pressure& pressure = *site_.pressure;
  if (pressure.level() != Pressure::Level::Refuse && priority() != Priority::Low) return false;
  shed(reason_of(pressure.cause()));
  return true;
}

// False: it waits, for on_turn() or the limit of waiting.
bool Exchange::admit() {
  if (turn_.state == State::Outside) {
    if (admission_->throttles()) return shed("service_throttled"), true;
    if (!admission_->let_in(turn_)) {
      admission_->queue(turn_, priority());
      if (turn_.state == State::Waiting) {
        site_.loop.arm(wait_limit_, admission_->plan().timeout);
        trail().queued = site_.loop.now();
      }
    }
  }
  if (turn_.state == State::TurnedAway) return shed("service_queue_full"), true;
  if (turn_.state == State::Waiting) {
    if (!waited_out_) return false;
    return shed("service_queue_timeout"), true;
  }
  wait_limit_.cancel();
  if (trail_ && trail_->queued != TimePoint{}) trail_->let_in = site_.loop.now();
  waited_out_ = false;
  let_in_ = true;
  phase_ = Phase::Discover;
  return true;
}

void Exchange::note_service_answer() {
  const http::HeaderMap& fields = response_->headers;
  const bool whole = sent_at_ != TimePoint{}, failed = response_->status >= 500 || (grpc_ && http::grpc_status_in(fields));
  if (whole && tries_ == 1 && !failed) {
    const auto took = attempt()->headed_at() - std::max(sent_at_, attempt()->opened_at());
    admission_->sample(uint64_t(std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(took).count())));
  }
  const bool learnt = admission_->plan().limit == upstream::AdmissionPlan::Limit::Auto;
  if (learnt || tunnel_ || grpc_ || !whole || fields.value(HeaderId::ContentType).starts_with("text/event-stream"))
    admission_->leave(turn_);
}

// Its failure, not its client's.
void Exchange::note_service_outcome() {
  if (!let_in_ || client_gone_ || admission_->plan().success_rate == 0) return;
  const auto grpc = grpc_status();
  const bool failed = status() >= 500 || flag_ == Flag::UpstreamReset || flag_ == Flag::UpstreamProtocol ||
                      (grpc && http::is_grpc_failure(*grpc));
  admission_->record(!failed);
}

// --- how busy the application is, from its sidecar to the one that asks ----------------------------------------------

void Exchange::ask_for_load() {
  own().add({.id = HeaderId::XOutriderLoad, .clean = true, .name = "x-outrider-load", .value = upstream::kLoadAsked});
}

// In whatever the answer is: a refusal shows best that there is no room.
void Exchange::tell_load() {
  http::HeaderMap& fields = response().headers;
  fields.set_view(HeaderId::XOutriderLoad, upstream::write_load(admission_->load(turn_), fields.arena()));
}

}  // namespace outrider::exchange
