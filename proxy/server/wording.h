#pragma once
// Numbers, times and places as sentences have them.

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "base/time.h"
#include "filter/chain.h"

namespace outrider::server {

inline std::string time_text(int64_t us) {
  char text[32];
  if (us < 10'000) std::snprintf(text, sizeof text, "%.2f ms", double(us) / 1e3);
  else if (us < 10'000'000) std::snprintf(text, sizeof text, "%.0f ms", double(us) / 1e3);
  else std::snprintf(text, sizeof text, "%.1f s", double(us) / 1e6);
  return text;
}

inline std::string limit_text(milliseconds limit) {  // as it would be written
  const int64_t ms = limit.count();
  if (ms % 1000 || ms == 0) return std::to_string(ms) + "ms";
  return ms % 60'000 ? std::to_string(ms / 1000) + "s" : std::to_string(ms / 60'000) + "m";
}

inline std::string bytes_text(uint64_t bytes) { return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes"); }

inline std::string clock_text(int64_t ms) {  // empty where nobody noted it
  if (ms <= 0) return {};
  const time_t at = ms / 1000;
  tm utc{};
  gmtime_r(&at, &utc);
  char text[32];
  return {text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

inline std::string written_text(const filter::Written& filter) {
  const std::string at = filter.line ? filter.file + ":" + std::to_string(filter.line) : filter.file;
  return filter.name + (at.empty() ? "" : " (" + at + ")");
}

inline std::string in_brackets(const std::string& text) { return text.empty() ? text : " (" + text + ")"; }

// "a, b and c".
template <class Texts>
std::string listed(const Texts& texts, const char* last = " and ") {
  std::string out;
  for (size_t i = 0; i < texts.size(); ++i) out += (i == 0 ? "" : i + 1 < texts.size() ? ", " : last) + std::string(texts[i]);
  return out;
}

}  // namespace outrider::server
