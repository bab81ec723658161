#include "discovery/catalog.h"

#include <algorithm>

namespace outrider::discovery {

namespace {

constexpr milliseconds kLongest = std::chrono::hours(24 * 365);

// An instance id alone could be borrowed by anybody else who may speak for the service.
std::string key_of(const Instance& facts) { return facts.identity + ' ' + facts.instance; }

}  // namespace

const char* name_of(Known known) {
  switch (known) {
    case Known::NotYet: return "not_yet";
    case Known::Yes: return "yes";
    case Known::Stale: return "stale";
    case Known::Absent: return "absent";
  }
  return "";
}

bool Catalog::watch(const std::string& service, Watcher& watcher, Moment now) {
  auto& view = views_[service];
  const bool first = !view;
  if (first) {
    view = std::make_shared<View>();
    view->since = now.steady;
  }
  if (std::find(view->watchers.begin(), view->watchers.end(), &watcher) == view->watchers.end())
    view->watchers.push_back(&watcher);
  if (view->published) {
    const auto keep = view;  // the watcher may leave at once
    watcher.on_instances(service, keep->known, keep->set);
  } else {
    refresh(service, now);
  }
  return first;
}

bool Catalog::unwatch(const std::string& service, Watcher& watcher) {
  const auto it = views_.find(service);
  if (it == views_.end()) return false;
  std::erase(it->second->watchers, &watcher);
  if (!it->second->watchers.empty()) return false;
  views_.erase(it);
  return true;
}

Learned Catalog::learn(const std::string& service, std::shared_ptr<const Instance> facts, bool tombstone, Moment now) {
  return take(service, std::move(facts), tombstone, true, now);
}

Learned Catalog::remember(const std::string& service, std::shared_ptr<const Instance> facts, Moment now) {
  return take(service, std::move(facts), false, false, now);
}

Learned Catalog::take(const std::string& service, std::shared_ptr<const Instance> facts, bool tombstone, bool fresh, Moment now) {
  const auto found = views_.find(service);
  if (found == views_.end()) return Learned::Older;  // nobody watches any more
  View& view = *found->second;
  const milliseconds left(std::min(to_ms(facts->expires) - to_ms(now.wall), kLongest.count()));
  if (left + (fresh ? milliseconds(0) : options_.stale_serve) <= milliseconds(0)) return Learned::Ended;
  const std::string key = key_of(*facts);
  const auto it = view.entries.find(key);
  Learned learned = Learned::New;
  if (it != view.entries.end()) {
    Entry& entry = it->second;
    if (facts->sequence < entry.facts->sequence) return Learned::Older;
    if (facts->sequence == entry.facts->sequence) {
      if (fresh && entry.lapsed) {  // it was only away for a while
        entry.lapsed = false;
        refresh(service, now);
      }
      return Learned::Same;
    }
    if (!fresh) return Learned::Older;
    learned = Learned::Newer;
  } else if (view.entries.size() >= options_.most) {
    return Learned::Full;
  }
  view.entries[key] = {std::move(facts), tombstone, !fresh, now.steady + left, now.steady};
  refresh(service, now);
  return learned;
}

void Catalog::lapse(const std::string& service, const Instance& facts, Moment now) {
  const auto found = views_.find(service);
  if (found == views_.end()) return;
  const auto it = found->second->entries.find(key_of(facts));
  if (it == found->second->entries.end() || it->second.tombstone || it->second.lapsed) return;
  if (it->second.facts->sequence != facts.sequence) return;  // an older version has ended, as it should
  it->second.lapsed = true;
  refresh(service, now);
}

void Catalog::answered(const std::string& service, Moment now) {
  const auto found = views_.find(service);
  if (found == views_.end()) return;
  found->second->asked = true;
  refresh(service, now);
}

void Catalog::answering(bool yes, Moment now) {
  if (answering_ == yes) return;
  answering_ = yes;
  answering_since_ = now.steady;
  std::vector<std::string> names;
  for (auto& [service, view] : views_) {
    if (!yes) view->asked = false;
    names.push_back(service);
  }
  for (const auto& service : names) refresh(service, now);
}

// After silence, records come back one by one: until the first look-up has been completed the old ones are used too.
bool Catalog::settled(const View& view, TimePoint now) const {
  return answering_ && (view.asked || (view.confirmed && now >= answering_since_ + options_.settling));
}

// What watchers should know, and (in view.next) when that may change by itself.
std::pair<Known, Catalog::Set> Catalog::judge(View& view, TimePoint now) const {
  // By address: a replica that was restarted has a new id there. And by identity: nobody takes the place of another.
  std::map<std::pair<std::string_view, std::string_view>, const Entry*> fresh, old;
  bool gone = false;
  view.next = TimePoint::max();
  const auto again = [&](TimePoint at) {
    if (at > now) view.next = std::min(view.next, at);
  };
  for (auto it = view.entries.begin(); it != view.entries.end();) {
    const Entry& entry = it->second;
    const TimePoint end = entry.tombstone ? entry.expires : entry.expires + options_.stale_serve;
    if (now >= end) {
      it = view.entries.erase(it);
      continue;
    }
    again(now < entry.expires ? entry.expires : end);
    if (entry.tombstone) {
      gone = true;
    } else {
      auto& at = (entry.live(now) ? fresh : old)[{entry.facts->address, entry.facts->identity}];
      if (!at || at->facts->sequence < entry.facts->sequence) at = &entry;
    }
    ++it;
  }
  const bool settled = this->settled(view, now), any_fresh = !fresh.empty();
  if (answering_ && !settled && view.confirmed) again(answering_since_ + options_.settling);
  bool any_old = false;
  if (!any_fresh || !settled)
    for (const auto& [whose, entry] : old) {
      auto& at = fresh[whose];
      if (at && at->facts->sequence > entry->facts->sequence) continue;
      at = entry;
      any_old = true;
    }
  Set set;
  for (const auto& [whose, entry] : fresh) set.push_back(entry->facts);
  if (answering_ && !set.empty() && !any_old) return {Known::Yes, std::move(set)};
  if (set.empty() && (settled || (gone && view.published))) return {Known::Absent, {}};
  // Nothing answers, or not yet; or only memory does.
  const TimePoint patient_until = view.since + (set.empty() ? options_.patience : options_.short_patience);
  if (!view.published && !settled && !any_fresh && now < patient_until) {
    again(patient_until);
    return {Known::NotYet, {}};
  }
  return {Known::Stale, std::move(set)};
}

void Catalog::refresh(const std::string& service, Moment now) {
  const auto found = views_.find(service);
  if (found == views_.end()) return;
  const std::shared_ptr<View> view = found->second;
  const TimePoint may = view->published ? view->published_at + options_.hold_down : now.steady;
  if (now.steady < may) {  // many may follow: they are judged together
    view->next = std::min(view->next, may);
    return;
  }
  auto [known, set] = judge(*view, now.steady);
  if (known == Known::Yes || known == Known::Absent) view->confirmed = now.steady;
  if (known == Known::NotYet) return;
  if (view->published && known == view->known && set == view->set) return;
  publish(service, view, known, std::move(set), now.steady);
}

void Catalog::publish(const std::string& service, const std::shared_ptr<View>& view, Known known, Set set, TimePoint now) {
  view->published = true;
  view->published_at = now;
  view->known = known;
  view->set = std::move(set);
  const auto watchers = view->watchers;  // any of them may leave, or come, while being called
  for (Watcher* watcher : watchers)
    if (std::find(view->watchers.begin(), view->watchers.end(), watcher) != view->watchers.end())
      watcher->on_instances(service, view->known, view->set);
}

TimePoint Catalog::due() const {
  TimePoint due = TimePoint::max();
  for (const auto& [service, view] : views_) due = std::min(due, view->next);
  return due;
}

void Catalog::tick(Moment now) {
  std::vector<std::string> names;
  for (const auto& [service, view] : views_)
    if (view->next <= now.steady) names.push_back(service);
  for (const auto& service : names) refresh(service, now);
}

std::vector<Catalog::Summary> Catalog::summary(Moment now) const {
  std::vector<Summary> all;
  for (const auto& [service, view] : views_) {
    Summary one{service, view->known, uint32_t(view->set.size()), 0, {}};
    for (const auto& facts : view->set) one.draining += facts->draining;
    if (view->published && (view->known == Known::Yes || view->known == Known::Absent)) one.age = milliseconds(0);
    else if (view->confirmed) one.age = std::chrono::duration_cast<milliseconds>(now.steady - *view->confirmed);
    all.push_back(std::move(one));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.service < b.service; });
  return all;
}

std::vector<Catalog::Held> Catalog::held(const std::string& service, Moment now) const {
  std::vector<Held> all;
  if (const auto found = views_.find(service); found != views_.end())
    for (const auto& [instance, entry] : found->second->entries)
      all.push_back({entry.facts, entry.tombstone, !entry.tombstone && !entry.live(now.steady)});
  return all;
}

Catalog::Counts Catalog::counts(Moment now) const {
  Counts counts;
  for (const auto& [service, view] : views_)
    for (const auto& [instance, entry] : view->entries)
      ++(entry.tombstone ? counts.tombstones : entry.live(now.steady) ? counts.valid : counts.stale);
  return counts;
}

std::optional<milliseconds> Catalog::known_for(const std::string& service, const Instance& facts, Moment now) const {
  const auto found = views_.find(service);
  if (found == views_.end()) return {};
  const auto it = found->second->entries.find(key_of(facts));
  if (it == found->second->entries.end()) return {};
  return std::chrono::duration_cast<milliseconds>(now.steady - it->second.learned);
}

}  // namespace outrider::discovery
