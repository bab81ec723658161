#pragma once
// Another path for a request, at its endpoint or where a client is sent.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"

namespace re2 {
class RE2;
}

namespace outrider::exchange {

// At most one of prefix, path and regex; the query stays. Constant; shared by all workers.
struct Rewrite {
  std::string prefix;  // instead of the prefix that matched, the longest of these
  std::vector<std::string> matched;
  std::string path;  // instead of the whole path
  std::shared_ptr<const re2::RE2> regex;
  std::string replacement;  // of every match of it; \1 is its first group
  bool empty() const { return prefix.empty() && path.empty() && !regex; }
  std::string_view target(std::string_view target, Arena& arena) const;  // as it is, where nothing is to be rewritten
};

}  // namespace outrider::exchange
