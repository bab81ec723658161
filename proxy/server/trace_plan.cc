#include "server/trace_plan.h"

#include <algorithm>

#include "base/random.h"

namespace outrider::server {

namespace {

exchange::TracePlan::Format format_of(config::Tracing::Format format) {
  using To = exchange::TracePlan::Format;
  switch (format) {
    case config::Tracing::Format::B3: return To::B3;
    case config::Tracing::Format::B3Multi: return To::B3Multi;
    case config::Tracing::Format::W3c: break;
  }
  return To::W3c;
}

}  // namespace

std::shared_ptr<const exchange::TracePlan> trace_plan_of(const config::Tracing& tracing, const config::Listener& listener) {
  if (!tracing.on) return nullptr;
  using Trust = config::Tracing::Trust;
  auto plan = std::make_shared<exchange::TracePlan>();
  for (const auto format : tracing.propagate) plan->propagate.push_back(format_of(format));
  const auto writes = [&](exchange::TracePlan::Format format) {
    return std::find(plan->propagate.begin(), plan->propagate.end(), format) != plan->propagate.end();
  };
  plan->w3c = writes(exchange::TracePlan::Format::W3c);
  plan->b3 = writes(exchange::TracePlan::Format::B3);
  plan->b3_multi = writes(exchange::TracePlan::Format::B3Multi);
  plan->sample = tracing.sample;
  plan->sample_errors = tracing.sample_errors;
  plan->trusted =
      tracing.trust == Trust::On || (tracing.trust == Trust::Auto && listener.forwarded != config::Listener::Forwarded::Replace);
  if (tracing.always != "off") plan->always = tracing.always.substr(tracing.always.find('.') + 1);
  plan->always_here = plan->trusted || tracing.always_of_anybody;
  plan->exported = !tracing.otlp.empty();
  plan->salt = random_seed();
  return plan;
}

}  // namespace outrider::server
