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

bool is_any_of(const std::vector<std::string>& patterns, std::string_view identity, std::string_view home) {
  const auto id = identity::WorkloadId::parse(identity);
  return id && std::any_of(patterns.begin(), patterns.end(),
                           [&](const std::string& pattern) { return identity::matches(pattern, *id, home); });
}

// What a TCP connection will carry nobody knows: who may not ask for something gets none, who may ask for something alone
// neither.
Authorization::Verdict Authorization::judge(std::string_view identity, std::string_view method, std::string_view path,
                                            uint16_t asked) const {
  const bool tcp = method.empty();
  if (asked == 0) asked = port;
  const auto is_of = [&](const Rule& rule) {
    return (rule.port == 0 || rule.port == asked) && is_any_of(rule.from, identity, home);
  };
  for (const Rule& rule : deny)
    if ((tcp || is_about(rule, method, path)) && is_of(rule)) return {false, rule.name};
  for (const Rule& rule : allow)
    if (is_about(rule, method, path) && is_of(rule)) return {true, rule.name};
  return {!allow_list, "default"};
}

}  // namespace outrider::filter
