#include "upstream/cluster.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "base/log.h"
#include "stats/names.h"
#include "upstream/balance/rows.h"
#include "upstream/departed.h"
#include "upstream/pool.h"
#include "upstream/tiers.h"

namespace outrider::upstream {

namespace names = stats::names;

namespace {

constexpr uint32_t kWhole = 100;  // hundredths of a weight
constexpr uint32_t kMaxWeight = 1'000'000;
constexpr double kSlowStartFrom = 0.1;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

bool takes_requests(const Seat& seat) { return !seat.member.facts->draining && seat.member.facts->weight > 0; }

bool is_of(const std::string& version, const discovery::Instance& instance) {
  const auto says_so = [&](const auto& label) { return label.first == "version" && label.second == version; };
  return instance.version == version || std::any_of(instance.labels.begin(), instance.labels.end(), says_so);
}

Health health_of(const Seat& seat) { return seat.member.endpoint->health.load(std::memory_order_relaxed); }

}  // namespace

ClusterStats::ClusterStats(stats::Catalog& catalog, std::string_view label) {
  const std::string cluster(label);
  const auto one = [&](const stats::Name& name) { return catalog.slot(name, {{"cluster", cluster}}); };
  const auto failed = [&](const char* reason) {
    return catalog.slot(names::kClusterConnectFailures, {{"cluster", cluster}, {"reason", reason}});
  };
  const auto breaker = [&](const char* limit) {
    return catalog.slot(names::kClusterBreakerOpen, {{"cluster", cluster}, {"limit", limit}});
  };
  connections_active = one(names::kClusterConnectionsActive);
  connect_refused = failed("refused");
  connect_timeout = failed("timeout");
  connect_unreachable = failed("unreachable");
  connect_closed = failed("closed");
  connect_tls = failed("tls");
  connect_overload = failed("overload");
  pending = one(names::kClusterPending);
  panic = one(names::kClusterPanic);
  constexpr std::array<const char*, 3> kLocalities{"unknown", "local", "other"};
  for (size_t i = 0; i < picks.size(); ++i)
    picks[i] = catalog.slot(names::kClusterPicks, {{"cluster", cluster}, {"locality", kLocalities[i]}});
  breaker_connections = breaker("connections");
  breaker_pending = breaker("pending");
  breaker_requests = breaker("requests");
}

Seat::Seat(Member m) : member(std::move(m)) {}

Seat::~Seat() = default;

// Nobody holds it: no stream and no waiter is left in its pool. The pool may be further up the stack.
void Seat::recycle(Seat* seat) {
  if (!seat->pool) {
    delete seat;
    return;
  }
  net::Loop& loop = seat->pool->loop();
  seat->pool->cut();
  Departed<Seat>::bury(loop, seat);
}

Cluster::Cluster(const Context& context, std::shared_ptr<const ClusterPlan> plan, std::shared_ptr<Limits> limits)
    : context_(context), plan_(std::move(plan)), limits_(std::move(limits)), stats_(context.catalog, label()),
      balancer_(make_balancer(*plan_, context.loop.random())), aperture_(plan_->subset_size, context.loop.random().next()) {
  if (!balancer_) balancer_ = balance::make_round_robin(*plan_, context.loop.random());
  limits_->clusters.fetch_add(1, std::memory_order_relaxed);
  if (plan_->admission.any() || plan_->admission.slots > 0)
    admission_ = std::make_unique<Admission>(context_, plan_->admission, *limits_);
}

Cluster::~Cluster() {
  seats_.clear();
  destinations_.reset();
  if (panicking_) set_lamp(limits_->panic, false, stats_.panic);
  limits_->clusters.fetch_sub(1, std::memory_order_relaxed);
}

// Its seats go first, so that whatever they retire stands before this in the list of the retired.
void Cluster::recycle(Cluster* cluster) {
  cluster->refresh_due_.cancel();
  cluster->narrow_due_.cancel();
  cluster->admission_.reset();
  cluster->usable_.clear();
  cluster->on_trial_.clear();
  cluster->balancer_->rebuild({});
  cluster->seats_.clear();
  cluster->destinations_.reset();
  Departed<Cluster>::bury(cluster->context_.loop, cluster);
}

void Cluster::adopt(std::shared_ptr<const EndpointSet> set) {
  if (!set) return;
  set_ = std::move(set);
  if (plan_->found && !seen_ && !set_->members.empty()) {
    seen_ = true;
    connect_duration_ = stats::kNowhere;
    stats_ = ClusterStats(context_.catalog, label());  // without endpoints nothing has been counted that must be taken back
  }
  rebuild();
  if (set_->known == Known::NotYet) return;
  IntrusiveList<Place> called;
  called.splice(awaiting_);
  while (Place* place = called.pop_front()) place->on_called();
}

void Cluster::await_set(Place& place) {
  if (!place.linked()) awaiting_.push_back(place);
}

// Survivors keep their seats, with pools and averages; the facts about them are replaced.
void Cluster::rebuild() {
  std::unordered_map<const Endpoint*, Ref<Seat>> before;
  for (auto& seat : seats_) before.emplace(seat->member.endpoint.get(), seat);
  std::vector<Ref<Seat>> seats;
  seats.reserve(set_->members.size());
  for (const Member& member : set_->members) {
    if (!plan_->version.empty() && !is_of(plan_->version, *member.facts)) continue;
    if (!has_labels(*member.facts, plan_->require)) continue;
    const auto survivor = before.find(member.endpoint.get());
    if (survivor == before.end()) {
      seats.emplace_back(new Seat(member));
      seats.back()->lot = aperture_.lot_of(*member.endpoint);
      continue;
    }
    seats.push_back(std::move(survivor->second));
    seats.back()->member = member;
    before.erase(survivor);
  }
  seats_.swap(seats);
  const Tiers tiers(*plan_);
  for (auto& seat : seats_) {
    seat->rank = tiers.rank_of(*seat->member.facts);
    seat->locality = uint8_t(locality_of(*plan_, *seat->member.facts));
  }
  usable_.clear();
  choose_usable();
  balancer_->rebuild(usable_);
  for (auto& [endpoint, seat] : before)
    if (seat->pool) seat->pool->drain();  // exchanges may still hold it
}

void Cluster::refresh() {
  if (choose_usable()) balancer_->rebuild(usable_);
}

void Cluster::review(net::TrustReview& review) {
  for (auto& seat : seats_)
    if (seat->pool) seat->pool->review(review);
}

bool Cluster::choose_usable() {
  const int64_t now = to_ms(net::Loop::wall());
  const bool checked = plan_->health.kind != HealthPlan::Kind::Off;
  const bool detects = plan_->outliers.on;  // else what an earlier configuration ejected is in again
  const auto fit = [&](const Seat& seat) {
    return !(detects && is_out(*seat.member.endpoint, now)) && !(checked && health_of(seat) == Health::Unhealthy);
  };
  Tiers tiers(*plan_);
  size_t taking = 0, fit_count = 0;
  int64_t oldest = kNever;
  for (const auto& seat : seats_) {
    if (!takes_requests(*seat)) continue;
    ++taking;
    oldest = std::min(oldest, seat->member.endpoint->since_ms);
    const bool is_fit = fit(*seat);
    fit_count += is_fit;
    tiers.add(seat->rank, seat->member.facts->weight, is_fit, is_fit && health_of(*seat) == Health::Healthy);
  }
  // What is unknown counts as fit here: the first seconds of a check are no panic. Nor is it one where others stand in.
  const bool enough = tiers.share_out() && tiers.several();
  panicking_ = !enough && double(fit_count) < plan_->panic * double(taking);
  set_lamp(limits_->panic, panicking_, stats_.panic);

  std::vector<Aperture::Candidate> candidates;
  candidates.reserve(taking);
  ramping_ = false;
  on_trial_.clear();
  const int64_t window = plan_->slow_start.count();
  for (const auto& seat : seats_) {
    seat->usable =
        takes_requests(*seat) &&
        (panicking_ || (fit(*seat) && (!checked || !tiers.any_healthy(seat->rank) || health_of(*seat) == Health::Healthy)));
    if (!seat->usable) {
      const bool ill = checked && health_of(*seat) == Health::Unhealthy;
      // A backup stays ejected while those before it are enough: no request goes there to see whether it is well again.
      if (detects && !ill && takes_requests(*seat) && tiers.reached(seat->rank) && is_half_open(*seat->member.endpoint, now))
        on_trial_.push_back(seat.get());
      continue;
    }
    // Who came while the oldest was new itself is as new as all: they share alike.
    const Endpoint& endpoint = *seat->member.endpoint;
    uint32_t weight = std::min(seat->member.facts->weight, kMaxWeight) * kWhole;
    if (const int64_t age = now - endpoint.since_ms; age >= 0 && age < window && endpoint.since_ms - oldest >= window) {
      ramping_ = true;
      weight = std::max(1u, uint32_t(weight * (kSlowStartFrom + (1 - kSlowStartFrom) * double(age) / double(window))));
    }
    candidates.push_back({seat.get(), weight});
  }
  if (tiers.several() && !panicking_) tiers.narrow(candidates);
  aperture_.narrow(candidates);
  std::vector<Seat*> usable;
  usable.reserve(candidates.size());
  bool changed = false;
  for (const auto& [seat, weight] : candidates) {
    changed |= weight != seat->weight;
    seat->weight = weight;
    usable.push_back(seat);
  }
  changed |= usable != usable_;
  usable_.swap(usable);
  arm_refresh(now);
  return changed;
}

// The next moment at which something here changes by itself.
void Cluster::arm_refresh(int64_t now_ms) {
  int64_t due = ramping_ ? now_ms + std::max<int64_t>(plan_->slow_start.count() / 20, 50) : kNever;
  for (const auto& seat : seats_)
    if (is_ejected(*seat->member.endpoint, now_ms))
      due = std::min(due, seat->member.endpoint->ejected_until_ms.load(std::memory_order_relaxed));
  refresh_due_.cancel();
  if (due != kNever) context_.loop.arm(refresh_due_, milliseconds(std::max<int64_t>(due - now_ms, 0) + 1));
}

void Cluster::on_refresh_due() { refresh(); }

void Cluster::widen() {
  aperture_.widen(in_flight_);
  refresh();
  if (!narrow_due_.armed()) context_.loop.arm(narrow_due_, plan_->subset_hold);
}

// What no longer gets requests closes by its idle timeout.
void Cluster::on_narrow_due() {
  if (aperture_.shrink(in_flight_)) refresh();
  if (aperture_.is_widened()) context_.loop.arm(narrow_due_, plan_->subset_hold);
}

Admission* Cluster::counted_admission() {
  if (!admission_ && plan_->admission.counts) admission_ = std::make_unique<Admission>(context_, plan_->admission, *limits_);
  return admission();
}

Ref<Seat> Cluster::pick(Pick what) {
  what.in_flight = in_flight_;
  if (aperture_.is_too_small(in_flight_)) widen();
  Seat* seat = on_trial_.empty() || !what.tried.empty() ? nullptr : take_trial();
  if (!seat) seat = usable_.empty() ? nullptr : balancer_->pick(what);
  if (!seat) return {};
  if (!what.tried.empty() && std::find(what.tried.begin(), what.tried.end(), seat) != what.tried.end())
    if (Seat* const other = last_resort(what.tried)) seat = other;
  seat->member.endpoint->picks.fetch_add(1, std::memory_order_relaxed);
  context_.shard.add(stats_.picks[seat->locality]);
  return Ref<Seat>(seat);
}

Ref<Seat> Cluster::seat_at(const net::Address& to, const net::Address* from) {
  if (!destinations_) {
    const milliseconds idle = plan_->pool.idle_timeout;
    destinations_ = std::make_unique<Destinations>(context_.loop, plan_->max_destinations, idle.count() ? idle : kUsualIdle);
  }
  auto seat = destinations_->find(to, from);
  if (!seat) return seat;
  seat->member.endpoint->picks.fetch_add(1, std::memory_order_relaxed);
  context_.shard.add(stats_.picks[seat->locality]);
  return seat;
}

bool Cluster::begin_retry(const TryPlan& by) {
  if (retries_ >= std::max(double(by.budget_min), by.budget * in_flight_)) return false;
  ++retries_;
  limits_->retries.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void Cluster::end_retry() {
  --retries_;
  limits_->retries.fetch_sub(1, std::memory_order_relaxed);
}

stats::Slot Cluster::connect_duration() {
  if (connect_duration_ == stats::kNowhere)
    connect_duration_ = context_.catalog.slot(names::kClusterConnectDuration, {{"cluster", std::string(label())}});
  return connect_duration_;
}

std::optional<milliseconds> Cluster::usual_first_byte(double quantile, uint32_t least) {
  if (!recent_) recent_ = std::make_unique<RecentLatency>();
  return recent_->quantile(quantile, least, context_.loop.now());
}

Pool& Cluster::pool(Seat& seat) {
  if (!seat.pool) seat.pool = std::make_unique<Pool>(*this, seat.member.endpoint);
  return *seat.pool;
}

void Cluster::begin(Seat& seat) {
  ++in_flight_;
  ++seat.in_flight;
  seat.member.endpoint->in_flight.fetch_add(1, std::memory_order_relaxed);
}

namespace {

// What ended for a reason of our own says nothing of the endpoint.
void note(Answers& answers, const Outcome& outcome, const Error* failure) {
  if (!outcome.judges() || (failure && failure->side == Side::Local)) return;
  if (failure) answers.unanswered();
  else answers.answered(outcome.first_byte_us, outcome.status >= 500);
}

}  // namespace

void Cluster::report(Seat& seat, const Outcome& outcome, const Error* failure) {
  --in_flight_;
  --seat.in_flight;
  seat.member.endpoint->in_flight.fetch_sub(1, std::memory_order_relaxed);
  note(seat.member.endpoint->answers, outcome, failure);
  balancer_->on_done(seat, outcome, context_.loop.now());
  if (recent_ && (outcome.kind == Outcome::Kind::Ok || outcome.kind == Outcome::Kind::Outrun))
    recent_->observe(outcome.first_byte_us, context_.loop.now());
  const bool good = outcome.judges() && !failure && outcome.status < 500;
  if (good && !seat.member.endpoint->suspected.load(std::memory_order_relaxed) && plan_->outliers.success_rate == 0) return;
  if (plan_->outliers.on) judge(seat, outcome, failure);
}

void Cluster::set_lamp(Lamp& lamp, bool on, stats::Slot gauge) {
  if (!lamp.turn(on)) return;
  if (on) context_.shard.add(gauge);
  else context_.shard.sub(gauge);
}

bool Cluster::enter(Breaker& breaker, uint32_t limit, stats::Slot gauge) {
  const bool entered = breaker.tally.enter(limit);
  if (!entered || breaker.open.lit()) set_lamp(breaker.open, breaker.tally.now() >= limit && !entered, gauge);
  return entered;
}

void Cluster::leave(Breaker& breaker, uint32_t limit, stats::Slot gauge) {
  breaker.tally.leave();
  if (breaker.tally.now() < limit) calm(breaker, gauge);
}

void Cluster::calm(Breaker& breaker, stats::Slot gauge) { set_lamp(breaker.open, false, gauge); }

}  // namespace outrider::upstream
