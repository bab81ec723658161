#include "dns/directory.h"

#include <algorithm>
#include <utility>

namespace outrider::dns {

namespace {
constexpr milliseconds kNobody{30'000};  // of one that is not there
constexpr milliseconds kSweep{5'000};
}  // namespace

Directory::~Directory() {
  if (registry_)
    for (const auto& [service, entry] : entries_) registry_->unwatch(service, *this);
}

Directory::Entry* Directory::find(const std::string& service) {
  const auto known = entries_.find(service);
  if (known != entries_.end()) return known->second->used = loop_.now(), known->second.get();
  if (!registry_ || (entries_.size() >= most_ && !make_room())) return nullptr;
  Entry* const entry = entries_.emplace(service, std::make_unique<Entry>()).first->second.get();
  entry->used = loop_.now();
  if (!sweep_.armed()) loop_.arm(sweep_, kSweep);
  registry_->watch(service, *this);  // may tell us at once
  return entry;
}

void Directory::on_instances(const std::string& service, Known known,
                             std::vector<std::shared_ptr<const discovery::Instance>> all) {
  const auto at = entries_.find(service);
  if (at == entries_.end()) return;
  Entry& entry = *at->second;
  entry.known = known;
  entry.all = std::move(all);
  if (known == Known::NotYet) return;
  while (Waiter* waiter = entry.waiting.pop_front()) waiter->on_known();
}

bool Directory::make_room() {
  auto oldest = entries_.end();
  for (auto at = entries_.begin(); at != entries_.end(); ++at)
    if (at->second->waiting.empty() && (oldest == entries_.end() || at->second->used < oldest->second->used)) oldest = at;
  if (oldest == entries_.end()) return false;
  registry_->unwatch(oldest->first, *this);
  entries_.erase(oldest);
  return true;
}

void Directory::on_sweep() {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const Entry& entry = *at->second;
    const milliseconds limit = entry.known == Known::Absent ? std::min(kNobody, idle_) : idle_;
    const bool over = at->second->waiting.empty() && loop_.now() - entry.used >= limit;
    if (over) registry_->unwatch(at->first, *this);
    at = over ? entries_.erase(at) : std::next(at);
  }
  if (!entries_.empty()) loop_.arm(sweep_, kSweep);
}

}  // namespace outrider::dns
