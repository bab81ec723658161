#include "upstream/load_report.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "base/base64.h"
#include "base/protobuf.h"
#include "base/text.h"

namespace outrider::upstream {

namespace {

constexpr size_t kLongest = 4096;  // of a field
constexpr std::string_view kField = "endpoint-load-metrics", kBinaryField = "endpoint-load-metrics-bin";
constexpr std::string_view kNamed = "named_metrics.";

// Collects what the three forms have in common.
class Builder {
 public:
  void put(std::string_view name, double value) {
    if (!std::isfinite(value) || value < 0) return;
    const auto number = float(std::min(value, 1e9));
    if (name == "application_utilization") application_ = number;
    else if (name == "cpu_utilization") cpu_ = number;
    else if (name == "rps_fractional") report_.rps = number;
    else if (name.starts_with(kNamed)) put_named(name.substr(kNamed.size()), number);
  }
  void put_named(std::string_view name, float number) {
    if (name == "in_flight") report_.in_flight = number;
    else if (name == "slots") report_.slots = number;
  }
  LoadReport done() {
    report_.utilization = application_ >= 0 ? application_ : cpu_;
    if (report_.utilization < 0 && report_.in_flight >= 0 && report_.slots > 0)
      report_.utilization = report_.in_flight / report_.slots;
    return report_;
  }

 private:
  LoadReport report_;
  float application_ = -1, cpu_ = -1;
};

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  return wrong == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

LoadReport from_base64(std::string_view text) {
  std::string padded(text);
  while (padded.size() % 4 != 0) padded += '=';  // gRPC leaves it out, others do not
  const auto message = decode_base64(padded, Base64::Padded);
  return message ? parse_load_message(*message) : LoadReport();
}

}  // namespace

LoadReport parse_load_text(std::string_view text) {
  Builder builder;
  while (!text.empty()) {
    const auto part = trim(next_part(text, ','));
    const size_t equals = part.find('=');
    if (equals == part.npos) continue;
    if (const auto value = number_of(trim(part.substr(equals + 1)))) builder.put(trim(part.substr(0, equals)), *value);
  }
  return builder.done();
}

LoadReport parse_load_json(std::string_view text) {
  Builder builder;
  rapidjson::Document json;
  json.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  if (json.HasParseError() || !json.IsObject()) return {};
  const auto name_of = [](const rapidjson::Value& name) { return std::string_view(name.GetString(), name.GetStringLength()); };
  for (const auto& member : json.GetObject()) {
    if (member.value.IsNumber()) builder.put(name_of(member.name), member.value.GetDouble());
    if (!member.value.IsObject() || name_of(member.name) != kNamed.substr(0, kNamed.size() - 1)) continue;
    for (const auto& named : member.value.GetObject())
      if (named.value.IsNumber()) builder.put(std::string(kNamed).append(name_of(named.name)), named.value.GetDouble());
  }
  return builder.done();
}

// Numbers of fields: xds/data/orca/v3/orca_load_report.proto.
LoadReport parse_load_message(std::string_view message) {
  Builder builder;
  const auto as_double = [](const protobuf::Reader::Field& field) { return std::bit_cast<double>(*field.fixed64); };
  protobuf::Reader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == 8) {  // of the map: a key and a value
      protobuf::Reader entry(field->bytes);
      std::string_view key;
      double value = 0;
      while (const auto part = entry.next()) {
        if (part->number == 1) key = part->bytes;
        if (part->number == 2 && part->fixed64) value = as_double(*part);
      }
      builder.put(std::string(kNamed).append(key.substr(0, 64)), value);
    }
    if (!field->fixed64) continue;
    if (field->number == 1) builder.put("cpu_utilization", as_double(*field));
    if (field->number == 6) builder.put("rps_fractional", as_double(*field));
    if (field->number == 9) builder.put("application_utilization", as_double(*field));
  }
  return reader.broken() ? LoadReport() : builder.done();
}

LoadReport read_load(const http::HeaderMap& fields) {
  if (const http::Field* const binary = fields.find(kBinaryField); binary && binary->value.size() <= kLongest)
    return from_base64(binary->value);
  const http::Field* const field = fields.find(kField);
  if (!field || field->value.size() > kLongest) return {};
  const std::string_view text = field->value;
  if (text.starts_with("TEXT ")) return parse_load_text(text.substr(5));
  if (text.starts_with("JSON ")) return parse_load_json(text.substr(5));
  if (text.starts_with("BIN ")) return from_base64(trim(text.substr(4)));
  return {};
}

std::string_view write_load(const LoadReport& report, Arena& arena) {
  constexpr size_t kNumber = 24;
  const std::pair<std::string_view, float> parts[] = {{"application_utilization=", report.utilization},
                                                      {"named_metrics.in_flight=", report.in_flight},
                                                      {"named_metrics.slots=", report.slots}};
  std::array<char, sizeof "application_utilization=,named_metrics.in_flight=,named_metrics.slots=" + std::size(parts) * kNumber>
      text;
  char* end = text.data();
  for (const auto& [name, value] : parts) {
    if (value < 0) continue;
    if (end != text.data()) *end++ = ',';
    end = std::copy(name.begin(), name.end(), end);
    end = std::to_chars(end, end + kNumber, std::min(value, 1e9f), std::chars_format::fixed, 3).ptr;
  }
  return arena.copy({text.data(), size_t(end - text.data())});
}

}  // namespace outrider::upstream
