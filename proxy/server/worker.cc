#include "server/worker.h"

#include <pthread.h>
#include <unistd.h>

#include <set>

#include "exchange/decisions.h"
#include "exchange/foreword.h"
#include "stats/names.h"

namespace outrider::server {

namespace {
constexpr milliseconds kDrainCheck{16};
constexpr milliseconds kLagCheck{1000};
constexpr milliseconds kHandshakeCheck{100};
}  // namespace

Worker::Worker(int index, stats::Catalog& catalog, stats::Shard& shard, milliseconds service_idle,
               std::shared_ptr<exchange::PeerNames> peers, WorkerEvents& events)
    : index_(index), events_(events), site_(new exchange::Site(loop_, catalog, shard, *this, service_idle, std::move(peers))),
      lag_(catalog.slot(stats::names::kEventLoopLag, {{"loop", "worker"}})),
      blocks_(catalog.slot(stats::names::kMemory, {{"subsystem", "buffers"}})) {}

Worker::~Worker() {
  join();
  cut_all();
  doors_.clear();
  for (int i = 0; i < 3; ++i) loop_.run_turn(false);  // what retired while it ended
  site_->serving = {};
  site_.reset();
}

void Worker::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), ("worker-" + std::to_string(index_)).c_str());
    loop_.arm(lag_check_, kLagCheck);
    loop_.run();
  });
}

void Worker::join() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

void Worker::adopt(std::shared_ptr<const exchange::Snapshot> snapshot, std::vector<Opened> opened) {
  if (!thread_.joinable()) return serve(std::move(snapshot), opened);
  loop_.post(
      [this, snapshot = std::move(snapshot), opened = std::move(opened)]() mutable { serve(std::move(snapshot), opened); });
}

void Worker::serve(std::shared_ptr<const exchange::Snapshot> snapshot, const std::vector<Opened>& opened) {
  lead_doors(*snapshot, opened);
  site_->serving = exchange::Serving::make(std::move(snapshot), site_->context, site_->serving.get());
  site_->pressure = site_->serving->snapshot->pressure;
  site_->access_log.follow(site_->serving->snapshot->access_log);
  for (auto& cluster : site_->serving->clusters) cluster->ejections = this;
  site_->by_name.renew();
  const exchange::DecisionPlan& decisions = site_->serving->snapshot->decisions;
  if (decisions.keep == 0) site_->decisions.reset();
  else if (site_->decisions) site_->decisions->follow(decisions);
  else site_->decisions = std::make_unique<exchange::Decisions>(decisions);
}

namespace {

std::shared_ptr<exchange::AcceptedFrom> accepted_under(std::shared_ptr<const exchange::ListenerPlan> plan,
                                                       stats::Catalog& catalog) {
  const char* tls = plan->mutual_tls ? "mutual" : plan->tls ? "terminated" : plan->tls_alone ? "passed" : "none";
  exchange::ConnectionCounters counters(catalog, plan->direction, plan->name, tls);
  if (plan->permissive) counters.tell_clear_text();
  return std::make_shared<exchange::AcceptedFrom>(exchange::AcceptedFrom{std::move(plan), std::move(counters)});
}

}  // namespace

// Addresses of one listener share their counters. A door is known by its address, whatever its listener is called.
void Worker::lead_doors(const exchange::Snapshot& to, const std::vector<Opened>& opened) {
  std::vector<std::unique_ptr<exchange::Door>> doors;
  std::set<const exchange::AcceptedFrom*> goes_on;
  for (const auto& plan : to.listeners) {
    std::shared_ptr<exchange::AcceptedFrom> from;
    for (const auto& door : doors_)
      if (door && !from && plan->serves_connections_of(door->plan())) from = door->accepted_from();
    if (from) from->plan = plan;
    else from = accepted_under(plan, site_->catalog);
    goes_on.insert(from.get());
    for (const net::Address& address : plan->addresses) {
      for (auto& door : doors_)
        if (door && door->is_for(address, plan->name)) {
          door->lead_to(from);
          doors.push_back(std::move(door));
        }
      for (const Opened& each : opened)
        if (each.listener == plan->name && each.address == address)
          doors.push_back(std::make_unique<exchange::Door>(*site_, from, each.address, each.fd));
    }
  }
  for (auto& door : doors_)
    if (door) door->shut();  // lets in who waits, to be served and sent away
  doors_ = std::move(doors);
  site_->listening.clear();
  for (const auto& door : doors_) site_->listening.push_back(door->local());
  site_->forewords.for_each([&](exchange::Foreword& foreword) {
    if (!goes_on.count(foreword.accepted_from())) foreword.cut();
  });
  if (!thread_.joinable()) return;
  site_->sessions.for_each([&](exchange::HttpSession& session) {
    if (!goes_on.count(session.accepted_from())) session.drain();
  });
}
// A rule's cluster and one found by a Host header may have the same name.
std::vector<upstream::Cluster*> Worker::all_named(const std::string& cluster) {
  std::vector<upstream::Cluster*> all;
  if (site_->serving)
    for (auto& known : site_->serving->clusters)
      if (known->plan().name == cluster) all.push_back(known.get());
  if (auto* found = site_->by_name.existing(cluster)) all.push_back(found);
  return all;
}

