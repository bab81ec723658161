#include "stats/selection.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace outrider::stats {

namespace {

constexpr std::chrono::minutes kFade{1}, kHalved{10};
constexpr double kStay = 2;

// Bytes say nothing of how often somebody was asked.
bool is_use(const Name& name) { return name.kind == Kind::Counter && !std::string_view(name.name).ends_with("_bytes_total"); }

std::string key_of(const char* name, const std::vector<Label>& labels) {
  std::string key = name;
  for (const Label& label : labels) key.append(1, '\0').append(label.name).append(1, '\0').append(label.value);
  return key;
}

}  // namespace

uint32_t Selection::subject_of(const Series& series, TimePoint now) {
  std::vector<std::pair<std::string, std::string>> open;
  bool all_other = true;
  for (const Label& label : series.labels) {
    if (!is_open(label.name)) continue;
    open.emplace_back(label.name, label.value);
    all_other &= label.value == kOther;
  }
  if (open.empty() || all_other) return kNone;
  std::sort(open.begin(), open.end());
  std::string key;
  for (const auto& [label, value] : open) key.append(label).append(1, '\0').append(value).append(1, '\0');
  const auto [found, fresh] = subject_by_key_.emplace(std::move(key), uint32_t(subjects_.size()));
  if (!fresh) return found->second;
  Subject& subject = subjects_.emplace_back();
  subject.changed = now;
  for (const auto& [label, value] : open) {
    if (label == "route") subject.share = Share::Routes;
    else if (label == "cluster" && subject.share == Share::Others) subject.share = Share::Clusters;
  }
  subject.labels = std::move(open);
  return found->second;
}

uint32_t Selection::other_of(const Series& series) {
  std::vector<Label> labels = series.labels;
  if (!to_other(labels)) return kNone;
  const auto [found, fresh] = other_by_key_.emplace(key_of(series.name.name, labels), uint32_t(others_.size()));
  if (fresh) others_.push_back({&series.name, std::move(labels)});
  return found->second;
}

// What has come to the catalog since the last look.
void Selection::meet(TimePoint now) {
  for (const Series* series : catalog_.series(kept_.size())) {
    const auto which = uint32_t(kept_.size());
    Kept& kept = kept_.emplace_back();
    kept.series = series;
    kept.other = other_of(*series);
    kept.subject = subject_of(*series, now);
    if (kept.subject == kNone) {
      kept.shown = true;
      if (kept.other != kNone) others_[kept.other].kept = which;
      else always_ += cost(series->name);
      continue;
    }
    Subject& subject = subjects_[kept.subject];
    if (series->name.kind == Kind::Histogram) {
      subject.histograms.push_back(which);
      subject.histogram_cost += cost(series->name);
    } else {
      subject.scalars.push_back(which);
    }
  }
}

void Selection::read(TimePoint now) {
  const Reader reader(catalog_);
  if (now - faded_ >= kFade) {
    const double left = std::exp2(-std::chrono::duration<double>(now - std::exchange(faded_, now)) / kHalved);
    for (Subject& subject : subjects_) subject.score *= left;
  }
  for (Kept& kept : kept_) {
    const uint64_t total = reader.total(kept.series->slot);
    const uint64_t before = kept.before = std::exchange(kept.total, total);
    if (kept.subject == kNone) continue;
    Subject& subject = subjects_[kept.subject];
    if (total == before && (kept.series->name.kind != Kind::Gauge || total == 0)) continue;
    subject.changed = now;
    subject.gone = false;
    if (is_use(kept.series->name)) subject.score += double(total - before);
  }
}

void Selection::expire(TimePoint now, const Gone& gone) {
  if (idle_.count() == 0) return;
  for (Subject& subject : subjects_) {
    if (now - subject.changed < idle_) continue;
    subject.gone = std::any_of(subject.labels.begin(), subject.labels.end(),
                               [&](const auto& label) { return gone(label.first, label.second); });
  }
}

// Of one share: first histograms in half of it, then counters and gauges, then histograms in what is left. Again: with more room.
uint32_t Selection::fill(const std::vector<Subject*>& ranked, Share share, uint32_t room) {
  uint32_t used = 0;
  const auto histograms = [&](uint32_t limit) {
    for (Subject* subject : ranked) {
      if (subject->share != share || subject->histograms_chosen || subject->histograms.empty()) continue;
      if (used + subject->histogram_cost > limit) continue;
      used += subject->histogram_cost;
      subject->histograms_chosen = true;
    }
  };
  histograms(room / 2);
  for (Subject* subject : ranked) {
    if (subject->share != share || subject->scalars_chosen || used + subject->scalars.size() > room) continue;
    used += uint32_t(subject->scalars.size());
    subject->scalars_chosen = true;
  }
  histograms(room);
  return used;
}

