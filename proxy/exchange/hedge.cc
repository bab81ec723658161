// A second try beside one that is slow to answer, of requests whose second run does no harm.

#include <algorithm>
#include <utility>

#include "exchange/exchange.h"

namespace outrider::exchange {

using upstream::Attempt;

namespace {

constexpr const char* kUndecided = "undecided";

}  // namespace

// Once a request, and not where somebody in front of us sees to it.
bool Exchange::may_hedge() const {
  return hedging().on && !hedge_result_ && !raw_ && !upgrading_ && request_pipe_.keeping && !others_retry() &&
         (trying_->methods & upstream::bit_of(request_.method));
}

// With too few answers to tell how long they take, this request goes without.
void Exchange::plan_hedge() {
  if (!may_hedge()) return;
  const upstream::HedgePlan& plan = hedging();
  const auto after = plan.after.count() ? plan.after : cluster_->usual_first_byte(plan.quantile, plan.min_requests);
  if (after) site_.loop.arm_precisely(hedge_limit_, std::max(*after, milliseconds(1)));
}

void Exchange::on_hedge_limit() {
  hedge_due_ = true;
  advance();
}

// Two that send one body would take it from each other: the first must have all of it, or there must be none while it waits for a
// connection. Before that it is too early.
void Exchange::hedge() {
  hedge_due_ = false;
  if (!may_hedge()) return;
  const Attempt& first = *attempt();
  const bool whole = request_pipe_.ended && request_pipe_.held.empty();
  if (!whole || !(first.request_ended() || first.state() == Attempt::State::Waiting)) return plan_hedge();
  if (cluster_->usable_count() <= tries_) return tell_hedge("no_other");
  if (!spend()) return tell_hedge("budget");
  if (!start_try()) return tell_hedge("no_other");
  racing_ = true;
  hedge_result_ = kUndecided;
  hedge_ = attempt();
}

// The first good answer wins, and the other try ends at once. What has failed, or would be tried again, leaves it to the other.
void Exchange::race() {
  for (Attempt* each : {rival(), attempt()})
    if (each->answered() && !is_to_be_repeated(*each)) {
      stop_racing(*each)->lose();
      return tell_hedge(each == hedge_ ? "won" : "lost");
    }
  for (Attempt* left : {attempt(), rival()}) {
    Attempt* const other = left == attempt() ? rival() : attempt();
    if (!other->answered() && other->state() != Attempt::State::Failed) continue;
    stop_racing(*left);
    if (other == hedge_) tell_hedge("failed");
    if (other->answered()) other->finish();
    else dropped_ |= other->dropped();
    return;
  }
}

// `left` is the one under way from here on, and attempt(); gives the other.
Attempt* Exchange::stop_racing(Attempt& left) {
  racing_ = false;
  if (&left != attempt()) {
    std::swap(attempts_[tries_ - 1], attempts_[tries_ - 2]);
    std::swap(tried_[tries_ - 1], tried_[tries_ - 2]);
    std::swap(own_[0], own_[1]);
  }
  if (trace_) end_traced(rival());
  return rival();
}

// Nobody is waited for any more. Where the first has failed and left it to the hedge, what is committed to decides.
void Exchange::end_hedge() {
  hedge_limit_.cancel();
  if (racing_) stop_racing(*attempt())->cancel();
  if (hedge_result_ == kUndecided) tell_hedge(!committed_ ? "cut" : attempt() == hedge_ ? "won" : "failed");
}

void Exchange::tell_hedge(const char* result) {
  hedge_result_ = result;
  site_.shard.add(counters_->hedges(result));
}

}  // namespace outrider::exchange
