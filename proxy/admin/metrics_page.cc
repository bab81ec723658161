#include "admin/metrics_page.h"

#include <uv.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "stats/names.h"

namespace outrider::admin {

struct MetricsPage::Job {
  uv_work_t work;
  std::shared_ptr<stats::Collector> collector;  // kept alive while the pool works on it
  MetricsPage* page;                            // null: nobody waits any more
  Format format;
  bool packs;
  Text text;
};

MetricsPage::MetricsPage(net::Loop& loop, std::shared_ptr<stats::Collector> collector, milliseconds keep)
    : loop_(loop), collector_(std::move(collector)), keep_(keep) {}

MetricsPage::~MetricsPage() {
  if (job_) job_->page = nullptr;
}

void MetricsPage::on_visit(Visit& visit) {
  const Format format = format_for(visit.ask().accept);
  const Text& known = texts_[size_t(format)];
  if (!known.plain.empty() && loop_.now() - known.rendered < keep_) return answer(visit, format);
  waiting_.push_back(&visit);
  if (!job_) start(format);
}

void MetricsPage::on_gone(Visit& visit) { std::erase(waiting_, &visit); }

void MetricsPage::start(Format format) {
  collector_->prepare(loop_.now());
  const bool packs =
      std::any_of(waiting_.begin(), waiting_.end(), [](Visit* visit) { return takes_gzip(visit->ask().accept_encoding); });
  job_ = new Job{{}, collector_, this, format, packs, {}};
  job_->work.data = job_;
  const auto render = [](uv_work_t* work) {
    auto& job = *static_cast<Job*>(work->data);
    try {
      job.text.plain = text_of(job.collector->scrape(job.format == Format::OpenMetrics), job.format);
      if (job.packs) job.text.packed = gzip(job.text.plain);
    } catch (const std::exception&) {
      job.text = {};  // said as 500 on the loop
    }
  };
  const auto done = [](uv_work_t* work, int status) {
    std::unique_ptr<Job> job(static_cast<Job*>(work->data));
    if (job->page) job->page->finish(*job, status != 0);
  };
  if (uv_queue_work(loop_.raw(), &job_->work, render, done) == 0) return;
  std::unique_ptr<Job> job(job_);
  finish(*job, true);
}

void MetricsPage::answer(Visit& visit, Format format) const {
  const Text& text = texts_[size_t(format)];
  const bool packed = !text.packed.empty() && takes_gzip(visit.ask().accept_encoding);
  visit.reply({.type = kFormats[size_t(format)], .body = packed ? text.packed : text.plain, .coding = packed ? "gzip" : ""});
}

// Those who want another format are next.
void MetricsPage::finish(Job& job, bool failed) {
  job_ = nullptr;
  ++renderings_;
  job.text.rendered = loop_.now();
  failed |= job.text.plain.empty();
  texts_[size_t(job.format)] = std::move(job.text);
  std::vector<Visit*> others;
  for (Visit* visit : std::exchange(waiting_, {})) {
    if (format_for(visit->ask().accept) != job.format) others.push_back(visit);
    else if (failed) visit->reply({.status = 500, .body = "The metrics could not be rendered.\n"});
    else answer(*visit, job.format);
  }
  waiting_.insert(waiting_.begin(), others.begin(), others.end());
  if (!waiting_.empty() && !job_) start(format_for(waiting_.front()->ask().accept));
}

void endpoint_samples(const Facts& facts, bool each_endpoint, stats::Samples& samples) {
  using stats::Label;
  constexpr std::array kStates = {EndpointState::Ready,     EndpointState::Draining, EndpointState::Ejected,
                                  EndpointState::Unhealthy, EndpointState::Unknown,  EndpointState::Stale};
  const std::vector<ClusterView> clusters = facts.clusters();
  const bool all = clusters.size() * (kStates.size() + 1) <= samples.room();
  for (const ClusterView& cluster : clusters) {
    if (!cluster.labelled) continue;
    if (cluster.retries_left && (all || *cluster.retries_left < 1))
      samples.add(stats::names::kClusterRetryBudget, *cluster.retries_left, {{"cluster", cluster.name}});
    std::array<uint32_t, kStates.size()> count{};
    for (const EndpointView& endpoint : cluster.endpoints) ++count[size_t(endpoint.state)];
    for (EndpointState state : kStates)
      if (all || count[size_t(state)] > 0)
        samples.add(stats::names::kClusterEndpoints, count[size_t(state)],
                    {{"cluster", cluster.name}, {"state", name_of(state)}});
    if (!each_endpoint) continue;
    for (const EndpointView& endpoint : cluster.endpoints) {
      const std::vector<Label> labels = {{"cluster", cluster.name}, {"endpoint", endpoint.address}};
      samples.add(stats::names::kEndpointRequests, double(endpoint.requests), labels);
      samples.add(stats::names::kEndpointInFlight, double(endpoint.in_flight), labels);
      samples.add(stats::names::kEndpointLatency, endpoint.ewma_ms / 1000, labels);
    }
  }
}

}  // namespace outrider::admin
