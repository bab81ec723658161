#include "exchange/router.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace outrider::exchange {

namespace {

constexpr size_t kLongestHost = 255;  // RFC 1035 2.3.4

void add(PathTree& tree, const Rule& rule, uint32_t index) {
  if (rule.prefixes.empty() && rule.paths.empty()) tree.add_prefix("/", index);
  for (const auto& prefix : rule.prefixes) tree.add_prefix(prefix, index);
  for (const auto& path : rule.paths) tree.add_exact(path, index);
}

}  // namespace

Router::Router(std::vector<Rule> rules) {
  for (uint32_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = rules[i];
    if (rule.hosts.empty()) add(any_, rule, i);
    for (const auto& host : rule.hosts) {
      if (host == "*") add(any_, rule, i);
      else if (host.starts_with("*.")) add(suffixes_[to_lower(host).substr(1)], rule, i);
      else add(exact_[to_lower(host)], rule, i);
    }
  }
  routes_.reserve(rules.size());
  for (auto& rule : rules) routes_.push_back(std::move(rule.route));
}

const Route* Router::match(std::string_view host, std::string_view path) const {
  uint32_t best = any_.find(path);
  if ((!exact_.empty() || !suffixes_.empty()) && host.size() <= kLongestHost) {
    std::array<char, kLongestHost> scratch;
    std::transform(host.begin(), host.end(), scratch.begin(), lower);
    std::string_view name(scratch.data(), host.size());
    if (name.ends_with('.')) name.remove_suffix(1);  // a fully qualified name may say so
    if (const auto it = exact_.find(name); it != exact_.end()) best = std::min(best, it->second.find(path));
    for (size_t dot = name.find('.'); !suffixes_.empty() && dot != std::string_view::npos; dot = name.find('.', dot + 1))
      if (const auto it = suffixes_.find(name.substr(dot)); it != suffixes_.end()) best = std::min(best, it->second.find(path));
  }
  return best == PathTree::kNone ? nullptr : &routes_[best];
}

std::string_view without_port(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.find(']', colon) != std::string_view::npos) return authority;
  return authority.substr(0, colon);
}

}  // namespace outrider::exchange
