#include "filter/authorization.h"

#include <algorithm>
#include <optional>

#include "identity/workload_id.h"

namespace outrider::filter {

namespace {

// By whole segments: /api is not /apiary.
bool is_below(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || prefix.ends_with('/') || path[prefix.size()] == '/';
}

bool is_about(const Authorization::Rule& rule, std::string_view method, std::string_view path) {
  const auto is_below_it = [&](const std::string& prefix) { return is_below(path, prefix); };
  return (rule.methods.empty() || std::find(rule.methods.begin(), rule.methods.end(), method) != rule.methods.end()) &&
         (rule.prefixes.empty() || std::any_of(rule.prefixes.begin(), rule.prefixes.end(), is_below_it));
}

}  // namespace

Authorization::Verdict Authorization::judge(std::string_view identity, std::string_view method, std::string_view path) const {
  const auto id = identity::WorkloadId::parse(identity);
  const auto find = [&](const std::vector<Rule>& rules) {
    return std::find_if(rules.begin(), rules.end(), [&](const Rule& rule) {
      const auto is_of = [&](const std::string& pattern) { return id && identity::matches(pattern, *id, home); };
      return is_about(rule, method, path) && std::any_of(rule.from.begin(), rule.from.end(), is_of);
    });
  };
  if (const auto rule = find(deny); rule != deny.end()) return {false, rule->name};
  if (const auto rule = find(allow); rule != allow.end()) return {true, rule->name};
  return {!allow_list, "default"};
}

}  // namespace outrider::filter
