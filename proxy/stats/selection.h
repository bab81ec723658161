#pragma once
// Which series a scrape shows when there are more than fit, and what becomes of the others.

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "stats/histogram.h"
#include "stats/reader.h"
#include "stats/stats.h"

namespace outrider::stats {

// Series whose labels are all closed sets are always shown. The others stand together by their open labels (a route with its
// cluster, a cluster, a listener): a subject has all of its counters and gauges, or none, and likewise its histograms. When
// there is no room for all, subjects take turns by what they have counted of late: listeners, peers and the like first, up to a
// quarter of the room; clusters and routes share the rest, and of each share at most half is for histograms while others still
// wait for their counters. Who is shown goes on being shown unless another has counted twice as much.
//
// What is hidden goes on counting, in the series that has `__other__` for each open label: a sum over all series is right
// whoever is shown, and none of them ever falls. (Of a histogram, what came between its last scrape and its being hidden waits
// until it is shown again.) Owned by a Collector, which sees to it that one thread at a time is here.
class Selection {
 public:
  // Of a label's value: whether its owner has gone, for instance a route that is in no configuration any more.
  using Gone = std::function<bool(std::string_view label, std::string_view value)>;
  using Costs = std::array<uint32_t, 3>;  // of a histogram, by Range: lines it makes

  Selection(Catalog& catalog, const Costs& costs, milliseconds idle) : catalog_(catalog), costs_(costs), idle_(idle) {}
  // Looks for subjects that have counted nothing for so long as `idle` says and have gone: they are no longer shown, until they
  // count again. Zero: never.
  void expire(TimePoint now, const Gone& gone);
  // Decides, with so much room for all; returns how much of it was taken.
  uint32_t look(TimePoint now, uint32_t room);
  uint64_t wanted() const { return always_ + wanted_; }  // what look() would have taken, had there been room for all

  struct Item {
    const Name& name;
    const std::vector<Label>& labels;
    uint64_t value = 0;                    // a gauge's in two's complement
    const Histogram* histogram = nullptr;  // instead, of a histogram
    Slot slot = kNowhere;                  // whose exemplars may stand with it
  };
  void show(const std::function<void(const Item&)>& each) const;  // what look() has chosen

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  enum class Share : uint8_t { Others, Clusters, Routes };
  struct Kept {
    const Series* series;
    uint32_t subject = kNone;          // none: always shown
    uint32_t other = kNone;            // where it is counted while it is hidden
    bool shown = false, fresh = true;  // fresh: nothing has been decided of it yet
    uint64_t total = 0, before = 0;    // at the last look, and the one before; of a histogram its sum
    // While it is shown: what of it was counted elsewhere. While it is hidden: what it had when it was shown last.
    uint64_t aside = 0;
    std::unique_ptr<Histogram> aside_histogram;
  };
  struct Other {
    const Name* name;
    std::vector<Label> labels;
    uint32_t kept = kNone;  // the catalog's own one, if there is
    bool used = false;      // something was counted here, and so it stays
    bool shown = false;
  };
  struct Subject {
    std::vector<std::pair<std::string, std::string>> labels;
    Share share = Share::Others;
    std::vector<uint32_t> scalars, histograms;  // kept
    uint32_t histogram_cost = 0;
    TimePoint changed{};
    double score = 0;
    bool gone = false, scalars_shown = false, histograms_shown = false;
    bool scalars_chosen = false, histograms_chosen = false;
  };
  uint32_t cost(const Name& name) const { return name.kind == Kind::Histogram ? costs_[size_t(name.range)] : 1; }
  void meet(TimePoint now);
  uint32_t subject_of(const Series& series, TimePoint now);
  uint32_t other_of(const Series& series);
  void read(TimePoint now);
  void choose(uint32_t room);
  uint32_t turn(Subject& subject, const Reader& reader);
  uint32_t show_others(uint32_t room);
  uint32_t fill(const std::vector<Subject*>& ranked, Share share, uint32_t room);
  static void set_shown(Kept& kept, bool shown, const Reader& reader);
  Catalog& catalog_;
  const Costs costs_;
  const milliseconds idle_;
  std::vector<Kept> kept_;  // as they stand in the catalog
  std::deque<Other> others_;
  std::deque<Subject> subjects_;
  std::unordered_map<std::string, uint32_t, StringHash, std::equal_to<>> other_by_key_, subject_by_key_;
  uint32_t always_ = 0;  // cost of what is always shown
  uint64_t wanted_ = 0;  // of everything else
  TimePoint faded_{};    // when scores were last made less
};

}  // namespace outrider::stats
