#include "exchange/rewrite.h"

#include <re2/re2.h>

#include <algorithm>

namespace outrider::exchange {

namespace {

// What stays of a path behind the longest prefix of a rule that it has, segment by segment: empty, or with its '/'.
std::string_view behind_prefix(std::string_view path, const std::vector<std::string>& prefixes) {
  size_t longest = 0;
  for (std::string_view prefix : prefixes) {
    if (prefix.ends_with('/')) prefix.remove_suffix(1);
    const bool has = path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
    if (has) longest = std::max(longest, prefix.size());
  }
  return path.substr(longest);
}

}  // namespace

std::string_view Rewrite::target(std::string_view target, Arena& arena) const {
  const size_t mark = std::min(target.find('?'), target.size());
  const std::string_view asked = target.substr(0, mark), query = target.substr(mark);
  if (!path.empty()) return arena.concat(path, query);
  if (!prefix.empty()) {
    const auto rest = behind_prefix(asked, matched);
    std::string_view instead = prefix;
    if (!rest.empty() && instead.ends_with('/')) instead.remove_suffix(1);
    return arena.concat(instead, rest, query);
  }
  if (!regex) return target;
  std::string text(asked);
  if (re2::RE2::GlobalReplace(&text, *regex, replacement) == 0) return target;
  return arena.concat(text.starts_with('/') ? "" : "/", text, query);
}

}  // namespace outrider::exchange
