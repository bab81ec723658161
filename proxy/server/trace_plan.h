#pragma once
// telemetry.tracing, as a listener's requests meet it.

#include <memory>

#include "config/document.h"
#include "exchange/trace_plan.h"

namespace outrider::server {

std::shared_ptr<const exchange::TracePlan> trace_plan_of(const config::Tracing& tracing,
                                                         const config::Listener& listener);  // null: off

}  // namespace outrider::server
