#pragma once
// A scrape as text: which format is asked for, and how it is packed.

#include <cstdint>
#include <string>
#include <string_view>

#include "stats/collector.h"

namespace outrider::admin {

enum class Format : uint8_t { Text, OpenMetrics };
inline constexpr const char* kFormats[] = {"text/plain; version=0.0.4; charset=utf-8",
                                           "application/openmetrics-text; version=1.0.0; charset=utf-8"};

// By Accept and Accept-Encoding. OpenMetrics where it is asked for by name, and not for less than plain text.
Format format_for(std::string_view accept);
bool takes_gzip(std::string_view accept_encoding);

// The text format is prometheus-cpp's, which has no OpenMetrics: that is ours (open_metrics.cc), with the scrape's marks.
std::string text_of(const stats::Scrape& scrape, Format format);
std::string open_metrics(const stats::Scrape& scrape);
std::string gzip(std::string_view text);  // empty: it did not work

}  // namespace outrider::admin
