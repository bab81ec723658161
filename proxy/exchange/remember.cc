// Why an exchange ended as it did, kept for those who ask: made of what is there as it ends, and only where it is worth asking.

#include <algorithm>

#include "base/text.h"
#include "exchange/decisions.h"
#include "exchange/exchange.h"
#include "exchange/http_session.h"
#include "exchange/sanitize.h"
#include "exchange/trail.h"

namespace outrider::exchange {

using http::HeaderId;
using upstream::Attempt;
using Standing = Decision::Standing;

namespace {

constexpr size_t kMostPath = 512, kMostName = 256, kMostMethod = 32;

std::string clipped(std::string_view text, size_t most) {
  text = text.substr(0, most);
  return std::string(text.substr(0, text.size() < most ? most : utf8_prefix(text)));
}

int64_t since(TimePoint begin, TimePoint at) {
  if (at == TimePoint{}) return -1;
  return std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(at - begin).count());
}

Standing standing_of(const upstream::Cluster& cluster, const upstream::Seat& seat, int64_t now_ms) {
  using upstream::Health;
  const upstream::Endpoint& endpoint = *seat.member.endpoint;
  if (cluster.may_pick(seat)) return Standing::Considered;
  if (seat.member.facts->draining || seat.member.facts->weight == 0) return Standing::Draining;
  const auto health = endpoint.health.load(std::memory_order_relaxed);
  if (cluster.plan().health.kind != upstream::HealthPlan::Kind::Off && health == Health::Unhealthy) return Standing::Unhealthy;
  if (cluster.plan().outliers.on && upstream::is_ejected(endpoint, now_ms)) return Standing::Ejected;
  if (cluster.plan().outliers.on && upstream::is_half_open(endpoint, now_ms)) return Standing::HalfOpen;
  if (!seat.usable) return Standing::NotChecked;
  for (const auto& other : cluster.seats())
    if (other->rank < seat.rank && cluster.may_pick(*other)) return Standing::OtherTier;
  return Standing::OtherSubset;
}

// Those that did not come into question are the ones to be told of, where there are many.
void note_candidates(Decision& decision, const upstream::Cluster& cluster, int64_t now_ms) {
  const auto* const set = cluster.set();
  if (!set) return;
  decision.known = set->known;
  decision.trouble = set->trouble;
  decision.known_since_ms = set->since_ms;
  decision.panicking = cluster.panicking();
  decision.excluded = uint32_t(set->members.size() - std::min(set->members.size(), cluster.seats().size()));
  size_t considered = 0;
  for (const auto& seat : cluster.seats()) {
    const Standing standing = standing_of(cluster, *seat, now_ms);
    ++decision.standings[size_t(standing)];
    if (standing == Standing::Considered && ++considered > Decision::kMostCandidates / 2) continue;
    if (decision.candidates.size() >= Decision::kMostCandidates) continue;
    const upstream::Endpoint& endpoint = *seat->member.endpoint;
    const auto state = standing == Standing::Unhealthy                                   ? upstream::EndpointState::Unhealthy
                       : standing == Standing::Ejected || standing == Standing::HalfOpen ? upstream::EndpointState::Ejected
                                                                                         : upstream::EndpointState::Ready;
    decision.candidates.push_back(
        {seat->member, standing, endpoint.ejected_for.load(std::memory_order_relaxed), upstream::since_of(endpoint, state)});
  }
}

}  // namespace

Trail& Exchange::trail() {
  if (!trail_) trail_ = arena_.make<Trail>();
  return *trail_;
}

// Whatever did not go through at once and well. Tunnels and gRPC may go on for days: of them it counts when the answer began.
bool Exchange::is_noteworthy(TimePoint now) {
  if (flag_ != Flag::None || tries_ > 1) return true;
  const bool streams = tunnel_ || grpc_;
  const TimePoint until = streams && first_byte_ != TimePoint{} ? first_byte_ : now;
  if (until - started_ >= site_.decisions->slower()) return true;
  if (const uint16_t told = status(); told >= 500 || (told >= 400 && !committed_)) return true;
  const auto grpc = grpc_status();
  return grpc && http::is_grpc_failure(*grpc);
}

// For who may be given up: why what failed, or was answered so, was not tried again. The first that is true is told.
const char* Exchange::why_not_again(bool answered) const {
  const upstream::TryPlan& plan = *trying_;
  Attempt& last = *attempts_[tries_ - 1];
  const Error& error = last.error();
  if (trail_ && trail_->not_again) return trail_->not_again;
  if (plan.retries == 0) return "retries_off";
  if (tries_ - (hedge_ ? 1 : 0) > plan.retries) return "retries_used_up";
  if (raw_ && last.request_sent()) return "bytes_sent";
  if (answered) {
    const uint16_t told = last.response().status;
    if (!grpc_ && told >= 400 && told < 600 && !plan.statuses[told - 400]) return "status_not_listed";
    if (others_retry()) return "others_retry";
  } else if (error.side == Side::Local) {
    return "own_limit";
  } else if (error.what == std::string_view(upstream::kTryTimeout) && !plan.timeout) {
    return "timeout_not_listed";
  } else if (last.headed()) {
    return "answer_begun";
  }
  const bool once = !(plan.methods & upstream::bit_of(request_.method));
  if (!repeatable()) return "body_not_kept";
  if (once && last.request_sent()) return "not_idempotent";
  if (others_retry()) return "others_retry";
  return "not_listed";
}

