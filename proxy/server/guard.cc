#include "server/guard.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "stats/names.h"

namespace outrider::server {

namespace {

constexpr double kChance = 1e-4;
constexpr uint64_t kFewest = 100;            // of each side, for a p99
constexpr uint64_t kLeastGrowthUs = 10'000;  // of a p99
constexpr int kSteps = 12;                   // looks in a window without a change; five times as many after one

Ended minus(Ended later, const Ended& earlier) {
  later.requests -= earlier.requests;
  later.failed -= earlier.failed;
  later.durations.subtract(earlier.durations);
  return later;
}

// The chance of `k` or more of `n`, each of which happens with `p`.
double tail(uint64_t k, uint64_t n, double p) {
  if (double(k) <= double(n) * p) return 1;
  if (p >= 1) return 1;
  if (p <= 0) return 0;
  double term = std::exp(std::lgamma(double(n) + 1) - std::lgamma(double(k) + 1) - std::lgamma(double(n - k) + 1) +
                         double(k) * std::log(p) + double(n - k) * std::log1p(-p));
  double sum = 0;
  for (uint64_t i = k; i <= n && term > sum * 1e-9; ++i) {
    sum += term;
    term *= double(n - i) / double(i + 1) * p / (1 - p);
  }
  return sum;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f%%", share * 100);
  return text;
}

std::string milli(double us) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f ms", us / 1000);
  return text;
}

bool failed(const std::vector<stats::Label>& labels) {
  std::string_view code, flag;
  for (const auto& label : labels) {
    if (label.name == "code") code = label.value;
    if (label.name == "flag") flag = label.value;
  }
  if (code.starts_with('5') || flag == "no_route") return true;
  return code == "other" && flag != "none" && flag != "downstream_gone" && flag != "denied";
}

}  // namespace

std::string worse(const Ended& before, const Ended& after, const config::Upkeep::Guard& limits) {
  if (after.requests == 0) return {};
  // As if one more had come well and one more had failed: who has seen nothing knows nothing.
  const double usual = (double(before.failed) + 1) / (double(before.requests) + 2);
  if (tail(after.failed, after.requests, std::min(1.0, usual + limits.error_rate)) < kChance)
    return std::to_string(after.failed) + " of " + std::to_string(after.requests) + " requests failed (" +
           percent(double(after.failed) / double(after.requests)) + "), before it were " + std::to_string(before.failed) +
           " of " + std::to_string(before.requests);
  if (before.durations.count() < kFewest || after.durations.count() < kFewest) return {};
  const double usual_p99 = before.durations.quantile(0.99);
  const double most = std::max(usual_p99 * limits.p99, usual_p99 + double(kLeastGrowthUs));
  uint64_t slower = 0;
  for (uint32_t i = 0; i < stats::Histogram::kBuckets; ++i)
    if (double(stats::Histogram::lower(i)) > most) slower += after.durations.count(i);
  if (tail(slower, after.durations.count(), 0.01) >= kChance) return {};
  return "p99 is " + milli(after.durations.quantile(0.99)) + ", before it was " + milli(usual_p99);
}

Guard::Guard(net::Loop& control, const stats::Catalog& catalog, GuardEvents& events)
    : control_(control), catalog_(catalog), events_(events) {
  limits_.on = false;
}

milliseconds Guard::step() const { return std::max(milliseconds(5), limits_.window / (watching_ ? 5 * kSteps : kSteps)); }

void Guard::follow(const config::Upkeep::Guard& limits) {
  limits_ = limits;
  if (!limits_.on) {
    stop();
    moments_.clear();
    return next_.cancel();
  }
  if (next_.armed()) return;
  remember();
  control_.arm(next_, step());
}

Ended Guard::total() {
  for (const stats::Series* series : catalog_.series(seen_)) {
    ++seen_;
    const std::string_view name = series->name.name;
    if (name == stats::names::kRequests.name) outcomes_.push_back(series);
    if (name == stats::names::kRequestDuration.name) durations_.push_back(series);
  }
  Ended ended;
  for (const stats::Series* series : outcomes_) {
    const uint64_t n = catalog_.total(*series);
    ended.requests += n;
    if (failed(series->labels)) ended.failed += n;
  }
  for (const stats::Series* series : durations_) ended.durations.merge(catalog_.histogram(*series));
  return ended;
}

void Guard::remember() {
  const TimePoint now = control_.now();
  moments_.push_back({now, total()});
  while (moments_.size() > 1 && moments_[1].at + limits_.window <= now) moments_.pop_front();
}

void Guard::watch() {
  if (!limits_.on) return;
  remember();
  began_ = moments_.back();
  before_ = minus(began_.total, moments_.front().total);
  watching_ = true;
  control_.arm(next_, step());
}

void Guard::stop() { watching_ = false; }

void Guard::on_step() {
  if (!watching_) {
    remember();
    return control_.arm(next_, step());
  }
  const TimePoint now = control_.now();
  const Ended after = minus(total(), began_.total);
  const std::string why = worse(before_, after, limits_);
  if (why.empty() && now < began_.at + limits_.window) return control_.arm(next_, step());
  watching_ = false;
  moments_.clear();  // of two configurations; the next comparison is with what is served now
  remember();
  control_.arm(next_, step());
  why.empty() ? events_.on_passed(after.requests > 0) : events_.on_worse(why);
}

}  // namespace outrider::server
