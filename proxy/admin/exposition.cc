#include "admin/exposition.h"

#include <prometheus/text_serializer.h>
#include <zlib.h>

#include <algorithm>

#include "base/text.h"
#include "http/preference.h"

namespace outrider::admin {

namespace {

// A parameter of a media type; empty: there is none.
std::string_view parameter(std::string_view rest, std::string_view name) {
  while (!rest.empty()) {
    std::string_view value = next_part(rest, ';');
    if (!equals_ignore_case(trim(next_part(value, '=')), name)) continue;
    value = trim(value);
    if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    return value;
  }
  return {};
}

}  // namespace

Format format_for(std::string_view accept) {
  double open = 0, plain = 0;
  while (!accept.empty()) {
    std::string_view parameters = next_part(accept, ',');
    const std::string_view type = trim(next_part(parameters, ';'));
    const double weight = http::weight_of(parameters);
    if (equals_ignore_case(type, "text/plain")) plain = std::max(plain, weight);
    if (!equals_ignore_case(type, "application/openmetrics-text")) continue;
    const std::string_view version = parameter(parameters, "version");
    if (version.empty() || version == "1.0.0") open = std::max(open, weight);
  }
  return open > 0 && open >= plain ? Format::OpenMetrics : Format::Text;
}

bool takes_gzip(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    std::string_view parameters = next_part(accept_encoding, ',');
    if (equals_ignore_case(trim(next_part(parameters, ';')), "gzip")) return http::weight_of(parameters) > 0;
  }
  return false;
}

std::string text_of(const stats::Scrape& scrape, Format format) {
  return format == Format::OpenMetrics ? open_metrics(scrape) : prometheus::TextSerializer().Serialize(scrape.families);
}

// The quickest level: it makes a twentieth of it as it is.
std::string gzip(std::string_view text) {
  constexpr int kWithGzipHeader = 15 + 16;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kWithGzipHeader, 8, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = uInt(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = uInt(packed.size());
  const bool whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  packed.resize(whole ? stream.total_out : 0);
  deflateEnd(&stream);
  return packed;
}

}  // namespace outrider::admin
