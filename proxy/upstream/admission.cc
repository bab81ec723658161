#include "upstream/admission.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "stats/names.h"
#include "upstream/cluster.h"
#include "upstream/load_report.h"

namespace outrider::upstream {

namespace names = stats::names;

namespace {

constexpr std::array<const char*, kPriorities> kNames{"high", "normal", "low"};
constexpr milliseconds kTick = net::TimerWheel::kTick;

uint64_t microseconds(TimePoint from, TimePoint to) {
  return to <= from ? 0 : uint64_t(std::chrono::duration_cast<std::chrono::microseconds>(to - from).count());
}

}  // namespace

const char* name_of(Priority priority) { return kNames[size_t(priority)]; }

std::optional<Priority> priority_named(std::string_view name) {
  for (size_t i = 0; i < kPriorities; ++i)
    if (equals_ignore_case(name, kNames[i])) return Priority(i);
  return {};
}

Admission::Admission(const Context& context, const AdmissionPlan& plan, Limits& limits)
    : loop_(context.loop), shard_(context.shard), plan_(plan), limits_(limits),
      limit_(plan.limit == AdmissionPlan::Limit::Off ? stats::kNowhere : context.catalog.slot(names::kServiceConcurrencyLimit)),
      wait_(context.catalog.slot(names::kServiceQueueWait)) {
  for (size_t i = 0; i < kPriorities; ++i) depth_[i] = context.catalog.slot(names::kServiceQueueDepth, {{"priority", kNames[i]}});
  if (plan_.limit == AdmissionPlan::Limit::Auto) gradient_.emplace(plan_.number, plan_.timeout);
  if (plan_.success_rate > 0) throttle_.emplace(plan_.success_rate);
  shows_limit_ = gradient_ || (plan_.limit == AdmissionPlan::Limit::Number && limits_.shown.turn(true));
  show_limit();
}

Admission::~Admission() {
  if (!shows_limit_) return;
  shard_.set(limit_, 0);
  if (!gradient_) limits_.shown.turn(false);
}

void Admission::show_limit() {
  if (shows_limit_) shard_.set(limit_, limit());
}

bool Admission::take_room() {
  if (gradient_ && inside_ >= gradient_->limit()) return false;
  if (!limits_.inside.enter(plan_.limit == AdmissionPlan::Limit::Number ? plan_.number : UINT32_MAX)) return false;
  ++inside_;
  return true;
}

bool Admission::let_in(Applicant& who) {
  if (anybody_waits() || !take_room()) return false;
  who.state = Applicant::State::Inside;
  return true;
}

void Admission::queue(Applicant& who, Priority priority) {
  who.priority = priority;
  who.since = loop_.now();
  if (waiting_ >= plan_.max_waiting) {
    Applicant* const other = last_below(priority);
    if (!other) return void(who.state = Applicant::State::TurnedAway);
    unlist(*other);
    other->state = Applicant::State::TurnedAway;
    other->on_turn();
  }
  if (gradient_) gradient_->note_waiting();
  who.state = Applicant::State::Waiting;
  queues_[size_t(priority)].push_back(who);
  limits_.waiting.enter(UINT32_MAX);
  shard_.add(depth_[size_t(priority)]);
  if (waiting_++ == 0) left_ = 0;
  look_again();
}

void Admission::unlist(Applicant& who) {
  who.unlink();
  --waiting_;
  limits_.waiting.leave();
  shard_.sub(depth_[size_t(who.priority)]);
}

void Admission::leave(Applicant& who) {
  const auto before = std::exchange(who.state, Applicant::State::Outside);
  if (before == Applicant::State::Waiting) return unlist(who);
  if (before != Applicant::State::Inside) return;
  limits_.inside.leave();
  --inside_;
  ++left_;
  if (anybody_waits()) loop_.at_end_of_turn(*this);
}

Applicant* Admission::first() {
  for (auto& queue : queues_)
    if (!queue.empty()) return queue.front();
  return nullptr;
}

Applicant* Admission::last_below(Priority priority) {
  for (size_t i = kPriorities; i-- > size_t(priority) + 1;)
    if (!queues_[i].empty()) return queues_[i].back();
  return nullptr;
}

void Admission::serve() {
  while (Applicant* const next = first()) {
    if (!take_room()) return;
    unlist(*next);
    next->state = Applicant::State::Inside;
    shard_.observe(wait_, microseconds(next->since, loop_.now()));
    next->on_turn();
  }
}

void Admission::look_again() {
  if (!look_.armed()) loop_.arm(look_, gradient_ ? std::max(kTick, plan_.timeout / 4) : kTick);
}

void Admission::on_look() {
  if (!anybody_waits()) return;
  if (gradient_) gradient_->note_patience_spent(std::exchange(left_, 0) > 0);
  show_limit();
  serve();
  if (anybody_waits()) look_again();
}

void Admission::sample(uint64_t microseconds) {
  if (!gradient_) return;
  if (anybody_waits()) gradient_->note_waiting();
  if (!gradient_->sample(loop_.now(), microseconds, inside_)) return;
  show_limit();
  if (anybody_waits()) loop_.at_end_of_turn(*this);
}

// Where nobody knows how many it works on at a time, those that wait show at least that it is more than it can do.
LoadReport Admission::load(const Applicant& asking) const {
  const uint32_t all = limits_.inside.now(), inside = all - (asking.state == Applicant::State::Inside);
  LoadReport report;
  report.in_flight = float(inside + limits_.waiting.now());
  if (plan_.slots > 0) report.slots = float(plan_.slots);
  if (plan_.slots > 0) report.utilization = report.in_flight / report.slots;
  else if (report.in_flight > float(inside)) report.utilization = report.in_flight / float(std::max(inside, 1u));
  return report;
}

bool Admission::throttles() { return throttle_ && throttle_->refuses(loop_.now(), loop_.random()); }

void Admission::record(bool accepted) {
  if (throttle_) throttle_->record(loop_.now(), accepted);
}

}  // namespace outrider::upstream
