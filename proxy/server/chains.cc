#include "server/chains.h"

#include "config/parse.h"
#include "filters/all.h"

namespace outrider::server {

std::shared_ptr<const filter::Chain> Chains::of(const config::Chain& uses) {
  std::string key;
  for (const auto& use : uses) key += use.path + "\n";
  auto& chain = chains_[key];
  if (chain) return chain;
  std::vector<std::shared_ptr<const filter::Filter>> filters;
  std::vector<filter::Written> written;
  for (const auto& use : uses)
    if (auto filter = make(use)) {
      filters.push_back(std::move(filter));
      written.push_back({use.name, use.where.file, use.where.line});
    }
  chain = std::make_shared<const filter::Chain>(std::move(filters), std::move(written));
  return chain;
}

std::vector<std::shared_ptr<const filter::IpRules>> Chains::ip_rules(const config::Chain& uses) {
  std::vector<std::shared_ptr<const filter::IpRules>> all;
  for (const auto& use : uses)
    if (auto filter = make(use))
      if (const auto* rules = filter->ip_rules()) all.emplace_back(std::move(filter), rules);
  return all;
}

std::shared_ptr<const filter::Filter> Chains::make(const config::FilterUse& use) {
  const auto [known, fresh] = made_.try_emplace(use.path);
  exchange::MadeFilter& made = known->second;
  if (!fresh) return made.filter;
  made.name = use.name;
  made.options = config::digest_of(use.options);
  if (const auto* same = kept(use.path, made)) return (made = *same).filter;
  filter::Complaint complaint;
  const auto* entry = filters::find(use.name);
  if (entry) made.filter = entry->make(use.options, complaint);
  made.feed = made.filter ? made.filter->feed() : nullptr;
  if (!made.feed) return made.filter;
  made.feed->stands_at(home_.empty() ? use.path : home_ + ":" + use.path);
  if (const auto problem = made.feed->load(); !problem.empty() && problem_.empty()) problem_ = use.path + ": " + problem;
  return made.filter;
}

// The one there was at the same place; else, since places move when rules are added, one like it. Nobody gets what another has.
// What is counted together with other proxies is so by its place, and does not move.
const exchange::MadeFilter* Chains::kept(const std::string& path, const exchange::MadeFilter& wanted) {
  if (!before_) return nullptr;
  const auto like = [&](const exchange::MadeFilter& each) {
    return each.filter && each.name == wanted.name && each.options == wanted.options;
  };
  if (const auto same = before_->find(path); same != before_->end() && like(same->second) && taken_.insert(path).second)
    return &same->second;
  for (const auto& [place, each] : *before_)
    if (like(each) && !(each.feed && each.feed->shared()) && taken_.insert(place).second) return &each;
  return nullptr;
}

}  // namespace outrider::server
