#include "exchange/router.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace outrider::exchange {

namespace {

constexpr size_t kLongestHost = 255;  // RFC 1035 2.3.4

void add_paths(PathTree& tree, const Rule& rule, uint32_t index) {
  const bool conditional = rule.conditions != nullptr;
  if (rule.prefixes.empty() && rule.paths.empty()) tree.add_prefix("/", index, conditional);
  for (const auto& prefix : rule.prefixes) tree.add_prefix(prefix, index, conditional);
  for (const auto& path : rule.paths) tree.add_exact(path, index, conditional);
}

}  // namespace

void Router::Names::add(const std::vector<std::string>& names, const Rule& rule, uint32_t index) {
  for (const auto& name : names) {
    if (name == "*") add_paths(any, rule, index);
    else if (name.starts_with("*.")) add_paths(suffixes[to_lower(name).substr(1)], rule, index);
    else add_paths(exact[to_lower(name)], rule, index);
  }
}

template <class Accepts>
uint32_t Router::Names::find(std::string_view name, std::string_view path, const Accepts& accepts) const {
  uint32_t best = any.find(path, accepts);
  if ((exact.empty() && suffixes.empty()) || name.size() > kLongestHost) return best;
  std::array<char, kLongestHost> scratch;
  std::transform(name.begin(), name.end(), scratch.begin(), lower);
  name = {scratch.data(), name.size()};
  if (name.ends_with('.')) name.remove_suffix(1);  // a fully qualified name may say so
  if (const auto it = exact.find(name); it != exact.end()) best = std::min(best, it->second.find(path, accepts));
  for (size_t dot = name.find('.'); !suffixes.empty() && dot != std::string_view::npos; dot = name.find('.', dot + 1))
    if (const auto it = suffixes.find(name.substr(dot)); it != suffixes.end())
      best = std::min(best, it->second.find(path, accepts));
  return best;
}

Route::Goal Route::choose(double lot) const {
  for (const Share& share : split)
    if (lot < share.until) return {share.cluster, share.tries.get()};
  return split.empty() ? Goal{cluster, tries.get()} : Goal{split.back().cluster, split.back().tries.get()};
}

std::string_view Redirect::location(const http::RequestHead& asked, bool encrypted, Arena& arena) const {
  const std::string_view there = host.empty() ? asked.authority : std::string_view(host);
  const std::string_view by = !scheme.empty() ? std::string_view(scheme) : encrypted ? "https" : "http";
  // A change of scheme makes a port that was written for the old one wrong.
  const auto authority = (!scheme.empty() && host.empty()) || !port.empty() ? http::without_port(there) : there;
  const bool known = port == (by == "https" ? ":443" : ":80");
  const auto start = arena.concat(by, "://", authority);
  return arena.concat(start, known ? std::string_view() : std::string_view(port), rewrite.target(asked.path, arena));
}

Router::Router(std::vector<Rule> rules) {
  for (uint32_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = rules[i];
    if (rule.any_bytes) bytes_.push_back(i);
    asks_port_ |= rule.conditions && !rule.conditions->ports.empty();
    if (!rule.server_names.empty()) server_names_.add(rule.server_names, rule, i);
    else hosts_.add(rule.hosts.empty() ? std::vector<std::string>{"*"} : rule.hosts, rule, i);
  }
  routes_.reserve(rules.size());
  for (auto& rule : rules) {
    routes_.push_back(std::move(rule.route));
    conditions_.push_back(std::move(rule.conditions));
  }
}

const Route* Router::match(std::string_view host, const Asked& asked) const {
  return at(hosts_.find(host, asked.head.path, [&](uint32_t rule) { return conditions_[rule]->hold(asked, rule); }));
}

const Route* Router::match_tls(std::string_view server_name, const Asked& asked) const {
  return at(std::min(server_names_.find(server_name, "/", [](uint32_t) { return true; }), find_bytes(asked)));
}

uint32_t Router::find_bytes(const Asked& asked) const {
  for (const uint32_t rule : bytes_)
    if (!conditions_[rule] || conditions_[rule]->hold(asked, rule)) return rule;
  return PathTree::kNone;
}

}  // namespace outrider::exchange
