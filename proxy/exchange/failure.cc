// The two tables that turn an error into a decision; nothing else in the tree does.

#include <utility>

#include "exchange/exchange.h"
#include "exchange/http_session.h"
#include "exchange/trail.h"

namespace outrider::exchange {

using upstream::Attempt;

namespace {

constexpr Error kNobodyElse{Code::NoEndpoint, Side::Upstream, Retry::No, 0, "no_endpoint"};  // to be asked once more

struct Verdict {
  uint16_t status;
  Flag flag;
};

Verdict verdict_on_timeout(const Error& why) {
  if (why.retry == Retry::Yes) return {504, Flag::ConnectTimeout};
  if (why.os_error != 0) return {504, Flag::UpstreamReset};  // its host answers no more
  const uint16_t status = why.side == Side::Downstream ? 408 : 504;
  const std::string_view limit = why.what;
  return {status, limit == kStreamIdle || limit == kTunnelIdle ? Flag::IdleTimeout : Flag::RequestTimeout};
}

// What a client is told. By code, except where the error names its own status.
Verdict verdict_on(const Error& why) {
  switch (why.code) {
    case Code::NoRoute: return {404, Flag::NoRoute};
    case Code::NoEndpoint: return {503, Flag::NoEndpoint};
    case Code::Overload: return {503, Flag::Overload};
    case Code::Refused:
    case Code::Unreachable: return {502, Flag::ConnectFailure};
    case Code::Closed: return {502, Flag::UpstreamReset};
    case Code::Tls: return {502, Flag::ConnectFailure};
    case Code::Timeout: return verdict_on_timeout(why);
    case Code::TooLarge: return {uint16_t(why.side == Side::Upstream ? 502 : 413), Flag::TooLarge};
    case Code::Protocol: return why.side == Side::Upstream ? Verdict{502, Flag::UpstreamProtocol} : Verdict{400, Flag::Malformed};
    case Code::Denied: return {403, Flag::Denied};
    case Code::Canceled:
    case Code::Internal:
      if (why.side == Side::Upstream) return {502, Flag::UpstreamReset};
      break;
    case Code::Config: break;
  }
  return {500, Flag::Internal};
}

// The same for gRPC: by that status, but where one status stands for different things.
http::GrpcStatus grpc_status_for(const Error& why, uint16_t status) {
  switch (why.code) {
    case Code::Timeout:
      return why.retry == Retry::Yes || why.os_error != 0 ? http::GrpcStatus::Unavailable : http::GrpcStatus::DeadlineExceeded;
    case Code::TooLarge: return http::GrpcStatus::ResourceExhausted;
    case Code::Protocol:
    case Code::Internal: return http::GrpcStatus::Internal;
    case Code::Canceled: return http::GrpcStatus::Cancelled;
    default: return http::grpc_status_of(status);
  }
}

bool is_listed(const std::bitset<200>& statuses, uint16_t status) {
  return status >= 400 && status < 600 && statuses[status - 400];
}

}  // namespace

// A body that was let go, or a method whose second run could do harm, is not sent twice (RFC 9110 9.2.2).
bool Exchange::repeatable() const {
  const Attempt& last = *attempts_[tries_ - 1];
  return request_pipe_.keeping || !last.request_sent();
}

// What a call is told that has failed, where that is a status the configuration lists: by the endpoint, in a head that is all
// there is, or by us. An endpoint that wants the next try later, or none (grpc-retry-pushback-ms), is not asked again.
std::optional<http::GrpcStatus> Exchange::status_to_retry(Attempt& last) {
  const uint32_t listed = trying_->grpc;
  if (!grpc_ || listed == 0) return {};
  std::optional<http::GrpcStatus> status;
  if (last.state() != Attempt::State::Failed) {
    const http::HeaderMap& fields = last.response().headers;
    if (const auto pushback = fields.find("grpc-retry-pushback-ms"); pushback && pushback->value != "0") return {};
    status = http::grpc_status_in(fields);
    if (!status && last.response().status != 200) status = http::grpc_status_of(last.response().status);
  } else if (last.error().side == Side::Upstream && last.error().code != Code::NoEndpoint) {
    status = grpc_status_for(last.error(), verdict_on(last.error()).status);
  }
  return status && (listed >> unsigned(*status) & 1) ? status : std::nullopt;
}

// By an answer alone, of what may be sent twice.
bool Exchange::is_to_be_repeated(Attempt& answered) {
  return is_listed(trying_->statuses, answered.response().status) || status_to_retry(answered);
}

// Requests that never reached an endpoint go elsewhere at once. What an endpoint may have seen does so when its connection
// closed before the first byte of an answer and a second run does no harm: that is what a killed replica looks like; and where
// the configuration says so of the status of a call.
Exchange::Choice Exchange::choose() {
  if (racing_) race();
  if (racing_) return Choice::Wait;
  Attempt& last = *attempt();
  const bool answered = last.answered();
  if (!answered && last.state() != Attempt::State::Failed) return Choice::Wait;
  const upstream::TryPlan& plan = *trying_;
  const bool may = tries_ - (hedge_ ? 1 : 0) <= plan.retries && repeatable();
  const bool twice = may && (plan.methods & upstream::bit_of(request_.method));  // a second run does no harm
  const bool ours = !others_retry();  // what has been answered, or not in time, whoever came first in the chain sends again
  const auto status = may && ours ? status_to_retry(last) : std::nullopt;
  const bool by_status = answered && twice && ours && !raw_ && !upgrading_ && is_listed(plan.statuses, last.response().status);
  if (answered && !status && !by_status) return Choice::Commit;
  last_error_ = answered ? kNobodyElse : last.error();
  const bool unsent = last_error_.retry == Retry::Yes && !last.request_sent() && plan.connect_failure;
  const bool refused = last_error_.retry == Retry::Yes && last.request_sent() && plan.refused_stream;
  const bool unanswered = last_error_.retry == Retry::IfReused && plan.reset_before_request && (twice || !last.request_sent());
  const bool too_slow = !answered && twice && ours && plan.timeout && last_error_.what == std::string_view(upstream::kTryTimeout);
  // A fresh connection that closes once is a replica's end; twice, it may be what this request does to replicas.
  const bool suspect = unanswered && last.dropped() && std::exchange(dropped_, true);
  if (suspect) trail().not_again = "closed_twice";
  if (!may || suspect || !(unsent || refused || unanswered || too_slow || by_status || status)) return Choice::GiveUp;
  const char* const reason = unsent       ? "connect_failure"
                             : refused    ? "refused_stream"
                             : unanswered ? "reset_before_request"
                             : too_slow   ? "timeout"
                             : by_status  ? "status"
                                          : name_of(*status);
  seen_ = last.request_sent() && !refused;
  if (seen_ && (!may_wait(answered ? &last.response() : nullptr) || !spend_budget(reason)))
    return answered ? Choice::Commit : Choice::GiveUp;
  if (answered) last.finish();
  if (trace_) end_traced(&last);
  count_retry("failure");
  retry_reason_ = trail().again[tries_ - 1] = reason;
  return Choice::Again;
}

// "2/1": the second try, and one more may follow. Each proxy in a chain that retried by itself would multiply what the last
// endpoint has to bear: who is told this leaves it to whoever says so. As the first of them came it goes on to the end.
void Exchange::count_tries_out() {
  const upstream::TryPlan& plan = *trying_;
  const bool by_answer = (plan.methods & upstream::bit_of(request_.method)) != 0 && !upgrading_;
  if (raw_ || tunnel_ || others_retry() || !request_pipe_.keeping || !(by_answer || (grpc_ && plan.grpc))) return;
  const uint32_t most = 1 + plan.retries + (hedging().on ? 1 : 0);
  own().add({.id = http::HeaderId::XOutriderAttempt,
             .clean = true,
             .name = "x-outrider-attempt",
             .value = arena_.concat(std::to_string(tries_), "/", std::to_string(most - tries_))});
}

// Each request spends once, however often it is tried.
bool Exchange::spend() { return spent_ = spent_ || cluster_->begin_retry(*trying_); }

bool Exchange::spend_budget(const char* reason) {
  if (spend()) return true;
  site_.shard.add(counters_->retries(reason, "budget"));
  trail().not_again = "budget";
  return false;
}

// An endpoint that says when it can be asked again, in seconds, is taken at its word: that, or not at all.
bool Exchange::may_wait(const http::ResponseHead* answer) {
  asked_to_wait_ = milliseconds(0);
  const auto after = answer ? parse_number(answer->headers.value("retry-after")) : std::nullopt;
  if (!after) return true;
  asked_to_wait_ = milliseconds(1000 * std::min<uint64_t>(*after, 86400));
  if (asked_to_wait_ <= trying_->backoff_max) return true;
  trail().not_again = "retry_after";
  return false;
}

// What no endpoint has seen goes elsewhere at once. Else "full jitter" (Brooker 2015): a crowd that failed together must not come
// back together.
milliseconds Exchange::backoff() {
  if (!seen_) return milliseconds(0);
  if (asked_to_wait_.count()) return asked_to_wait_;
  const upstream::TryPlan& plan = *trying_;
  const auto most = std::min<int64_t>(plan.backoff_base.count() << std::min(tries_ - 1, 16u), plan.backoff_max.count());
  return milliseconds(most > 0 ? site_.loop.random().below(uint32_t(std::min<int64_t>(most, INT32_MAX)) + 1) : 0);
}

void Exchange::fail(const Error& why) {
  if (phase_ >= Phase::Finish) return;
  const Verdict verdict = verdict_on(why);
  flag_ = verdict.flag;
  reason_ = why.what;
  if (client_gone_) {
    phase_ = Phase::Finish;
    return;
  }
  if (response_sent_) {  // bytes of another answer are out already
    if (end_grpc(grpc_status_for(why, verdict.status))) return;
    downstream().reset(stream_, why.code == Code::Timeout ? http::Reset::Timeout : http::Reset::Internal);
    phase_ = Phase::Finish;
    return;
  }
  if (raw_) {
    // The client may only be slow to ask: its request has rules of its own, and can be answered.
    if (phase_ != Phase::Doubt && session_->presumed()) {
      doubted_ = why;
      phase_ = Phase::Doubt;
      waited_out_ = false;
      site_.loop.arm(wait_limit_,
                     session_->plan().request_headers.count() ? session_->plan().request_headers : milliseconds(10000));
      return;
    }
    if (route_ || why.code == Code::Denied) downstream().reset(stream_, http::Reset::PeerGone);
    else refuse_bytes(why);
    phase_ = Phase::Finish;
    return;
  }
  const uint16_t status = why.status ? why.status : verdict.status;
  grpc_answer_ = grpc_status_for(why, status);
  answer(status, why.what, explain(why));
}

}  // namespace outrider::exchange
