#pragma once
// Prefixes of paths.

#include <string_view>

namespace outrider {

// By whole segments: "/api" and "/api/" alike cover /api, /api/ and /api/x, not /apiary.
inline bool covers_path(std::string_view prefix, std::string_view path) {
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace outrider