void Worker::adopt(const std::string& cluster, std::shared_ptr<const upstream::EndpointSet> set) {
  loop_.post([this, cluster, set = std::move(set)] {
    for (auto* found : all_named(cluster)) {
      found->ejections = this;
      found->adopt(set);
    }
  });
}

void Worker::refresh(const std::string& cluster) {
  loop_.post([this, cluster] {
    for (auto* found : all_named(cluster)) found->refresh();
  });
}

bool Worker::drains(const exchange::ListenerPlan& plan) const { return draining_ == Drain::All || plan.direction == "inbound"; }

void Worker::drain(Drain what) {
  loop_.post([this, what] {
    draining_ = what;
    site_->draining = what == Drain::All;
    for (auto& door : doors_)
      if (drains(door->plan())) door->shut();
    site_->sessions.for_each([this](exchange::HttpSession& session) {
      if (drains(session.plan())) session.drain();
    });
    loop_.arm(drain_check_, milliseconds(0));
  });
}

void Worker::hold() {
  for (auto& door : doors_) door->hold();
}

void Worker::let_in() {
  loop_.post([this] {
    for (auto& door : doors_) door->let_in();
  });
}

void Worker::hand_over(exchange::Heir& heir) {
  loop_.post([this, &heir] {
    draining_ = Drain::All;
    site_->draining = true;
    site_->heir = &heir;
    for (auto& door : doors_) door->leave();
    site_->sessions.for_each([](exchange::HttpSession& session) { session.leave_to_heir(); });
    loop_.arm(drain_check_, milliseconds(0));
  });
}

void Worker::take_over(const std::string& listener, int fd, uint32_t requests, milliseconds age) {
  loop_.post([this, listener, fd, requests, age] {
    for (auto& door : doors_)
      if (door->plan().name == listener) return door->take_over(fd, requests, age);
    ::close(fd);  // the new configuration has no such listener
  });
}

void Worker::on_drain_check() {
  bool left = false;
  site_->sessions.for_each([&](exchange::HttpSession& session) { left |= drains(session.plan()); });
  site_->forewords.for_each([&](exchange::Foreword& foreword) { left |= drains(foreword.plan()); });
  if (!left) return events_.on_drained(index_, draining_);
  loop_.arm(drain_check_, kDrainCheck);
}

void Worker::review_trust(milliseconds grace) {
  loop_.post([this, grace] {
    grace_ = grace;
    on_review();
  });
}

void Worker::on_review() {
  const auto round = [this](const char* side, auto show) {
    net::TrustReview review(loop_.now(), grace_);
    show(review);
    if (review.found()) site_->shard.add(site_->catalog.slot(stats::names::kDistrusted, {{"side", side}}), review.found());
    return review;
  };
  const auto clients = round("client", [this](net::TrustReview& review) {
    site_->sessions.for_each([&](exchange::HttpSession& session) { session.review(review); });
  });
  const auto endpoints = round("endpoint", [this](net::TrustReview& review) {
    if (site_->serving)
      for (auto& cluster : site_->serving->clusters) cluster->review(review);
    site_->by_name.for_each([](upstream::Cluster& cluster, void* with) { cluster.review(*static_cast<net::TrustReview*>(with)); },
                            &review);
  });
  if (clients.unfinished() || endpoints.unfinished()) return loop_.arm(review_, milliseconds(0));
  TimePoint next = std::min(clients.next_cut(), endpoints.next_cut());
  if (clients.waiting() || endpoints.waiting()) next = std::min(next, loop_.now() + kHandshakeCheck);
  if (next == TimePoint::max()) return review_.cancel();
  loop_.arm(review_, std::max(milliseconds(1), std::chrono::ceil<milliseconds>(next - loop_.now())));
}

void Worker::watch(std::shared_ptr<const exchange::Watches> all, std::function<void()> adopted) {
  loop_.post([this, all = std::move(all), adopted = std::move(adopted)] {
    site_->taps.watch(*all);
    adopted();
  });
}

void Worker::ask(std::function<void(exchange::Site&)> question) {
  loop_.post([this, question = std::move(question)] { question(*site_); });
}

void Worker::cut() {
  loop_.post([this] { cut_all(); });
}

void Worker::cut_all() {
  while (exchange::Foreword* foreword = site_->forewords.front()) foreword->cut();
  while (exchange::HttpSession* session = site_->sessions.front()) {
    if (session->connection().open_streams() > 0) cut_.fetch_add(1, std::memory_order_relaxed);
    session->cut();
  }
}

// How long turns take shows where a worker falls behind; buffers, what it holds in blocks.
void Worker::on_lag_check() {
  const milliseconds longest = loop_.longest_turn();
  longest_turn_.store(longest.count(), std::memory_order_relaxed);
  site_->shard.observe(lag_, uint64_t(longest.count()) * 1000);
  site_->shard.set(blocks_, loop_.blocks().in_use_bytes());
  loop_.arm(lag_check_, kLagCheck);
}

}  // namespace outrider::server
