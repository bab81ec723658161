#include "filters/cors/origins.h"

#include <algorithm>

#include "base/text.h"

namespace outrider::filters {

// A browser writes scheme and host in lower case and leaves the scheme's own port out (RFC 6454 6.1): so must who lists it.
bool Origins::add(std::string_view origin) {
  if (origin == "*") return any_ = true;
  const size_t mark = origin.find("://");
  if (mark == origin.npos || mark == 0 || to_lower(origin) != origin) return false;
  const std::string_view scheme = origin.substr(0, mark + 3), host = origin.substr(mark + 3);
  if (host.empty() || host.find_first_of("/?# ,") != host.npos) return false;
  if (host.starts_with("*.") && host.size() > 2) suffixes_.push_back({std::string(scheme), std::string(host.substr(1))});
  else if (host.find('*') != host.npos) return false;
  else exact_.emplace_back(origin);
  return true;
}

bool Origins::contain(std::string_view origin) const {
  if (any_ || std::find(exact_.begin(), exact_.end(), origin) != exact_.end()) return true;
  return std::any_of(suffixes_.begin(), suffixes_.end(), [&](const Suffix& suffix) {
    return origin.starts_with(suffix.scheme) && origin.size() > suffix.scheme.size() + suffix.rest.size() &&
           origin.ends_with(suffix.rest);
  });
}

}  // namespace outrider::filters
