// OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/): what the text format says, with units, exemplars and
// an end.

#include <charconv>
#include <cmath>

#include "admin/exposition.h"

namespace outrider::admin {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Mark = stats::Scrape::Mark;

bool strip(std::string_view& name, std::string_view ending) {
  if (!name.ends_with(ending)) return false;
  name.remove_suffix(ending.size());
  return true;
}

class Writer {
 public:
  explicit Writer(const stats::Scrape& scrape) : marks_(scrape.marks) { out_.reserve(512 * 1024); }
  void add(const MetricFamily& family, uint32_t index) {
    std::string_view name = family.name;
    const char* type = "gauge";
    if (family.type == MetricType::Counter) {
      type = "counter";
      strip(name, "_total");
    } else if (family.type == MetricType::Histogram) {
      type = "histogram";
    } else if (strip(name, "_info")) {
      type = "info";
    }
    line("# TYPE ", name, type);
    for (const std::string_view unit : {"seconds", "bytes", "ratio"})
      if (name.ends_with(std::string("_").append(unit))) line("# UNIT ", name, unit);
    out_.append("# HELP ").append(name).append(1, ' ');
    escaped(family.help);
    out_.append(1, '\n');
    for (uint32_t i = 0; i < family.metric.size(); ++i) {
      const ClientMetric& metric = family.metric[i];
      if (family.type == MetricType::Histogram) add_histogram(name, metric, index, i);
      else sample(family.name, {}, metric, family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value);
    }
  }
  std::string take() {
    out_.append("# EOF\n");
    return std::move(out_);
  }

 private:
  void line(std::string_view what, std::string_view name, std::string_view value) {
    out_.append(what).append(name).append(1, ' ').append(value).append(1, '\n');
  }
  void add_histogram(std::string_view name, const ClientMetric& metric, uint32_t family, uint32_t index) {
    const auto& histogram = metric.histogram;
    for (uint32_t i = 0; i < histogram.bucket.size(); ++i) {
      const auto& bucket = histogram.bucket[i];
      start(name, "_bucket", metric, &bucket.upper_bound);
      number(bucket.cumulative_count);
      if (next_ < marks_.size() && marks_[next_].family == family && marks_[next_].metric == index && marks_[next_].bucket == i)
        exemplar(marks_[next_++]);
      out_.append(1, '\n');
    }
    start(name, "_count", metric);
    number(histogram.sample_count);
    out_.append(1, '\n');
    sample(name, "_sum", metric, histogram.sample_sum);
  }
  void sample(std::string_view name, std::string_view ending, const ClientMetric& metric, double value) {
    start(name, ending, metric);
    number(value);
    out_.append(1, '\n');
  }
  // Because a bound is part of a series' identity, it is written as the text format does: "1", where "1.0" should be preferred.
  void start(std::string_view name, std::string_view ending, const ClientMetric& metric, const double* bound = nullptr) {
    out_.append(name).append(ending);
    char before = '{';
    for (const auto& label : metric.label) {
      out_.append(1, before).append(label.name).append("=\"");
      escaped(label.value);
      out_.append(1, '"');
      before = ',';
    }
    if (bound) {
      out_.append(1, before).append("le=\"");
      number(*bound);
      out_.append(1, '"');
      before = ',';
    }
    if (before == ',') out_.append(1, '}');
    out_.append(1, ' ');
  }
  void exemplar(const Mark& mark) {
    static constexpr char kHex[] = "0123456789abcdef";
    out_.append(" # {trace_id=\"");
    for (const uint8_t byte : mark.trace) out_.append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    out_.append("\"} ");
    number(mark.value);
    char stamp[32];  // never with an exponent
    const auto end = std::to_chars(stamp, stamp + sizeof stamp, mark.timestamp, std::chars_format::fixed, 6);
    out_.append(1, ' ').append(stamp, end.ptr);
  }
  template <class T>
  void number(T value) {
    char text[32];
    if constexpr (std::is_floating_point_v<T>) {
      if (!std::isfinite(value)) return void(out_.append(std::isnan(value) ? "NaN" : value < 0 ? "-Inf" : "+Inf"));
      out_.append(text, std::to_chars(text, text + sizeof text, value, std::chars_format::general).ptr);
    } else {
      out_.append(text, std::to_chars(text, text + sizeof text, value).ptr);
    }
  }
  void escaped(std::string_view text) {
    for (const char c : text) {
      if (c == '\n') out_.append("\\n");
      else if (c == '\\' || c == '"') out_.append(1, '\\').append(1, c);
      else out_.append(1, c);
    }
  }
  const std::vector<Mark>& marks_;
  size_t next_ = 0;
  std::string out_;
};

}  // namespace

std::string open_metrics(const stats::Scrape& scrape) {
  Writer writer(scrape);
  for (uint32_t i = 0; i < scrape.families.size(); ++i) writer.add(scrape.families[i], i);
  return writer.take();
}

}  // namespace outrider::admin
