// Outlier detection: who is left out for what it did, for how long, and how it comes back.

#include <algorithm>

#include "base/log.h"
#include "stats/names.h"
#include "upstream/cluster.h"

namespace outrider::upstream {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

void clear_rows(Endpoint& endpoint) {
  for (auto* row : {&endpoint.local_row, &endpoint.gateway_row, &endpoint.server_row}) row->store(0, kRelaxed);
}

bool is_gateway(uint16_t status) { return status >= 502 && status <= 504; }

// What nobody looks at is an answer like any other.
bool is_fault(uint16_t status, const OutlierPlan& plan) {
  return status >= 500 &&
         (plan.consecutive_5xx > 0 || plan.success_rate > 0 || (plan.consecutive_gateway > 0 && is_gateway(status)));
}

int64_t wall_ms() { return to_ms(net::Loop::wall()); }

}  // namespace

// --- what is seen ----------------------------------------------------------------------------------------------------

void Cluster::on_connected(Endpoint& endpoint) {
  if (endpoint.ejections.load(kRelaxed) > 0 && endpoint.ejected_for.load(kRelaxed) == Ejected::ConnectFailure)
    take_back(endpoint);
}

// Once per connection, however many requests have waited for it.
void Cluster::on_connect_failure(Endpoint& endpoint, const Error& why, std::string_view trouble) {
  const bool counts = why.code == Code::Refused || why.code == Code::Unreachable || why.code == Code::Timeout ||
                      why.code == Code::Closed || why.code == Code::Tls;
  if (!counts || !plan_->outliers.on) return;
  const std::string reason = trouble.empty() ? why.what : std::string(why.what) + ": " + std::string(trouble);
  on_fault(endpoint, Ejected::ConnectFailure, endpoint.local_row, plan_->outliers.consecutive_local, reason);
}

// What did not reach the endpoint says nothing of it: its pool has counted the connection that failed.
void Cluster::judge(Seat& seat, const Outcome& outcome, const Error* failure) {
  Endpoint& endpoint = *seat.member.endpoint;
  const OutlierPlan& plan = plan_->outliers;
  const bool unseen = failure && (failure->retry == Retry::Yes || failure->side == Side::Local);
  if (!outcome.judges() || unseen) return leave_trial(seat);
  const bool bad = failure || is_fault(outcome.status, plan);
  if (plan.success_rate > 0) count_answer(endpoint, !bad);
  if (failure) {
    on_fault(endpoint, Ejected::NoAnswer, endpoint.local_row, plan.consecutive_local, failure->what);
  } else if (bad) {
    endpoint.local_row.store(0, kRelaxed);
    const std::string status = std::to_string(outcome.status);
    on_fault(endpoint, Ejected::ServerError, endpoint.server_row, plan.consecutive_5xx, status);
    if (is_gateway(outcome.status))
      on_fault(endpoint, Ejected::GatewayError, endpoint.gateway_row, plan.consecutive_gateway, status);
    else endpoint.gateway_row.store(0, kRelaxed);
  } else if (endpoint.suspected.load(kRelaxed)) {
    clear_rows(endpoint);
    if (is_half_open(endpoint, wall_ms())) take_back(endpoint);
    else endpoint.suspected.store(endpoint.ejections.load(kRelaxed) > 0, kRelaxed);
  }
  leave_trial(seat);
}

// What follows it may take long.
void Cluster::on_answer(Seat& seat, uint16_t status) {
  if (is_fault(status, plan_->outliers)) return;
  seat.on_trial = false;
  take_back(*seat.member.endpoint);
}

// While it is ejected nothing is counted; of who is half-open one fault is enough.
void Cluster::on_fault(Endpoint& endpoint, Ejected why, std::atomic<uint32_t>& row, uint32_t most, std::string_view trouble) {
  const int64_t now = wall_ms();
  if (most == 0 || is_ejected(endpoint, now)) return;
  endpoint.suspected.store(true, kRelaxed);
  if (row.fetch_add(1, kRelaxed) + 1 >= most || is_half_open(endpoint, now)) eject(endpoint, why, trouble);
}

// Judged by the first answer of the next interval, whichever worker it comes to.
void Cluster::count_answer(Endpoint& endpoint, bool good) {
  const OutlierPlan& plan = plan_->outliers;
  const int64_t now = std::chrono::duration_cast<milliseconds>(context_.loop.now().time_since_epoch()).count();
  int64_t end = endpoint.interval_ends_ms.load(kRelaxed);
  if (now >= end && endpoint.interval_ends_ms.compare_exchange_strong(end, now + plan.interval.count(), kRelaxed)) {
    const uint32_t asked = endpoint.asked.exchange(0, kRelaxed), failed = endpoint.failed.exchange(0, kRelaxed);
    const double rate = asked > 0 ? 1 - double(std::min(failed, asked)) / asked : 1;
    if (asked >= plan.min_requests && rate < plan.success_rate && !is_ejected(endpoint, wall_ms()))
      eject(endpoint, Ejected::SuccessRate, std::to_string(int(rate * 100)) + "% of " + std::to_string(asked));
  }
  endpoint.asked.fetch_add(1, kRelaxed);
  if (!good) endpoint.failed.fetch_add(1, kRelaxed);
}

