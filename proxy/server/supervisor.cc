#include "server/supervisor.h"

#include <sched.h>
#include <csignal>
#include <cstring>

#include <algorithm>

#include "admin/metrics_page.h"
#include "admin/pages.h"
#include "base/log.h"
#include "server/build.h"
#include "server/cluster_plans.h"
#include "server/compile.h"
#include "server/overload.h"
#include "server/samples.h"
#include "server/sandbox.h"
#include "stats/names.h"

namespace outrider::server {

namespace {

constexpr milliseconds kCutLimit{2000};

// A sidecar is lean: one thread, unless told otherwise. An edge uses what it may.
uint32_t threads_of(const config::Document& document) {
  if (document.overload.threads) return document.overload.threads;
  if (document.mode == config::Mode::Sidecar) return 1;
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? uint32_t(std::max(1, CPU_COUNT(&set))) : 1;
}

void configure_log(const config::Log& log) {
  static constexpr log::Level kLevels[] = {log::Level::Debug, log::Level::Info, log::Level::Warn, log::Level::Error,
                                           log::Level::Off};
  log::configure(kLevels[size_t(log.level)], log.json ? log::Format::Json : log::Format::Text);
}

std::shared_ptr<stats::Catalog> catalog_for(const config::Metrics& metrics) {
  return std::make_shared<stats::Catalog>(metrics.max_series, uint32_t(metrics.buckets.size() + 3));
}

stats::Bounds bounds_for(const config::Metrics& metrics) {
  stats::Bounds bounds;
  bounds.usual.clear();
  for (const auto bucket : metrics.buckets) bounds.usual.push_back(double(bucket.count()) / 1e6);
  return bounds;
}

// The cluster that is the app itself, where it is served at all.
std::string local_cluster_of(const config::Document& document) {
  return document.service && document.cluster(config::kLocalCluster) ? config::kLocalCluster : std::string();
}

// What others can reach: node.address, else the first address that is not loopback, with the port we listen at.
std::string advertised(const std::string& configured, const net::Address& listening) {
  std::string ip = configured;
  if (ip.empty() && !listening.is_wildcard()) return listening.text();
  if (ip.empty()) ip = net::Address::first_reachable();
  return (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" + std::to_string(listening.port());
}

std::string cannot_listen(const std::string& key, const net::Address& at, const Error& why) {
  return key + ": cannot listen on " + at.text() + ": " + std::strerror(why.os_error);
}

}  // namespace

Supervisor::Supervisor(Settings settings)
    : settings_(std::move(settings)), document_(settings_.document), catalog_(catalog_for(document_.metrics)),
      shard_(catalog_->make_shard()), collector_(std::make_shared<stats::Collector>(*catalog_, bounds_for(document_.metrics))),
      credentials_(control_, *catalog_, *shard_, document_, settings_.file_look,
                   [this](const identity::Identity& fresh) {
                     const bool trusts_others = !(state_.identity->trust == fresh.trust);
                     state_.identity = fresh;
                     mesh_.renew(fresh);
                     if (!trusts_others) return;
                     for (auto& worker : workers_) worker->review_trust(document_.identity.drain);
                   }),
      endpoints_(control_, *catalog_, *shard_, settings_.file_look), mesh_(control_, *catalog_, *shard_),
      watchers_(control_, workers_, *catalog_, *shard_) {
  configure_log(document_.log);
  state_.document = &document_;
  state_.since = net::Loop::clock();
  state_.since_wall = net::Loop::wall();
  state_.local_cluster = local_cluster_of(document_);
  state_.mesh = &mesh_;
  state_.drain = [this] { withdraw(); };
  state_.quit = [this] { leave(milliseconds(0)); };
}

Supervisor::~Supervisor() {
  step_limit_.cancel();
  feeds_.cancel();
  downloads_.reset();
  shared_limits_.reset();
  traces_.stop();
  signals_.reset();
  app_.reset();
  admin_.reset();
  health_.reset();
  metrics_.reset();
  for (auto& worker : workers_) worker->join();
  if (services_) services_->stop();
  mesh_.stop();
  workers_.clear();
  services_.reset();
  for (int i = 0; i < 3; ++i) control_.run_turn(false);  // what was closed just now
}

std::string Supervisor::start() {
  const bool sandbox = settings_.own_process && document_.lifecycle.sandbox;
  if (sandbox && holds_keys(document_)) keep_memory_private();
  if (auto problem = credentials_.start(); !problem.empty()) return problem;
  state_.identity = credentials_.identity();
  if (document_.access_log.format != config::AccessLog::Format::Off) {
    using Format = exchange::AccessLogWriter::Format;
    const auto& log = document_.access_log;
    access_log_ = std::make_unique<exchange::AccessLogWriter>(
        log.format == config::AccessLog::Format::Json ? Format::Json : Format::Text, log.to, log.sample, log.sample_errors);
    if (!access_log_->opened()) return "telemetry.access_log.to: cannot write to " + log.to + ": " + std::strerror(errno);
  }
  auto snapshot = compile(document_, 1, credentials_.workload(), tls_files_);
  if (!snapshot) return snapshot.why();
  snapshot_ = *snapshot;
  downloads_ = std::make_unique<Downloads>(control_, *catalog_, *shard_);
  shared_limits_ = std::make_unique<SharedLimits>(control_, *catalog_, *shard_);
  for (const auto& feed : snapshot_->feeds) {
    if (feed->shared()) shared_limits_->add(feed);
    if (feed->download())
      if (const auto problem = downloads_->add(feed, tls_files_); !problem.empty()) return "filters: " + problem;
  }
  if (auto problem = traces_.configure(document_, tls_files_); !problem.empty()) return problem;
  tls_files_.watch(control_, *catalog_, *shard_, settings_.file_look);
  const auto peers = std::make_shared<exchange::PeerNames>(document_.identity.trust_domain);
  for (uint32_t i = 0; i < threads_of(document_); ++i) {
    worker_shards_.push_back(catalog_->make_shard());
    workers_.push_back(std::make_unique<Worker>(int(i), *catalog_, *worker_shards_.back(), access_log_.get(),
                                                document_.registry.idle_timeout, peers, *this));
    workers_.back()->trace_to(traces_);
  }
  services_ = std::make_unique<Services>(control_, *catalog_, *shard_, workers_);
  services_->listen(this);
  state_.services = services_.get();
  for (auto step : {&Supervisor::open_listeners, &Supervisor::open_pages})
    if (auto problem = (this->*step)(); !problem.empty()) return problem;
  // Threads have what the one that starts them has: this is the last moment before the first of them.
  if (sandbox)
    if (const auto problem = drop_capabilities(files_of(document_), !settings_.command.empty(), binds_low_port(document_));
        !problem.empty())
      log::warn("sandbox: capabilities were not dropped", {{"reason", problem}});
  if (access_log_) access_log_->start();
  if (auto problem = start_mesh(); !problem.empty()) return problem;
  add_sources(*collector_, *catalog_, state_, view_, tls_files_, access_log_.get());
  turns_ = std::make_unique<TurnWatch>(control_, mesh_, *catalog_, *shard_);
  memory_ = std::make_unique<MemoryReturn>(control_, snapshot_->connections);
  for (auto& worker : workers_) {
    worker->adopt(snapshot_);
    worker->start();
  }
  watch_overload();
  add_services();
  if (settings_.signals)
    signals_ = std::make_unique<Signals>(control_, *this, std::vector<int>{SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT});
  if (!settings_.command.empty()) {
    app_ = std::make_unique<App>(control_, *this);
    if (auto problem = app_->start(settings_.command); !problem.empty()) return problem;
  }
  if (sandbox)
    if (const auto problem = confine(app_ ? app_->pid() : 0); !problem.empty())
      log::warn("sandbox: the process is not confined", {{"reason", problem}});
  if (!snapshot_->feeds.empty()) control_.arm(feeds_, settings_.file_look);
  downloads_->start();
  shared_limits_->start();
  state_.started = true;
  say_hello();
  if (document_.service && state_.local_cluster.empty()) announce();
  return {};
}

int Supervisor::run() {
  control_.run();
  uint32_t cut_streams = 0;
  for (const auto& worker : workers_) cut_streams += worker->cut_streams();
  if (app_code_) return *app_code_;
  if (cut_streams) log::warn("stopped: the deadline cut streams off", {{"streams", cut_streams}});
  else log::info("stopped");
  return cut_streams ? 1 : 0;
}

void Supervisor::end() {
  control_.post([this] { leave(document_.lifecycle.drain_delay); });
}

// --- what there is ----------------------------------------------------------------------------------------------

std::string Supervisor::start_mesh() { return mesh_.start(document_, state_.identity); }

// The first worker takes the address as it is written, the others the port it came to.
std::string Supervisor::open_listeners() {
  for (const auto& listener : document_.listeners) state_.listeners += listener.addresses.size();
  for (const auto& plan : snapshot_->listeners)
    for (net::Address at : plan->addresses)
      for (size_t i = 0; i < workers_.size(); ++i) {
        if (at.is_unix() && i > 0) continue;  // a path has one socket: one worker accepts for all of them
        const auto fd = net::open_listener(at, i == 0 ? net::Port::Alone : net::Port::Shared);
        if (!fd) return cannot_listen("listeners." + plan->name + ".address", at, fd.error());
        if (i == 0) {
          at = net::Address::local_of(*fd);
          addresses_.emplace_back(plan->name, at);
          ++state_.listening;
        }
        workers_[i]->open(plan, *fd);
      }
  return {};
}

std::string Supervisor::open_pages() {
  struct Port {
    const char* name;
    const char* key;
    const std::string& address;
    std::unique_ptr<admin::AdminServer>& server;
  };
  for (const Port& port : {Port{"admin", "admin.address", document_.admin.address, admin_},
                           Port{"health", "admin.health", document_.admin.health, health_},
                           Port{"metrics", "telemetry.metrics.address", document_.metrics.address, metrics_}}) {
    if (port.address.empty()) continue;
    const auto at = net::Address::parse(port.address);
    if (!at) return std::string(port.key) + ": \"" + port.address + "\" is no address";
    port.server = std::make_unique<admin::AdminServer>(control_);
    if (const auto done = port.server->listen(*at); !done) return cannot_listen(port.key, *at, done.error());
    addresses_.emplace_back(port.name, port.server->local());
  }
  if (admin_) {
    admin_->only_owner();
    admin::add_admin_pages(*admin_, view_, *catalog_);
    admin_->page("/tap", http::Method::Get, watchers_.page(), admin::From::Local);
  }
  if (health_) admin::add_health_pages(*health_, view_);
  if (metrics_) metrics_->page("/metrics", http::Method::Get, std::make_unique<admin::MetricsPage>(control_, collector_));
  return {};
}

net::Address Supervisor::address_of(std::string_view listener) const {
  for (const auto& [name, address] : addresses_)
    if (name == listener) return address;
  return {};
}

void Supervisor::add_services() {
  services_->by_name(mesh_.registry(), snapshot_->by_name);
  for (size_t i = 0; i < document_.clusters.size(); ++i)
    services_->add(snapshot_->clusters[i], snapshot_->limits[i], endpoints_.add(document_.clusters[i], mesh_.registry()));
}

void Supervisor::say_hello() const {
  const auto build = this_build();
  log::info("outrider is up", {{"version", build.version},
                               {"mode", config::name_of(document_.mode)},
                               {"workers", workers_.size()},
                               {"config", document_.file.empty() ? "(none)" : document_.file}});
  for (const auto& [name, address] : addresses_) log::info("listening", {{"listener", name}, {"address", address.text()}});
  if (document_.mode == config::Mode::Sidecar && document_.identity.mtls == config::Identity::Mtls::Off)
    log::warn(!document_.identity ? "traffic between sidecars is clear text: there is no identity (identity.dir)"
                                  : "traffic between sidecars is clear text (identity.mtls: off)");
  if (!mesh_) return;
  const auto view = view_.registry();
  log::info("registry", {{"node", view.node_id}, {"address", view.address}, {"seeds", view.seeds.size()}});
  if (!view.sealed) log::warn("registry packets are not sealed: whoever reaches the port may take part (registry.key)");
  if (!view.signed_records)
    log::warn("registrations are unsigned: without identity.dir nobody can tell a forged one (identity.dir)");
}

void Supervisor::look_after_feeds() {
  for (const auto& feed : snapshot_->feeds) feed->look();
  control_.arm(feeds_, settings_.file_look);
}

void Supervisor::watch_overload() {
  const auto turn = [this] {
    milliseconds longest{0};
    for (const auto& worker : workers_) longest = std::max(longest, worker->longest_turn());
    return longest;
  };
  auto memory = settings_.cgroup.empty() ? CgroupMemory::own() : CgroupMemory({settings_.cgroup});
  overload_ = std::make_unique<OverloadWatch>(control_, *catalog_, *shard_, document_.overload,
                                              OverloadWatch::Sources{std::move(memory), snapshot_->connections, turn},
                                              snapshot_->pressure);
  state_.overload = overload_.get();
}

// --- what workers and the registry say --------------------------------------------------------------------------

std::shared_ptr<const upstream::ClusterPlan> Supervisor::plan_for(std::string_view service) {
  return services_->plan_for(service);
}

std::shared_ptr<upstream::Limits> Supervisor::limits_for(std::string_view service) { return services_->limits_for(service); }

void Supervisor::on_watch(int worker, const std::string& service) {
  control_.post([this, worker, service] { services_->watch(worker, service); });
}

void Supervisor::on_unwatch(int worker, const std::string& service) {
  control_.post([this, worker, service] { services_->unwatch(worker, service); });
}

void Supervisor::on_ejected(const std::string& cluster) {
  control_.post([this, cluster] { services_->refresh(cluster); });
}

void Supervisor::on_cluster_changed(const std::string& cluster) {
  if (cluster == state_.local_cluster) announce();
}

// Registered is what answers: an app that does not is withdrawn until it does again.
void Supervisor::announce() {
  using upstream::Health;
  const auto group = services_->all().find(state_.local_cluster);
  bool up = document_.service.health.kind == config::Health::Kind::Off;
  if (group != services_->all().end() && group->second.set)
    for (const auto& member : group->second.set->members)
      up |= member.endpoint->health.load(std::memory_order_relaxed) == Health::Healthy;
  if (up != state_.app_up) log::info(up ? "the app answers" : "the app does not answer", {{"service", document_.service.name}});
  state_.app_up = up;
  if (!mesh_ || !document_.service.do_register || state_.draining || up == announced_) return;
  announced_ = up;
  const std::string service = document_.service.name_space + "/" + document_.service.name;
  if (!up) {
    mesh_.registry()->withdraw(service);
    state_.announced_as.clear();
    return;
  }
  net::Address at = address_of("inbound");
  discovery::Instance self;
  self.address = advertised(document_.node.address, at);
  self.version = document_.service.version;
  self.zone = document_.node.zone;
  self.labels = document_.node.labels;
  self.weight = document_.service.weight;
  self.slots = slots_of(document_.service);
  for (const auto& listener : document_.listeners)
    if (listener.name == "inbound") self.mutual_tls = listener.tls.identity;
  if (!document_.service.ports.empty()) self.protocol = config::name_of(document_.service.ports[0].protocol);
  mesh_.registry()->announce(service, self);
  state_.announced_as = service;
  log::info("registered", {{"service", service}, {"address", self.address}});
}

// --- the way out ------------------------------------------------------------------------------------------------

void Supervisor::on_signal(int number) {
  if (number != SIGTERM && number != SIGINT) {
    if (app_) app_->signal(number);
    return;
  }
  if (step_ != Step::Running) {  // somebody is in a hurry
    log::warn("asked again: what is left is cut off");
    return cut();
  }
  // Ctrl-C is a person at a terminal, who does not want to wait for others to notice.
  leave(number == SIGINT ? milliseconds(0) : document_.lifecycle.drain_delay);
}

void Supervisor::on_app_exit(int code) {
  log::info("the app has ended", {{"code", code}});
  if (step_ == Step::Running && !document_.lifecycle.exit_with_app) return;
  app_code_ = code;
  if (step_ == Step::Running) leave(milliseconds(0));
  else if (step_ == Step::EndingApp) drain_all();
}

void Supervisor::leave(milliseconds delay) {
  if (step_ != Step::Running) return;
  step_ = Step::Leaving;
  log::info("leaving", {{"delay_ms", delay.count()}});
  withdraw();
  control_.arm(step_limit_, delay);
}

// Nobody is to be sent here any more; whoever still comes is served.
void Supervisor::withdraw() {
  state_.draining = true;
  if (mesh_ && announced_) mesh_.registry()->withdraw(state_.announced_as);
  announced_ = false;
}

void Supervisor::on_step_over() {
  switch (step_) {
    case Step::Leaving: return app_ && app_->running() ? drain_inbound() : drain_all();
    case Step::DrainingInbound: return end_app();
    case Step::EndingApp:
      if (std::exchange(killed_, true)) return drain_all();  // it cannot be ended: not ours to signal
      app_->signal(SIGKILL);
      return control_.arm(step_limit_, kCutLimit);
    case Step::DrainingAll: return cut();
    case Step::Cutting: return stop();
    case Step::Running:
    case Step::Stopped: return;
  }
}

void Supervisor::drain_inbound() {
  step_ = Step::DrainingInbound;
  drained_ = 0;
  for (auto& worker : workers_) worker->drain(Drain::Inbound);
  control_.arm(step_limit_, document_.lifecycle.drain_time);
}

void Supervisor::end_app() {
  step_ = Step::EndingApp;
  if (!app_->running()) return drain_all();
  app_->signal(SIGTERM);
  control_.arm(step_limit_, document_.lifecycle.drain_time);
}

void Supervisor::drain_all() {
  step_ = Step::DrainingAll;
  drained_ = 0;
  for (auto& worker : workers_) worker->drain(Drain::All);
  control_.arm(step_limit_, document_.lifecycle.drain_time);
}

void Supervisor::on_drained(int, Drain what) {
  control_.post([this, what] {
    const bool inbound = step_ == Step::DrainingInbound && what == Drain::Inbound;
    const bool all = (step_ == Step::DrainingAll || step_ == Step::Cutting) && what == Drain::All;
    if (!(inbound || all) || ++drained_ < workers_.size()) return;
    all ? stop() : end_app();
  });
}

// Each worker counts what it had to cut, and then has nothing left to drain.
void Supervisor::cut() {
  if (app_) app_->signal(SIGKILL);
  step_ = Step::Cutting;
  drained_ = 0;
  for (auto& worker : workers_) {
    worker->cut();
    worker->drain(Drain::All);
  }
  control_.arm(step_limit_, kCutLimit);
}

void Supervisor::stop() {
  step_ = Step::Stopped;
  step_limit_.cancel();
  for (auto& worker : workers_) worker->join();
  traces_.finish([this] { control_.stop(); });
}

}  // namespace outrider::server