void Selection::choose(uint32_t room) {
  uint64_t reserve = 0;
  wanted_ = 0;
  std::vector<Subject*> ranked;
  ranked.reserve(subjects_.size());
  for (Subject& subject : subjects_) {
    subject.scalars_chosen = subject.histograms_chosen = false;
    if (subject.gone) continue;
    ranked.push_back(&subject);
    wanted_ += subject.scalars.size() + subject.histogram_cost;
  }
  for (const Other& other : others_) {
    reserve += cost(*other.name);
    if (other.used || other.kept != kNone) wanted_ += cost(*other.name);
  }
  if (wanted_ <= room) {
    for (Subject* subject : ranked) subject->scalars_chosen = subject->histograms_chosen = true;
    return;
  }
  const auto rank = [](const Subject* subject) {
    return subject->score * (subject->scalars_shown || subject->histograms_shown ? kStay : 1);
  };
  std::stable_sort(ranked.begin(), ranked.end(), [&](const Subject* a, const Subject* b) { return rank(a) > rank(b); });
  const uint32_t all = room > reserve ? uint32_t(room - reserve) : 0;
  uint32_t left = all - fill(ranked, Share::Others, all / 4);
  left -= fill(ranked, Share::Clusters, left / 2);
  for (const Share share : {Share::Routes, Share::Clusters, Share::Others}) left -= fill(ranked, share, left);
}

// What was counted elsewhere while it was hidden stays there, so its own figures go on from what they were.
void Selection::set_shown(Kept& kept, bool shown, const Reader& reader) {
  const bool fresh = std::exchange(kept.fresh, false);
  if (std::exchange(kept.shown, shown) == shown || fresh || kept.series->name.kind == Kind::Gauge) return;
  if (kept.series->name.kind != Kind::Histogram) {
    kept.aside = kept.before - kept.aside;
    return;
  }
  auto all = std::make_unique<Histogram>();
  reader.add_to(*all, kept.series->slot);
  if (kept.aside_histogram) all->subtract(*kept.aside_histogram);
  kept.aside_histogram = std::move(all);
}

// What was chosen comes into force. Returns its cost.
uint32_t Selection::turn(Subject& subject, const Reader& reader) {
  uint64_t left_out = 0;
  const auto set = [&](const std::vector<uint32_t>& series, bool chosen) {
    for (const uint32_t which : series) {
      Kept& kept = kept_[which];
      if (!chosen && !subject.gone) {
        left_out += kept.shown || kept.fresh;
        others_[kept.other].used = true;
      }
      set_shown(kept, chosen, reader);
    }
    return chosen;
  };
  subject.scalars_shown = set(subject.scalars, subject.scalars_chosen);
  subject.histograms_shown = set(subject.histograms, subject.histograms_chosen);
  if (left_out) catalog_.count_dropped(left_out);
  return (subject.scalars_chosen ? uint32_t(subject.scalars.size()) : 0) +
         (subject.histograms_chosen ? subject.histogram_cost : 0);
}

uint32_t Selection::show_others(uint32_t room) {
  uint32_t taken = 0;
  for (const bool histograms : {false, true})
    for (Other& other : others_) {
      if ((other.name->kind == Kind::Histogram) != histograms) continue;
      other.shown = (other.used || other.kept != kNone) && taken + cost(*other.name) <= room;
      if (other.shown) taken += cost(*other.name);
    }
  return taken;
}

uint32_t Selection::look(TimePoint now, uint32_t room) {
  meet(now);
  read(now);
  const uint32_t open = room > always_ ? room - always_ : 0;
  choose(open);
  uint32_t taken = 0;
  {
    const Reader reader(catalog_);
    for (Subject& subject : subjects_) taken += turn(subject, reader);
  }
  return always_ + taken + show_others(open > taken ? open - taken : 0);
}

void Selection::show(const std::function<void(const Item&)>& each) const {
  const Reader reader(catalog_);
  std::vector<uint64_t> values(others_.size());
  std::vector<std::unique_ptr<Histogram>> histograms(others_.size());
  for (const Kept& kept : kept_) {
    const Series& series = *kept.series;
    const bool closed = kept.other == kNone;
    // The catalog's own `__other__` series are shown with the others, and go into their sums.
    const bool own = kept.subject == kNone && !closed;
    const bool to_other = !closed && (own || !kept.shown || kept.aside || kept.aside_histogram) && others_[kept.other].shown;
    const bool shown = closed || (kept.shown && !own);
    if (series.name.kind != Kind::Histogram) {
      const uint64_t total = kept.total;
      const bool counter = series.name.kind == Kind::Counter;
      if (shown) each({series.name, series.labels, total - kept.aside});
      if (to_other) values[kept.other] += own ? total : kept.shown ? (counter ? kept.aside : 0) : total - kept.aside;
      continue;
    }
    if (!shown && !to_other) continue;
    Histogram all;
    reader.add_to(all, series.slot);
    if (kept.aside_histogram) all.subtract(*kept.aside_histogram);
    if (shown) each({series.name, series.labels, 0, &all, series.slot});
    if (!to_other) continue;
    auto& sum = histograms[kept.other];
    if (!sum) sum = std::make_unique<Histogram>();
    sum->merge(shown ? *kept.aside_histogram : all);
  }
  const Histogram empty;
  for (size_t i = 0; i < others_.size(); ++i) {
    const Other& other = others_[i];
    if (!other.shown) continue;
    const bool is_histogram = other.name->kind == Kind::Histogram;
    each({*other.name, other.labels, values[i], histograms[i] ? histograms[i].get() : is_histogram ? &empty : nullptr});
  }
}

}  // namespace outrider::stats