// --- what comes of it ------------------------------------------------------------------------------------------------

// No more than the share that may be; and whoever is the last is not left out for its answers: there is nobody better.
bool Cluster::may_eject(const Endpoint& endpoint, Ejected why, int64_t now_ms) const {
  size_t all = 0, out = 0, others = 0;
  for (const auto& seat : seats_) {
    const Endpoint& each = *seat->member.endpoint;
    if (seat->member.facts->draining || seat->member.facts->weight == 0) continue;
    ++all;
    if (&each == &endpoint) continue;
    const bool ill = plan_->health.kind != HealthPlan::Kind::Off && each.health.load(kRelaxed) == Health::Unhealthy;
    out += is_out(each, now_ms);
    others += !is_out(each, now_ms) && !ill;
  }
  const size_t most = std::max<size_t>(1, size_t(plan_->outliers.max_ejected * double(all)));
  return out < most && (others > 0 || why == Ejected::ConnectFailure);
}

// One outage is met by many: by every request and connection under way, on every worker. The first of them ejects, and
// until that has ended the others change nothing.
void Cluster::eject(Endpoint& endpoint, Ejected why, std::string_view trouble) {
  clear_rows(endpoint);
  const OutlierPlan& plan = plan_->outliers;
  const int64_t now = wall_ms();
  milliseconds length;
  {
    std::lock_guard lock(limits_->ejecting);
    if (is_ejected(endpoint, now) || !may_eject(endpoint, why, now)) return;
    const uint32_t before = endpoint.ejections.load(kRelaxed);
    length =
        std::min(plan.base_ejection * (int64_t(1) << std::min(before, 20u)), std::max(plan.base_ejection, plan.max_ejection));
    endpoint.ejections.store(before + 1, kRelaxed);
    endpoint.ejected_for.store(why, kRelaxed);
    endpoint.ejected_since_ms.store(now, kRelaxed);
    endpoint.ejected_until_ms.store(now + length.count(), kRelaxed);
  }
  endpoint.suspected.store(true, kRelaxed);
  context_.shard.add(
      context_.catalog.slot(stats::names::kClusterEjections, {{"cluster", std::string(label())}, {"reason", name_of(why)}}));
  log::info("endpoint ejected", {{"cluster", plan_->name},
                                 {"endpoint", endpoint.address},
                                 {"why", name_of(why)},
                                 {"reason", trouble},
                                 {"milliseconds", length.count()}});
  tell();
}

void Cluster::take_back(Endpoint& endpoint) {
  {
    std::lock_guard lock(limits_->ejecting);
    clear_rows(endpoint);
    endpoint.suspected.store(false, kRelaxed);
    endpoint.on_trial.store(false, kRelaxed);
    endpoint.ejected_until_ms.store(0, kRelaxed);
    if (endpoint.ejections.exchange(0, kRelaxed) == 0) return;
  }
  log::info("endpoint taken back", {{"cluster", plan_->name}, {"endpoint", endpoint.address}});
  tell();
}

void Cluster::tell() {
  refresh();
  if (ejections) ejections->on_ejected(plan_->name);
}

// --- the way back ----------------------------------------------------------------------------------------------------

// One request of all workers', to show whether it is well again.
Seat* Cluster::take_trial() {
  while (!on_trial_.empty()) {
    Seat* const seat = on_trial_.back();
    on_trial_.pop_back();
    Endpoint& endpoint = *seat->member.endpoint;
    if (!is_half_open(endpoint, wall_ms()) || endpoint.on_trial.exchange(true, kRelaxed)) continue;
    seat->on_trial = true;
    return seat;
  }
  return nullptr;
}

void Cluster::leave_trial(Seat& seat) {
  if (!std::exchange(seat.on_trial, false)) return;
  Endpoint& endpoint = *seat.member.endpoint;
  endpoint.on_trial.store(false, kRelaxed);
  if (is_half_open(endpoint, wall_ms())) tell();
}

// Better one of another tier, or one that is ejected, than one that has just failed this very request.
Seat* Cluster::last_resort(std::span<const Seat* const> tried) {
  Seat* found = nullptr;
  const auto until = [](const Seat& seat) { return seat.member.endpoint->ejected_until_ms.load(kRelaxed); };
  const auto better = [&](const Seat& a, const Seat& b) {
    if (a.usable != b.usable) return a.usable;
    return a.usable ? a.rank < b.rank : until(a) < until(b);
  };
  for (const auto& seat : seats_) {
    if (seat->member.facts->draining || seat->member.facts->weight == 0 ||
        std::find(tried.begin(), tried.end(), seat.get()) != tried.end())
      continue;
    if (!seat->usable && !is_out(*seat->member.endpoint, wall_ms())) continue;
    if (!found || better(*seat, *found)) found = seat.get();
  }
  return found;
}

}  // namespace outrider::upstream
