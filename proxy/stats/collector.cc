#include "stats/collector.h"

#include <prometheus/metric_type.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <unordered_map>

#include "stats/histogram.h"
#include "stats/names.h"

namespace outrider::stats {

namespace {

constexpr uint32_t kOwn = 2;  // outrider_metrics_series and outrider_metrics_dropped_series_total

prometheus::MetricType type_of(Kind kind) {
  switch (kind) {
    case Kind::Counter: return prometheus::MetricType::Counter;
    case Kind::Gauge: return prometheus::MetricType::Gauge;
    case Kind::Histogram: return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

bool is_limited(const Sample& sample) {
  return std::any_of(sample.labels.begin(), sample.labels.end(), [](const Label& label) { return is_open(label.name); });
}

// Of histograms: bounds, +Inf, sum, count.
Selection::Costs costs_of(const Bounds& bounds) {
  return {uint32_t(bounds.usual.size()) + 3, uint32_t(bounds.fine.size()) + 3, uint32_t(bounds.longer.size()) + 3};
}

}  // namespace

void Samples::add(const Name& name, double value, std::vector<Label> labels) {
  Sample sample{name, std::move(labels), value};
  if (is_limited(sample)) {
    if (room_ == 0) return catalog_.count_dropped();
    --room_;
  }
  all_.push_back(std::move(sample));
}

// Families as they come together, and where exemplars stand.
class Collector::Builder {
 public:
  Builder(const Collector& collector, bool exemplars) : collector_(collector) {
    if (!exemplars) return;
    for (const Exemplar& one : Reader(collector.catalog_).exemplars()) exemplars_[one.histogram].push_back(one);
  }
  void add(const Sample& sample) {
    prometheus::ClientMetric& metric = place(sample.name, sample.labels);
    (sample.name.kind == Kind::Counter ? metric.counter.value : metric.gauge.value) = sample.value;
  }
  void add(const Selection::Item& item) {
    prometheus::ClientMetric& metric = place(item.name, item.labels);
    const double scale = item.name.scale;
    if (item.name.kind == Kind::Counter) metric.counter.value = double(item.value) * scale;
    else if (item.name.kind == Kind::Gauge) metric.gauge.value = double(int64_t(item.value)) * scale;
    else add_histogram(metric.histogram, item);
  }
  Scrape take() {
    Scrape scrape;
    scrape.families.reserve(families_.size());
    for (auto& [name, family] : families_) {
      for (Scrape::Mark mark : family.marks) {
        mark.family = uint32_t(scrape.families.size());
        scrape.marks.push_back(mark);
      }
      scrape.families.push_back(std::move(family.family));
    }
    return scrape;
  }

 private:
  struct Family {
    prometheus::MetricFamily family;
    std::vector<Scrape::Mark> marks;
  };
  prometheus::ClientMetric& place(const Name& name, const std::vector<Label>& labels) {
    if (!last_ || last_->family.name != name.name) last_ = &families_[name.name];
    prometheus::MetricFamily& family = last_->family;
    if (family.metric.empty()) {
      family.name = name.name;
      family.help = name.help;
      family.type = type_of(name.kind);
    }
    prometheus::ClientMetric& metric = family.metric.emplace_back();
    metric.label.reserve(labels.size());
    for (const Label& label : labels) metric.label.push_back({label.name, label.value});
    return metric;
  }
  void add_histogram(prometheus::ClientMetric::Histogram& shown, const Selection::Item& item) {
    const std::vector<double>& bounds = collector_.bounds(item.name.range);
    std::vector<double> raw(bounds.size());
    // Rounded, because 0.0025 / 1e-6 is not 2500.
    std::transform(bounds.begin(), bounds.end(), raw.begin(), [&](double bound) { return std::round(bound / item.name.scale); });
    const std::vector<uint64_t> counts = item.histogram->cumulative(raw);
    shown.bucket.reserve(bounds.size() + 1);
    for (size_t i = 0; i < bounds.size(); ++i) shown.bucket.push_back({counts[i], bounds[i]});
    shown.sample_count = item.histogram->count();
    shown.bucket.push_back({shown.sample_count, HUGE_VAL});
    shown.sample_sum = double(item.histogram->sum()) * item.name.scale;
    if (!exemplars_.empty()) mark(item, raw);
  }
  // The newest of each bucket.
  void mark(const Selection::Item& item, const std::vector<double>& raw) {
    const auto known = exemplars_.find(item.slot);
    if (item.slot == kNowhere || known == exemplars_.end()) return;
    std::map<uint32_t, const Exemplar*> newest;
    for (const Exemplar& one : known->second) {
      const auto bucket = uint32_t(std::lower_bound(raw.begin(), raw.end(), double(one.microseconds)) - raw.begin());
      const Exemplar*& place = newest[bucket];
      if (!place || one.unix_microseconds > place->unix_microseconds) place = &one;
    }
    const auto metric = uint32_t(last_->family.metric.size() - 1);
    for (const auto& [bucket, one] : newest)
      last_->marks.push_back(
          {0, metric, bucket, double(one->microseconds) * item.name.scale, double(one->unix_microseconds) / 1e6, one->trace});
  }
  const Collector& collector_;
  std::map<std::string_view, Family> families_;
  Family* last_ = nullptr;
  std::unordered_map<Slot, std::vector<Exemplar>> exemplars_;
};

Collector::Collector(Catalog& catalog, Bounds bounds, milliseconds idle)
    : catalog_(catalog), bounds_(std::move(bounds)), selection_(catalog, costs_of(bounds_), idle) {}

void Collector::add_source(Source source) { sources_.push_back(std::move(source)); }

void Collector::expire_by(Selection::Gone gone) { gone_ = std::move(gone); }

void Collector::prepare(TimePoint now) {
  const std::lock_guard hold(mutex_);
  now_ = now;
  if (gone_) selection_.expire(now, gone_);
  Samples samples(catalog_, std::max<size_t>(catalog_.max_series() / 5, room_));
  for (const Source& source : sources_) source(samples);
  samples_ = std::move(samples.all_);
}

const std::vector<double>& Collector::bounds(Range range) const {
  return range == Range::Fine ? bounds_.fine : range == Range::Long ? bounds_.longer : bounds_.usual;
}

Scrape Collector::scrape(bool exemplars) const {
  const std::vector<Sample> process = process_samples();
  Builder builder(*this, exemplars);
  const std::lock_guard hold(mutex_);
  const auto others = uint32_t(samples_.size() + process.size()) + kOwn;
  const uint32_t most = catalog_.max_series();
  const uint32_t shown = selection_.look(now_, most > others ? most - others : 0);
  const uint64_t wanted = selection_.wanted() + process.size() + kOwn;
  room_ = most > wanted ? most - wanted : 0;
  selection_.show([&](const Selection::Item& item) { builder.add(item); });
  for (const Sample& sample : samples_) builder.add(sample);
  for (const Sample& sample : process) builder.add(sample);
  builder.add(Sample{names::kMetricsSeries, {}, double(shown + others)});
  builder.add(Sample{names::kMetricsDroppedSeries, {}, double(catalog_.dropped())});
  return builder.take();
}

}  // namespace outrider::stats
