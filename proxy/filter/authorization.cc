#include "filter/authorization.h"

#include <algorithm>
#include <optional>

#include "base/path.h"
#include "identity/workload_id.h"

namespace outrider::filter {

namespace {

bool is_about(const Authorization::Rule& rule, std::string_view method, std::string_view path) {
  const auto is_below_it = [&](const std::string& prefix) { return covers_path(prefix, path); };
  return (rule.methods.empty() || std::find(rule.methods.begin(), rule.methods.end(), method) != rule.methods.end()) &&
         (rule.prefixes.empty() || std::any_of(rule.prefixes.begin(), rule.prefixes.end(), is_below_it));
}

}  // namespace

std::string short_name(std::string_view identity, std::string_view home) {
  const auto id = identity::WorkloadId::parse(identity);
  if (!id || id->trust_domain() != home) return std::string(identity);
  return std::string(id->space()).append("/").append(id->account());
}

// What a TCP connection will carry nobody knows: who may not ask for something gets none, who may ask for something alone
// neither.
Authorization::Verdict Authorization::judge(std::string_view identity, std::string_view method, std::string_view path) const {
  const bool tcp = method.empty();
  const auto id = identity::WorkloadId::parse(identity);
  const auto is_of = [&](const Rule& rule) {
    return std::any_of(rule.from.begin(), rule.from.end(),
                       [&](const std::string& pattern) { return id && identity::matches(pattern, *id, home); });
  };
  for (const Rule& rule : deny)
    if ((tcp || is_about(rule, method, path)) && is_of(rule)) return {false, rule.name};
  for (const Rule& rule : allow)
    if (is_about(rule, method, path) && is_of(rule)) return {true, rule.name};
  return {!allow_list, "default"};
}

}  // namespace outrider::filter
