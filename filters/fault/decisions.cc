#include "filters/fault/decisions.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/hash.h"
#include "base/text.h"
#include "config/values.h"

namespace outrider::filters {

namespace {

constexpr double kNormal99 = 2.3263478740408408;  // the 99th percentile of the standard normal distribution
constexpr size_t kMostValues = 1'000'000;

enum Draw : uint64_t { kWhetherDelay, kDelay, kDelayToo, kWhetherAbort, kWhetherReset, kDraws };

}  // namespace

Delay Delay::lognormal(microseconds p50, microseconds p99) {
  return Delay(Kind::Lognormal, p50, std::log(double(p99.count()) / double(p50.count())) / kNormal99);
}

// Normal numbers after Box and Muller (1958).
microseconds Delay::of(double one, double other, const std::vector<microseconds>* values) const {
  switch (kind_) {
    case Kind::Fixed: break;
    case Kind::Measured: return (*values)[std::min(size_t(one * double(values->size())), values->size() - 1)];
    case Kind::Lognormal: {
      const double normal = std::sqrt(-2 * std::log(1 - one)) * std::cos(2 * std::numbers::pi * other);
      const double us = double(median_.count()) * std::exp(sigma_ * normal);
      return microseconds(int64_t(std::min(us, double(kMost.count()))) + 1);
    }
  }
  return median_;
}

identity::Outcome<std::shared_ptr<const std::vector<microseconds>>> read_latencies(std::string_view text) {
  auto values = std::make_shared<std::vector<microseconds>>();
  for (size_t line = 1; !text.empty(); ++line) {
    const std::string_view word = trim(next_part(text, '\n'));
    if (word.empty() || word.front() == '#') continue;
    const auto value = config::duration_of(word);
    if (!value || *value > Delay::kMost || values->size() == kMostValues)
      return identity::Failure{"line " + std::to_string(line) + ": expected a duration of at most 10m, like 12.5ms"};
    values->push_back(*value);
  }
  if (values->empty()) return identity::Failure{"there is no duration in it"};
  return std::shared_ptr<const std::vector<microseconds>>(std::move(values));
}

Decisions::Decisions(const FaultPlan& plan) : plan_(plan), key_(mix(plan.seed + 0x9e3779b97f4a7c15ULL)) {}

double Decisions::draw(uint64_t number, uint64_t of) const {
  return double(mix(key_ + (number * kDraws + of) * 0x9e3779b97f4a7c15ULL) >> 11) * 0x1.0p-53;
}

Decision Decisions::wish(uint64_t number, const std::vector<microseconds>* values) const {
  Decision decision;
  if (plan_.delay && draw(number, kWhetherDelay) < plan_.delayed)
    decision.delay = plan_.delay->of(draw(number, kDelay), draw(number, kDelayToo), values);
  decision.reset = draw(number, kWhetherReset) < plan_.reset;
  decision.abort = !decision.reset && draw(number, kWhetherAbort) < plan_.aborted;
  return decision;
}

Decision Decisions::next(const std::vector<microseconds>* values) {
  const std::lock_guard lock(mutex_);
  const Decision decision = wish(++seen_, values);
  if (!decision.touches()) return decision;
  if (double(touched_ + 1) > plan_.blast_radius * double(seen_)) return {};
  ++touched_;
  return decision;
}

}  // namespace outrider::filters
