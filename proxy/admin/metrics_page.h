#pragma once
// The scrape: rendered on libuv's pool, sent by the control loop.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "admin/admin_server.h"
#include "admin/exposition.h"
#include "admin/facts.h"
#include "stats/collector.h"

namespace outrider::admin {

// At most one rendering runs; those who come meanwhile and want the same format get its text too, and a text younger than `keep`
// is sent as it is: a crowd of scrapers costs as much as one. Owned by an admin server, on its loop. A rendering that outlives
// the page ends in nothing.
class MetricsPage final : public Page {
 public:
  MetricsPage(net::Loop& loop, std::shared_ptr<stats::Collector> collector, milliseconds keep = milliseconds(200));
  ~MetricsPage() override;
  void on_visit(Visit& visit) override;
  void on_gone(Visit& visit) override;
  uint64_t renderings() const { return renderings_; }

 private:
  struct Job;
  struct Text {
    std::string plain, packed;  // packed: by gzip, where somebody wanted that
    TimePoint rendered{};
  };
  void start(Format format);
  void finish(Job& job, bool failed);
  void answer(Visit& visit, Format format) const;
  net::Loop& loop_;
  std::shared_ptr<stats::Collector> collector_;
  const milliseconds keep_;
  std::vector<Visit*> waiting_;
  Job* job_ = nullptr;         // libuv has it; deletes itself
  std::array<Text, 2> texts_;  // by Format
  uint64_t renderings_ = 0;
};

// outrider_cluster_endpoints for every cluster and state, or, where there is no room for all, for those there are endpoints in;
// outrider_cluster_retry_budget_remaining_ratio; and with `each_endpoint` (telemetry.metrics.endpoint_metrics) the
// outrider_endpoint_* metrics. For Collector::add_source.
void endpoint_samples(const Facts& facts, bool each_endpoint, stats::Samples& samples);

}  // namespace outrider::admin
