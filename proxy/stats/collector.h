#pragma once
// Sums the shards when somebody asks. The only file beside admin/ that knows prometheus-cpp.

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "stats/exemplars.h"
#include "stats/selection.h"
#include "stats/stats.h"

namespace outrider::stats {

struct Sample {  // a value that is known only when asked for
  Name name;     // a counter or a gauge
  std::vector<Label> labels;
  double value = 0;  // in the metric's unit; `scale` is not applied
};

// Where sources put their samples. Lives during one prepare(). What has an open label is held to a fifth of max_series, or to
// what nobody else wants of it, first come, first served; the rest is left out and counted.
class Samples {
 public:
  void add(const Name& name, double value, std::vector<Label> labels = {});
  size_t room() const { return room_; }  // for so many more with an open label

 private:
  friend class Collector;
  Samples(Catalog& catalog, size_t room) : catalog_(catalog), room_(room) {}
  Catalog& catalog_;
  size_t room_;
  std::vector<Sample> all_;
};

struct Bounds {  // of the buckets shown, in seconds, rising, without +Inf
  std::vector<double> usual = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  std::vector<double> fine = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001,
                              0.0025,  0.005,    0.01,    0.025,  0.05,    0.1,    1};
  std::vector<double> longer = {0.01, 0.1, 1, 5, 15, 60, 300, 900, 1800, 3600};  // Histogram ends at 71 minutes
};

// One scrape, before it is text.
struct Scrape {
  struct Mark {  // an exemplar, of the bucket whose line it is to stand on
    uint32_t family = 0, metric = 0, bucket = 0;
    double value = 0;      // in the metric's unit
    double timestamp = 0;  // unix, in seconds
    TraceId trace{};
  };
  std::vector<prometheus::MetricFamily> families;  // by name
  std::vector<Mark> marks;                         // in order of their places
};

// Owned by the supervisor together with its catalog. Sources run in prepare(), on the thread that owns what they look
// at (the control loop); scrape() may run on any thread and shows what the last prepare() found, the shards as they
// are just then, and the process_* metrics: what a Selection leaves of them, max_series at most.
class Collector final : public prometheus::Collectable {
 public:
  using Source = std::function<void(Samples&)>;
  explicit Collector(Catalog& catalog, Bounds bounds = {}, milliseconds idle = milliseconds(600'000));
  void add_source(Source source);        // before the first scrape, or on the thread of prepare()
  void expire_by(Selection::Gone gone);  // likewise; asked in prepare(), of labels that have been idle
  void prepare(TimePoint now = {});
  Scrape scrape(bool exemplars) const;
  std::vector<prometheus::MetricFamily> Collect() const override { return scrape(false).families; }

 private:
  class Builder;
  const std::vector<double>& bounds(Range range) const;
  Catalog& catalog_;
  const Bounds bounds_;
  std::vector<Source> sources_;
  Selection::Gone gone_;
  mutable std::mutex mutex_;  // guards what is below; held while a scrape is gathered
  mutable Selection selection_;
  std::vector<Sample> samples_;
  mutable size_t room_ = 0;  // for samples, beyond their fifth: what everything else does not want
  TimePoint now_{};
};

// CPU, memory, descriptors and start time, from /proc. Any thread.
std::vector<Sample> process_samples();

}  // namespace outrider::stats
