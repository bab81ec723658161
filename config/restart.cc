#include "config/restart.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "config/reader.h"

namespace outrider::config {

namespace {

// Whatever is below these; but for what is below kServed.
constexpr std::string_view kFixed[] = {"mode",
                                       "node",
                                       "service",
                                       "identity",
                                       "registry",
                                       "overload.threads",
                                       "lifecycle.sandbox",
                                       "lifecycle.upgrade",
                                       "lifecycle.pid",
                                       "lifecycle.quit",
                                       "config.history",
                                       "telemetry.metrics",
                                       "telemetry.tracing",
                                       "admin"};
constexpr std::string_view kServed[] = {"service.weight",
                                        "service.health",
                                        "service.concurrency",
                                        "service.admission",
                                        "service.queue",
                                        "service.capacity",
                                        "service.autoscale",
                                        "service.version",
                                        "admin.explain",
                                        "telemetry.tracing.propagate",
                                        "telemetry.tracing.sample",
                                        "telemetry.tracing.sample_errors",
                                        "telemetry.tracing.always",
                                        "telemetry.tracing.trust"};

bool is_below(std::string_view path, std::string_view top) {
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '.');
}

bool is_fixed(std::string_view path) {
  const auto above = [path](std::string_view top) { return is_below(path, top); };
  return std::any_of(std::begin(kFixed), std::end(kFixed), above) && std::none_of(std::begin(kServed), std::end(kServed), above);
}

bool leads_to_fixed(std::string_view path) {
  return path.empty() ||
         std::any_of(std::begin(kFixed), std::end(kFixed), [path](std::string_view top) { return is_below(top, path); });
}

void compare(const Node* before, const Node* after, const std::string& path, std::vector<std::string>& differ) {
  static const Node kNothing;
  const Node& a = before ? *before : kNothing;
  const Node& b = after ? *after : kNothing;
  if (a == b || !(is_fixed(path) || leads_to_fixed(path))) return;
  if (!a.is_map() && !b.is_map()) {
    if (is_fixed(path)) differ.push_back(path);
    return;
  }
  for (const auto& entry : a.entries()) compare(&entry.value, b.find(entry.key), join_path(path, entry.key), differ);
  for (const auto& entry : b.entries())
    if (!a.find(entry.key)) compare(nullptr, &entry.value, join_path(path, entry.key), differ);
}

}  // namespace

std::vector<std::string> needs_restart(const Document& before, const Document& after) {
  std::vector<std::string> differ;
  compare(&before.effective, &after.effective, "", differ);
  return differ;
}

}  // namespace outrider::config