void Exchange::note_tries(Decision& decision) {
  decision.tried = tries_;
  if (tries_ == 0) return;
  const uint32_t first = tries_ - std::min<uint32_t>(tries_, Decision::kMostTries);
  for (uint32_t i = first; i < tries_; ++i) {
    Attempt& each = *attempts_[i];
    Decision::Try told;
    told.endpoint = tried_[i]->member.endpoint;
    told.began = since(started_, each.began_at());
    told.opened = since(started_, each.opened_at());
    told.headed = since(started_, each.headed_at());
    told.failed = since(started_, each.failed_at());
    told.reused = each.was_reused();
    told.sent = each.request_sent();
    told.hedge = &each == hedge_;
    if (each.headed() && !raw_) {
      told.status = each.response().status;
      told.grpc_status = http::grpc_status_in(each.response().headers);
    }
    if (each.state() == Attempt::State::Failed) told.error = each.error();
    if (told.error.code == Code::Tls && each.seat()) told.trouble = cluster_->pool(*each.seat()).trouble();
    if (trail_) told.again = trail_->again[i], told.waited = trail_->waited[i];
    decision.attempts.push_back(std::move(told));
  }
  const bool bad = flag_ != Flag::None || status() >= 500;
  const Attempt& last = *attempt();
  const bool upstream = committed_ || last.state() == Attempt::State::Failed;
  if (bad && upstream && trying_ && !client_gone_) decision.not_again = why_not_again(committed_ && last.headed());
  decision.hedge = hedge_result_;
}

void Exchange::note_filters(Decision& decision) {
  decision.filters = chain().all_written();
  if (!trail_) return;
  const auto written = [&](const filter::Filter* filter, const char* name) {
    const auto* const found = chain().written(filter);
    return found ? *found : filter::Written{name ? name : "", "", 0};
  };
  if (trail_->answered_by || trail_->answered_name) decision.answered_by = written(trail_->answered_by, trail_->answered_name);
  if (trail_->waiter) decision.held = {written(trail_->waiter, nullptr), trail_->wait.count()};
  if (trail_->asker) {
    const TimePoint until = trail_->heard == TimePoint{} ? site_.loop.now() : trail_->heard;
    decision.asked = {written(trail_->asker, nullptr), since(trail_->asked, until)};
  }
  for (size_t i = 0; i < std::min(trail_->noted, trail_->notes.size()); ++i)
    decision.notes.push_back({trail_->notes[i].filter, trail_->notes[i].action});
  decision.authorization = trail_->authorization;
  const auto span = [&](TimePoint from, TimePoint to) {
    return from == TimePoint{} ? -1 : since(from, to == TimePoint{} ? site_.loop.now() : to);
  };
  decision.queued = span(trail_->queued, trail_->let_in);
  decision.looked_up = span(trail_->look_up, trail_->looked_up);
}

void Exchange::remember(TimePoint now) {
  const AccessEntry seen = entry(now);
  Decision decision;
  decision.id = clipped(seen.request_id, kMostRequestId);
  if (decision.id.empty()) decision.id = new_request_id(arena_, site_.loop.random());
  decision.snapshot = serving_->snapshot->version;
  decision.digest = serving_->snapshot->digest;
  decision.start = seen.start;
  decision.duration = int64_t(seen.duration_us);
  decision.first_byte = since(started_, first_byte_);
  decision.listener = seen.listener;
  decision.direction = seen.direction;
  decision.protocol = seen.protocol;
  decision.client = seen.client;
  decision.identity = seen.peer;
  if (const auto* const address = session_ ? session_->meant_for() : nullptr) decision.meant_for = address->text();
  decision.encrypted = peer_.encrypted;
  decision.raw = raw_;
  decision.passed_tls = tls_;
  decision.grpc = grpc_;
  decision.tunnel = tunnel_;
  decision.method = clipped(seen.method, kMostMethod);
  decision.host = clipped(seen.host, kMostName);
  decision.path = clipped(seen.path, kMostPath);
  if (route_) {
    decision.route = route_->name;
    decision.file = route_->file;
    decision.line = route_->line;
    using Action = Decision::Action;
    constexpr Action kActions[] = {Action::Cluster, Action::Redirect, Action::Respond};
    decision.action = kActions[size_t(route_->action)];
    decision.limit = limit();
    note_filters(decision);
  } else if (trail_) {
    decision.authorization = trail_->authorization;
  }
  if (cluster_) {
    decision.cluster = clipped(cluster_name_, kMostName);
    decision.plan = cluster_->shared_plan();
    decision.tries = *trying_;
    decision.own_tries = trying_ != &cluster_->plan().tries;
    decision.connections_used_up = cluster_->limits().connections.tally.now() >= cluster_->plan().max_connections;
    note_candidates(decision, *cluster_, to_ms(net::Loop::wall()));
    note_tries(decision);
  }
  decision.client_gone = client_gone_;
  decision.answered = committed_;
  decision.response_begun = response_sent_;
  decision.request_ended = request_pipe_.ended;
  decision.flag = flag_;
  decision.reason = clipped(seen.reason, kMostName);
  decision.status = seen.status;
  decision.grpc_status = seen.grpc_status;
  decision.request_bytes = seen.request_bytes;
  decision.response_bytes = seen.response_bytes;
  site_.decisions->add(std::move(decision));
}

}  // namespace outrider::exchange
