// The section `telemetry`: metrics, access log, traces, the program's own log.

#include <algorithm>

#include "config/parse.h"

namespace outrider::config {

namespace {

void read_buckets(Fields& fields, Metrics& m) {
  const Node* value = fields.hand("buckets", "rising list of durations",
                                  "[0.5ms, 1ms, 2.5ms, 5ms, 10ms, 25ms, 50ms, 100ms, 250ms, 500ms, 1s, 2.5s, 5s, 10s, 30s]");
  Node kept = Node::list();
  if (!value) {
    for (microseconds bound : m.buckets) kept.append(Node::scalar(duration_text(bound)));
    return fields.keep("buckets", std::move(kept));
  }
  fields.keep("buckets", *value);
  std::vector<microseconds> bounds;
  for (const Node& item : items_of(*value)) {
    const auto bound = item.is_scalar() ? duration_of(item.text()) : std::nullopt;
    if (!bound || bound->count() == 0)
      return fields.error("buckets", item, "expected a duration with unit, got " + kind_of(item));
    if (!bounds.empty() && *bound <= bounds.back())
      return fields.error("buckets", item, "bounds must rise; " + kind_of(item) + " does not");
    bounds.push_back(*bound);
  }
  if (bounds.empty() || bounds.size() > 60)
    return fields.error("buckets", *value, "expected 1 to 60 bounds, got " + std::to_string(bounds.size()));
  m.buckets = std::move(bounds);
}

// What is said in the log beside the usual fields, or no more.
void read_log_fields(Fields& fields, AccessLog& log) {
  fields.pairs("fields", log.fields);
  for (const auto& [name, from] : log.fields) {
    const Node& at = *fields.given("fields")->find(name);
    const auto path = join_path(fields.path("fields"), name);
    const auto field = [&](std::string_view prefix) {
      return from.starts_with(prefix) && is_token(std::string_view(from).substr(prefix.size()));
    };
    if (!is_token(name)) fields.reading().error(at, path, "expected a name of letters, digits and _");
    else if (!is_off(from) && !from.starts_with('=') && !field("header.") && !field("response_header."))
      fields.reading().error(at, path, "expected header.NAME, response_header.NAME, =TEXT or off, got \"" + from + "\"");
  }
}

void read_access_log(Fields& top, AccessLog& log, const Sources& sources) {
  using Format = AccessLog::Format;
  const Words<Format> words{{"off", Format::Off}, {"json", Format::Json}, {"text", Format::Text}};
  const Node* value = top.given("access_log");
  if (value ? value->is_scalar() : !top.reading().catalog) return top.choice("access_log", log.format, words);
  Fields fields = top.map("access_log");
  if (value) log.format = Format::Json;
  top.also("access_log", "off, json or text");
  fields.choice("format", log.format, words);
  fields.text("to", log.to, "stdout, stderr or file");
  read_log_fields(fields, log);
  const Node* when = fields.hand("when", "options of `match` of the filter tap", "{}");
  if (when && when->size() > 0) {
    fields.keep("when", *when);
    FilterUse use;
    use.name = "tap";
    use.options = Node::map();
    use.options.put("match", *when);
    use.path = fields.path();
    log.when = check_filter(fields.reading(), use, sources, "match") ? *when : Node();
  } else {
    fields.keep("when", Node::map());
  }
  fields.share("sample", log.sample);
  fields.share("sample_errors", log.sample_errors);
}

}  // namespace

void read_telemetry(Fields& top, Document& d, const Sources& sources) {
  Fields fields = top.map("telemetry");
  if (fields.off("metrics", false)) {
    d.metrics.address.clear();
  } else {
    Fields metrics = fields.map("metrics");
    metrics.address("address", d.metrics.address, {}, true);
    metrics.later("path", {"/metrics"});
    metrics.number("max_series", d.metrics.max_series, 500, 1000000);
    if (metrics.off("idle", false)) d.metrics.idle = milliseconds(0);
    else metrics.duration("idle", d.metrics.idle);
    metrics.flag("endpoint_metrics", d.metrics.endpoint_metrics);
    read_buckets(metrics, d.metrics);
  }
  read_access_log(fields, d.access_log, sources);
  read_tracing(fields, d.tracing);
  Fields log = fields.map("log");
  using Level = Log::Level;
  log.choice(
      "level", d.log.level,
      {{"debug", Level::Debug}, {"info", Level::Info}, {"warn", Level::Warn}, {"error", Level::Error}, {"off", Level::Off}});
  log.choice("format", d.log.json, {{"text", false}, {"json", true}});
}

}  // namespace outrider::config
