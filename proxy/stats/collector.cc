#include "stats/collector.h"

#include <prometheus/metric_type.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "stats/histogram.h"
#include "stats/names.h"

namespace outrider::stats {

namespace {

using Families = std::map<std::string_view, prometheus::MetricFamily>;

prometheus::MetricType type_of(Kind kind) {
  switch (kind) {
    case Kind::Counter: return prometheus::MetricType::Counter;
    case Kind::Gauge: return prometheus::MetricType::Gauge;
    case Kind::Histogram: return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

void append(Families& families, const Name& name, prometheus::ClientMetric metric) {
  prometheus::MetricFamily& family = families[name.name];
  if (family.metric.empty()) {
    family.name = name.name;
    family.help = name.help;
    family.type = type_of(name.kind);
  }
  family.metric.push_back(std::move(metric));
}

void set_labels(prometheus::ClientMetric& metric, const std::vector<Label>& labels) {
  metric.label.reserve(labels.size());
  for (const Label& label : labels) metric.label.push_back({label.name, label.value});
}

void append(Families& families, const Sample& sample) {
  prometheus::ClientMetric metric;
  set_labels(metric, sample.labels);
  (sample.name.kind == Kind::Counter ? metric.counter.value : metric.gauge.value) = sample.value;
  append(families, sample.name, std::move(metric));
}

}  // namespace

void Samples::add(const Name& name, double value, std::vector<Label> labels) {
  if (all_.size() >= room_) return catalog_.count_dropped();
  all_.push_back({name, std::move(labels), value});
}

Collector::Collector(Catalog& catalog, Bounds bounds) : catalog_(catalog), bounds_(std::move(bounds)) {}

void Collector::add_source(Source source) { sources_.push_back(std::move(source)); }

void Collector::prepare() {
  const uint32_t used = catalog_.series_count(), most = catalog_.max_series();
  Samples samples(catalog_, std::max(catalog_.room_for_samples(), most > used ? most - used : 0));
  for (const Source& source : sources_) source(samples);
  std::lock_guard hold(mutex_);
  samples_ = std::move(samples.all_);
}

const std::vector<double>& Collector::bounds(Range range) const {
  return range == Range::Fine ? bounds_.fine : range == Range::Long ? bounds_.longer : bounds_.usual;
}

prometheus::ClientMetric Collector::metric(const Series& series) const {
  prometheus::ClientMetric metric;
  set_labels(metric, series.labels);
  double scale = series.name.scale;
  if (series.name.kind == Kind::Counter) {
    metric.counter.value = double(catalog_.total(series)) * scale;
  } else if (series.name.kind == Kind::Gauge) {
    metric.gauge.value = double(int64_t(catalog_.total(series))) * scale;
  } else {
    Histogram histogram = catalog_.histogram(series);
    const std::vector<double>& shown = bounds(series.name.range);
    std::vector<double> raw(shown.size());
    // Rounded, because 0.0025 / 1e-6 is not 2500.
    std::transform(shown.begin(), shown.end(), raw.begin(), [&](double bound) { return std::round(bound / scale); });
    std::vector<uint64_t> counts = histogram.cumulative(raw);
    for (size_t i = 0; i < shown.size(); ++i) metric.histogram.bucket.push_back({counts[i], shown[i]});
    metric.histogram.sample_count = histogram.count();
    metric.histogram.bucket.push_back({metric.histogram.sample_count, HUGE_VAL});
    metric.histogram.sample_sum = double(histogram.sum()) * scale;
  }
  return metric;
}

std::vector<prometheus::MetricFamily> Collector::Collect() const {
  Families families;
  for (const Series* series : catalog_.series()) append(families, series->name, metric(*series));
  size_t sampled = 0;
  {
    std::lock_guard hold(mutex_);
    sampled = samples_.size();
    for (const Sample& sample : samples_) append(families, sample);
  }
  for (const Sample& sample : process_samples()) append(families, sample);
  append(families, Sample{names::kMetricsSeries, {}, double(catalog_.series_count() + sampled)});
  append(families, Sample{names::kMetricsDroppedSeries, {}, double(catalog_.dropped())});

  std::vector<prometheus::MetricFamily> result;
  result.reserve(families.size());
  for (auto& [name, family] : families) result.push_back(std::move(family));
  return result;
}

}  // namespace outrider::stats
