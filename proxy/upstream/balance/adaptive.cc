// Of several choices the one that should answer first, by what endpoints say of their own load.

#include <algorithm>
#include <cmath>

#include "upstream/balance/draw.h"
#include "upstream/balance/latency.h"
#include "upstream/balance/rows.h"
#include "upstream/load_report.h"

namespace outrider::upstream::balance {

namespace {

constexpr uint32_t kLeastChoices = 8;  // reports make it worth while to look at more; at all, everybody would go to the same one
constexpr float kUnknownSlots = 8;     // of an endpoint of usual weight that does not say
constexpr float kStep = 0.05f;         // of averages, by one answer
constexpr uint32_t kEnough = 8;        // answers to know an endpoint by
// Found by simulation (tests/unit/upstream/adaptive_test.cc): a report counts for the time of some answers; free slots count a
// little; and a queue more than the wait in it, since who joins it makes those behind wait, too.
constexpr float kMemory = 20, kSpread = 0.3f, kDread = 5;
// How busy all are on average when those of low priority begin to make room, and when they do so altogether.
constexpr float kTight = 0.85f, kFull = 0.95f;
constexpr float kPatience = 10;  // times the average is slow, and more is broken: who fails counts as very slow

// An endpoint's answer says how busy it is (load_report.h), with requests of others, whom our own counts cannot show. From then
// on it has what it told of, and what we have sent since; and the older the report, the likelier it is as busy as all are on
// average. With more than it can work on at a time, a request waits for those before it. Who says nothing is judged by our own
// requests alone, as if it had as many slots as others of its weight. How many slots there are is said by reports, or by the
// registration.
//
// Requests of low priority make room where it is tight: to them slow endpoints are as good as quick ones, so that they fill up
// what is free at the slow, and the last room at the quick is left to the others. (Ordering those who wait at one endpoint is its
// sidecar's affair: admission.h. To have them share fewer endpoints is no help: the others are driven to the slow ones then.)
class Adaptive final : public Balancer {
 public:
  Adaptive(const ClusterPlan& plan, Random& random)
      : choices_(std::max(plan.choices, kLeastChoices)), decay_(plan.decay), penalty_(plan.failure_penalty), draw_(random) {}

  void rebuild(std::span<Seat* const> usable) override {
    draw_.rebuild(usable);
    double sum = 0;
    sum_ = reporting_ = 0;
    for (const Seat* seat : usable) {
      sum += seat->weight;
      if (seat->load.utilization < 0) continue;
      sum_ += seat->load.utilization;
      ++reporting_;
    }
    mean_weight_ = usable.empty() ? 1 : float(sum / double(usable.size()));
  }

  Seat* pick(const Pick& what) override {
    const float patience = what.priority == Priority::Low ? tightness() : 0;
    Seat* const chosen = draw_.cheapest(choices_, what.tried, [&](const Seat& seat) { return cost(seat, patience, what.now); });
    if (chosen) ++chosen->load.sent;
    return chosen;
  }

  void on_done(Seat& seat, const Outcome& outcome, TimePoint now) override {
    const bool reports = outcome.load && outcome.load->any();
    if (reports) note(seat, *outcome.load, now);
    if (outcome.kind == Outcome::Kind::Cancelled) return;
    const bool ok = outcome.kind == Outcome::Kind::Ok || outcome.kind == Outcome::Kind::Outrun;
    const uint64_t sample = ok ? outcome.first_byte_us : uint64_t(penalty_.count()) * 1000;
    fold(seat, sample, now, decay_);
    // Without the time it has waited, which the report counts.
    const float served = float(sample) / (ok && reports ? std::max(1.0f, seat.load.utilization) : 1.0f);
    learn(seat.load.service_us, served, seat.answers < kEnough);
    if (ok) learn(service_us_, served, false);
    seat.answers += seat.answers < kEnough;
  }

 private:
  // The first few for the least of them: what makes first answers slow passes, and who was shut out could not show it.
  static void learn(float& mean, float sample, bool first) {
    sample = std::max(sample, 1.0f);
    mean = mean <= 0 ? sample : first ? std::min(mean, sample) : mean + (sample - mean) * kStep;
  }
  void note(Seat& seat, const LoadReport& report, TimePoint now) {
    if (report.slots > 0) seat.load.slots = report.slots;
    reporting_ += seat.load.utilization < 0;
    const float utilization = report.utilization >= 0 ? report.utilization : report.in_flight / slots(seat);
    sum_ += utilization - std::max(seat.load.utilization, 0.0f);
    seat.load.utilization = utilization;
    seat.member.endpoint->load.store(utilization, std::memory_order_relaxed);
    seat.load.at = now;
    seat.load.sent = 0;
  }
  // How many it works on at a time: less, while it starts slowly.
  float slots(const Seat& seat) const {
    const float said = seat.load.slots > 0 ? seat.load.slots : float(seat.member.facts->slots);
    const float weight = float(seat.member.facts->weight) * 100;
    if (said <= 0) return std::max(kUnknownSlots * float(seat.weight) / mean_weight_, 0.1f);
    return std::max(said * (weight > float(seat.weight) ? float(seat.weight) / weight : 1), 0.1f);
  }
  float mean() const { return float(std::max(sum_, 0.0) / std::max(reporting_, 1u)); }
  float tightness() const { return std::clamp((mean() - kTight) / (kFull - kTight), 0.0f, 1.0f); }
  float busy(const Seat& seat, float room, TimePoint now) const {
    if (seat.load.utilization < 0) return float(seat.in_flight) / room;
    const float age = std::chrono::duration<float, std::micro>(now - seat.load.at).count();
    const float memory = kMemory * std::max(seat.load.service_us, 1.0f);
    const float told = mean() + (seat.load.utilization - mean()) * std::exp(-age / memory);
    return std::max(told + float(seat.load.sent) / room, float(seat.in_flight) / room);
  }
  // Who has answered little, or not for long, is as good as the average, or better.
  float service(const Seat& seat, TimePoint now) const {
    const float own = seat.load.service_us, all = std::max(service_us_, 1.0f);
    if (own <= all) return own > 0 ? own : all;
    if (seat.answers < kEnough || now < seat.latency_at) return all;
    const auto age = std::chrono::duration<float>(now - seat.latency_at).count();
    return all + (own - all) * std::exp(-age / std::chrono::duration<float>(decay_).count());
  }
  // `patience`: from 0 to 1, how little it matters that the endpoint is slow.
  float cost(const Seat& seat, float patience, TimePoint now) const {
    const float room = slots(seat);
    const float after = busy(seat, room, now) + 1 / room;
    const float own = service(seat, now), all = std::max(service_us_, 1.0f);
    return (own - std::min(own - all, kPatience * all) * patience) * (1 + kSpread * after + kDread * std::max(0.0f, after - 1));
  }
  const uint32_t choices_;
  const milliseconds decay_, penalty_;
  float mean_weight_ = 1, service_us_ = 0;
  double sum_ = 0;  // of what they have told last
  uint32_t reporting_ = 0;
  Draw draw_;
};

}  // namespace

std::unique_ptr<Balancer> make_adaptive(const ClusterPlan& plan, Random& random) {
  return std::make_unique<Adaptive>(plan, random);
}

}  // namespace outrider::upstream::balance
