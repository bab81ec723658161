#include "filter/ip_rules.h"

namespace outrider::filter {

bool IpRules::add(std::vector<Rule>& rules, const char* kind, std::string_view network) {
  const auto parsed = Network::parse(network);
  if (!parsed) return false;
  rules.push_back({std::string("ip.") + kind + "[" + std::to_string(rules.size()) + "]", *parsed});
  return true;
}

const IpRules::Rule* IpRules::find(const std::vector<Rule>& rules, const IpBytes& ip) {
  for (const Rule& rule : rules)
    if (rule.network.has(ip)) return &rule;
  return nullptr;
}

IpRules::Verdict IpRules::judge(const std::optional<IpBytes>& ip) const {
  if (ip) {
    if (const Rule* rule = find(deny_, *ip)) return {false, rule->name.c_str()};
    if (const Rule* rule = find(allow_, *ip)) return {true, rule->name.c_str()};
  }
  return {allow_.empty(), "ip.default"};
}

}  // namespace outrider::filter
