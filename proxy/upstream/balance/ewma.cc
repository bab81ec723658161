// Of a few choices the one that should answer first: its average latency times what it has to do already.

#include <algorithm>
#include <cmath>

#include "upstream/balance/draw.h"
#include "upstream/balance/latency.h"
#include "upstream/balance/rows.h"

namespace outrider::upstream::balance {

namespace {

constexpr uint32_t kEnough = 8;

// First answers are slow for reasons that pass: a new connection, cold caches. Were they believed, nobody would ask such an
// endpoint again for as long as the average remembers; so until there are enough of them it is as good as any other, and
// then the least one stands for all. A failure counts as a very slow answer, or an endpoint that fails fast would draw all
// requests to itself. What was not asked for long is believed to be slow less and less, so that it is tried again.
class Ewma final : public Balancer {
 public:
  Ewma(const ClusterPlan& plan, Random& random)
      : choices_(std::max(plan.choices, 2u)), decay_(plan.decay), penalty_(plan.failure_penalty), draw_(random) {}

  void rebuild(std::span<Seat* const> usable) override {
    draw_.rebuild(usable);
    double sum = 0;
    for (const Seat* seat : usable) sum += seat->weight;
    mean_weight_ = usable.empty() ? 1 : float(sum / double(usable.size()));
  }

  Seat* pick(const Pick& what) override {
    return draw_.best(choices_, what.tried, [&](const Seat& a, const Seat& b) {
      float latency_a = latency(a, what.now), latency_b = latency(b, what.now);
      if (latency_a <= 0) latency_a = latency_b;  // nothing known of it yet: as good as the other
      if (latency_b <= 0) latency_b = latency_a;
      if (latency_a <= 0) latency_a = latency_b = 1;
      return latency_a * load(a) < latency_b * load(b);
    });
  }

  void on_done(Seat& seat, const Outcome& outcome, TimePoint now) override {
    switch (outcome.kind) {
      case Outcome::Kind::Ok:
      case Outcome::Kind::Outrun: return fold(seat, learnt(seat, outcome.first_byte_us), now, decay_);
      case Outcome::Kind::Failed: seat.answers = kEnough; return fold(seat, uint64_t(penalty_.count()) * 1000, now, decay_);
      case Outcome::Kind::Cancelled: return;
    }
  }

 private:
  static uint64_t learnt(Seat& seat, uint64_t sample_us) {
    if (seat.answers >= kEnough) return sample_us;
    const float least = seat.answers++ > 0 ? seat.latency_us : float(sample_us);
    seat.latency_us = 0;
    return uint64_t(std::min(least, float(sample_us)));
  }
  float latency(const Seat& seat, TimePoint now) const {
    if (seat.answers < kEnough) return 0;
    if (seat.latency_us <= 0 || now <= seat.latency_at || decay_.count() <= 0) return seat.latency_us;
    return seat.latency_us *
           std::exp(-std::chrono::duration<float>(now - seat.latency_at).count() / std::chrono::duration<float>(decay_).count());
  }
  // One more than it has, its weight against the others' counted in.
  float load(const Seat& seat) const {
    return 1 + float(seat.member.endpoint->in_flight.load(std::memory_order_relaxed)) * mean_weight_ / float(seat.weight);
  }
  const uint32_t choices_;
  const milliseconds decay_, penalty_;
  float mean_weight_ = 1;
  Draw draw_;
};

}  // namespace

std::unique_ptr<Balancer> make_ewma(const ClusterPlan& plan, Random& random) { return std::make_unique<Ewma>(plan, random); }

}  // namespace outrider::upstream::balance
