#pragma once
// What an endpoint says of its load, with an answer (ORCA: the Open Request Cost Aggregation of xDS).

#include <optional>
#include <string_view>

#include "http/header_map.h"

namespace outrider::upstream {

// Less than 0: not said.
struct LoadReport {
  float utilization = -1;  // 1: as much as it can do; more: it queues. `application_utilization`, else `cpu_utilization`
  float rps = -1;          // requests a second, of all clients
  float in_flight = -1, slots = -1;  // named metrics: requests it has, and how many it works on at a time
  bool any() const { return utilization >= 0 || in_flight >= 0; }
};

// From `endpoint-load-metrics` ("TEXT cpu_utilization=0.3,named_metrics.slots=4", "JSON {...}", "BIN base64") or
// `endpoint-load-metrics-bin` (base64 of xds.data.orca.v3.OrcaLoadReport). What is not understood says nothing.
LoadReport read_load(const http::HeaderMap& fields);
LoadReport parse_load_text(std::string_view text);
LoadReport parse_load_json(std::string_view text);
LoadReport parse_load_message(std::string_view message);

// Between sidecars: x-outrider-load asks for it, and has it in the answer, in the form of the text above. Only by mutual TLS, and
// neither goes any further than from one sidecar to the next. What an application says of itself comes first.
inline constexpr std::string_view kLoadAsked = "1";
std::string_view write_load(const LoadReport& report, Arena& arena);

}  // namespace outrider::upstream
