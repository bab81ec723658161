// What is told of requests to those who gather traces.

#include <algorithm>

#include "base/text.h"
#include "config/parse.h"

namespace outrider::config {

namespace {

std::string check_always(std::string& text) {
  if (is_off(text)) return text = "off", "";
  constexpr std::string_view kHeader = "header.";
  return text.starts_with(kHeader) && is_token(std::string_view(text).substr(kHeader.size()))
             ? ""
             : "expected header.NAME or off, got \"" + text + "\"";
}

std::string check_collector(std::string& text) {
  const bool http = text.starts_with("http://"), https = text.starts_with("https://");
  const auto rest = std::string_view(text).substr(http ? 7 : https ? 8 : 0);
  const bool whole = (http || https) && !rest.empty() && rest.front() != '/' && rest.find_first_of(" @#") == rest.npos;
  return whole ? "" : "expected http:// or https://, a host and a port, like http://otel:4318, got \"" + text + "\"";
}

std::string check_service_name(std::string& text) {
  return is_name(text) ? "" : "expected a name of letters, digits and . _ - /, got \"" + text + "\"";
}

void read_propagate(Fields& fields, Tracing& tracing) {
  using Format = Tracing::Format;
  static constexpr std::pair<std::string_view, Format> kWords[] = {
      {"w3c", Format::W3c}, {"b3", Format::B3}, {"b3multi", Format::B3Multi}};
  const Node* value = fields.hand("propagate", "list of w3c, b3, b3multi", "[w3c, b3]");
  if (!value) {
    Node standard = Node::list();
    for (const char* word : {"w3c", "b3"}) standard.append(Node::scalar(word));
    return fields.keep("propagate", std::move(standard));
  }
  fields.keep("propagate", *value);
  tracing.propagate.clear();
  for (const Node& item : items_of(*value)) {
    const auto known = std::find_if(std::begin(kWords), std::end(kWords), [&](const auto& w) { return w.first == item.text(); });
    if (known == std::end(kWords))
      return fields.error(
          "propagate", item,
          "expected w3c, b3 or b3multi, got " + kind_of(item) + did_you_mean(item.text(), {"w3c", "b3", "b3multi"}));
    if (std::count(tracing.propagate.begin(), tracing.propagate.end(), known->second))
      return fields.error("propagate", item, kind_of(item) + " is there twice");
    tracing.propagate.push_back(known->second);
  }
  if (tracing.propagate.empty())
    fields.error("propagate", *value, "empty: expected w3c, b3 or b3multi; tracing: off leaves all fields as they are");
}

}  // namespace

void read_tracing(Fields& telemetry, Tracing& tracing) {
  if (telemetry.off("tracing", !telemetry.given("tracing"))) return;
  Fields fields = telemetry.map("tracing");
  tracing.on = true;
  read_propagate(fields, tracing);
  fields.share("sample", tracing.sample);
  fields.share("sample_errors", tracing.sample_errors);
  fields.text("always", tracing.always, "header.NAME or off", check_always);
  tracing.always_of_anybody = fields.given("always") != nullptr;
  using Trust = Tracing::Trust;
  fields.choice("trust", tracing.trust,
                {{"auto", Trust::Auto}, {"on", Trust::On}, {"off", Trust::Off}, {"true", Trust::On}, {"false", Trust::Off}});
  fields.text("otlp", tracing.otlp, "URL", check_collector);
  fields.text("ca", tracing.ca, "file");
  fields.text("service", tracing.service, "name", check_service_name);
  fields.size("queue", tracing.queue, 64 * 1024, 1 << 30);
  {
    Fields batch = fields.map("batch");
    batch.number("spans", tracing.batch_spans, 1, 100'000);
    batch.size("size", tracing.batch_size, 4 * 1024, 64 << 20);
    batch.duration("delay", tracing.batch_delay, milliseconds(1), std::chrono::minutes(10));
  }
  fields.duration("timeout", tracing.timeout, milliseconds(1), std::chrono::minutes(10));
  fields.number("attempts", tracing.attempts, 1, 1000);
  fields.duration("retry", tracing.retry, milliseconds(1), std::chrono::hours(1));
  fields.duration("flush", tracing.flush, milliseconds(0), std::chrono::minutes(10));
}

}  // namespace outrider::config
