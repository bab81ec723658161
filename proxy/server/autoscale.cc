#include "server/autoscale.h"

#include <algorithm>
#include <cmath>

#include "stats/names.h"

namespace outrider::server {

namespace names = stats::names;

std::optional<double> utilization_of(const State& state, const stats::Catalog& catalog) {
  if (!state.services || state.local_cluster.empty()) return {};
  const auto group = state.services->all().find(state.local_cluster);
  if (group == state.services->all().end() || !group->second.limits || !group->second.plan) return {};
  const upstream::Limits& limits = *group->second.limits;
  double takes = group->second.plan->admission.slots;
  if (takes == 0) takes = double(catalog.total(names::kServiceConcurrencyLimit));
  if (takes <= 0) return {};
  return (limits.inside.now() + limits.waiting.now()) / takes;
}

Autoscale::Autoscale(net::Loop& control, const State& state, const stats::Catalog& catalog)
    : control_(control), state_(state), catalog_(catalog) {}

void Autoscale::follow() {
  const config::Service& service = state_.document->service;
  const bool known = service.slots > 0 || service.concurrency != config::Service::Concurrency::Off;
  if (!service || !known || !service.autoscale.on) {
    next_.cancel();
    mean_.reset();
  } else if (!next_.armed()) {
    control_.arm(next_, milliseconds(0));
  }
}

double Autoscale::mean(double before, double now, milliseconds since, milliseconds over) {
  return before + (now - before) * (1 - std::exp(-double(since.count()) / double(over.count())));
}

void Autoscale::on_look() {
  const TimePoint now = control_.now();
  if (const auto utilization = utilization_of(state_, catalog_)) {
    const double full = std::min(*utilization, kFullest);
    const auto since = std::chrono::duration_cast<milliseconds>(now - looked_);
    mean_ = mean_ ? mean(*mean_, full, since, state_.document->service.autoscale.over) : full;
    looked_ = now;
  }
  control_.arm(next_, kPace);
}

void Autoscale::add_samples(stats::Samples& samples) const {
  if (!mean_ || !next_.armed()) return;
  const auto& scale = state_.document->service.autoscale;
  samples.add(names::kServiceDesiredReplicas, *mean_ / scale.target);
  samples.add(names::kServiceReplicasLimit, scale.min, {{"limit", "min"}});
  samples.add(names::kServiceReplicasLimit, scale.max, {{"limit", "max"}});
}

}  // namespace outrider::server
