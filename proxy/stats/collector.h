#pragma once
// Sums the shards when somebody asks. The only file beside admin/ that knows prometheus-cpp.

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <mutex>
#include <vector>

#include "stats/stats.h"

namespace outrider::stats {

struct Sample {  // a value that is known only when asked for
  Name name;     // a counter or a gauge
  std::vector<Label> labels;
  double value = 0;  // in the metric's unit; `scale` is not applied
};

// Where sources put their samples. Lives during one prepare().
class Samples {
 public:
  void add(const Name& name, double value, std::vector<Label> labels = {});

 private:
  friend class Collector;
  Samples(Catalog& catalog, size_t room) : catalog_(catalog), room_(room) {}
  Catalog& catalog_;
  size_t room_;  // what max_series leaves; first come, first served
  std::vector<Sample> all_;
};

struct Bounds {  // of the buckets shown, in seconds, rising, without +Inf
  std::vector<double> usual = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  std::vector<double> fine = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001,
                              0.0025,  0.005,    0.01,    0.025,  0.05,    0.1,    1};
  std::vector<double> longer = {0.01, 0.1, 1, 5, 15, 60, 300, 900, 1800, 3600};  // Histogram ends at 71 minutes
};

// Owned by the supervisor together with its catalog. Sources run in prepare(), on the thread that owns what they look
// at (the control loop); Collect() may run on any thread and shows what the last prepare() found, the shards as they
// are just then, and the process_* metrics.
class Collector final : public prometheus::Collectable {
 public:
  using Source = std::function<void(Samples&)>;
  explicit Collector(Catalog& catalog, Bounds bounds = {});
  void add_source(Source source);  // before the first scrape, or on the thread of prepare()
  void prepare();
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  prometheus::ClientMetric metric(const Series& series) const;
  const std::vector<double>& bounds(Range range) const;
  Catalog& catalog_;
  Bounds bounds_;
  std::vector<Source> sources_;
  mutable std::mutex mutex_;  // guards samples_
  std::vector<Sample> samples_;
};

// CPU, memory, descriptors and start time, from /proc. Any thread.
std::vector<Sample> process_samples();

}  // namespace outrider::stats
