#include "admin/metrics_page.h"

#include <prometheus/text_serializer.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "stats/names.h"

namespace outrider::admin {

struct MetricsPage::Job {
  uv_work_t work;
  std::shared_ptr<stats::Collector> collector;  // kept alive while the pool works on it
  MetricsPage* page;                            // null: nobody waits any more
  std::string text;
};

MetricsPage::MetricsPage(net::Loop& loop, std::shared_ptr<stats::Collector> collector, milliseconds keep)
    : loop_(loop), collector_(std::move(collector)), keep_(keep) {}

MetricsPage::~MetricsPage() {
  if (job_) job_->page = nullptr;
}

void MetricsPage::on_visit(Visit& visit) {
  if (!text_.empty() && loop_.now() - rendered_ < keep_)
    return visit.reply({.type = "text/plain; version=0.0.4; charset=utf-8", .body = text_});
  waiting_.push_back(&visit);
  if (!job_) start();
}

void MetricsPage::on_gone(Visit& visit) { std::erase(waiting_, &visit); }

void MetricsPage::start() {
  collector_->prepare();
  job_ = new Job{{}, collector_, this, {}};
  job_->work.data = job_;
  const auto render = [](uv_work_t* work) {
    auto& job = *static_cast<Job*>(work->data);
    try {
      job.text = prometheus::TextSerializer().Serialize(job.collector->Collect());
    } catch (const std::exception&) {
      job.text.clear();  // said as 500 on the loop
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

void MetricsPage::finish(Job& job, bool failed) {
  job_ = nullptr;
  ++renderings_;
  rendered_ = loop_.now();
  text_ = std::move(job.text);
  failed |= text_.empty();
  for (Visit* visit : std::exchange(waiting_, {})) {
    if (failed) visit->reply({.status = 500, .body = "The metrics could not be rendered.\n"});
    else visit->reply({.type = "text/plain; version=0.0.4; charset=utf-8", .body = text_});
  }
}

void endpoint_samples(const Facts& facts, bool each_endpoint, stats::Samples& samples) {
  using stats::Label;
  constexpr std::array kStates = {EndpointState::Ready,     EndpointState::Draining, EndpointState::Ejected,
                                  EndpointState::Unhealthy, EndpointState::Unknown,  EndpointState::Stale};
  for (const ClusterView& cluster : facts.clusters()) {
    if (!cluster.labelled) continue;
    std::array<uint32_t, kStates.size()> count{};
    for (const EndpointView& endpoint : cluster.endpoints) ++count[size_t(endpoint.state)];
    for (EndpointState state : kStates)
      samples.add(stats::names::kClusterEndpoints, count[size_t(state)], {{"cluster", cluster.name}, {"state", name_of(state)}});
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
