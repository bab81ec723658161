#include "server/supervisor.h"

#include <sched.h>
#include <unistd.h>
#include <csignal>
#include <cstring>

#include <algorithm>

#include "admin/metrics_page.h"
#include "admin/pages.h"
#include "base/log.h"
#include "server/build.h"
#include "server/cluster_plans.h"
#include "config/restart.h"
#include "server/compile.h"
#include "server/config_pages.h"
#include "server/overload.h"
#include "server/runtime_pages.h"
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
    : settings_(std::move(settings)), document_(std::shared_ptr<void>(), &settings_.document), catalog_(catalog_for(document_->metrics)),
      shard_(catalog_->make_shard()),
      collector_(std::make_shared<stats::Collector>(*catalog_, bounds_for(document_->metrics), document_->metrics.idle)),
      credentials_(control_, *catalog_, *shard_, *document_, settings_.file_look,
                   [this](const identity::Identity& fresh) {
                     const bool trusts_others = !(state_.identity->trust == fresh.trust);
                     state_.identity = fresh;
                     mesh_.renew(fresh);
                     if (!trusts_others) return;
                     for (auto& worker : workers_) worker->review_trust(document_->identity.drain);
                   }),
      endpoints_(control_, *catalog_, *shard_, settings_.file_look), mesh_(control_, *catalog_, *shard_),
      watchers_(control_, workers_, *catalog_, *shard_) {
  configure_log(document_->log);
  state_.document = document_.get();
  state_.since = net::Loop::clock();
  state_.since_wall = net::Loop::wall();
  state_.local_cluster = local_cluster_of(*document_);
  state_.mesh = &mesh_;
  state_.drain = [this] { withdraw(); };
  state_.quit = [this] { leave(milliseconds(0)); };
}

Supervisor::~Supervisor() {
  step_limit_.cancel();
  feeds_.cancel();
  downloads_.reset();
  shared_limits_.reset();
  reloader_.reset();
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
  const bool sandbox = settings_.own_process && document_->lifecycle.sandbox;
  if (sandbox && holds_keys(*document_)) keep_memory_private();
  if (auto problem = credentials_.start(); !problem.empty()) return problem;
  state_.identity = credentials_.identity();
  auto snapshot = compile(*document_, credentials_.workload(), tls_files_, access_logs_);
  if (!snapshot) return snapshot.why();
  snapshot_ = *snapshot;
  downloads_ = std::make_unique<Downloads>(control_, *catalog_, *shard_);
  shared_limits_ = std::make_unique<SharedLimits>(control_, *catalog_, *shard_);
  if (const auto problem = downloads_->begin(snapshot_->feeds, tls_files_); !problem.empty()) return "filters: " + problem;
  state_.files = &tls_files_;
  tls_files_.watch(control_, *catalog_, *shard_, settings_.file_look);
  const auto peers = std::make_shared<exchange::PeerNames>(document_->identity.trust_domain);
  for (uint32_t i = 0; i < threads_of(*document_); ++i) {
    worker_shards_.push_back(catalog_->make_shard());
    workers_.push_back(std::make_unique<Worker>(int(i), *catalog_, *worker_shards_.back(),
                                                document_->registry.idle_timeout, peers, *this));
  }
  if (settings_.sources)
    reloader_ = std::make_unique<Reloader>(control_, *catalog_, *shard_,
                                           Reloader::Settings{*settings_.sources, settings_.file_look, settings_.started_from}, *this);
  state_.reloader = reloader_.get();
  services_ = std::make_unique<Services>(control_, *catalog_, *shard_, workers_);
  services_->listen(this);
  state_.services = services_.get();
  Opening opening;
  if (auto problem = open_listeners(*snapshot_, opening); !problem.empty()) return problem;
  if (auto problem = open_pages(); !problem.empty()) return problem;
  // Threads have what the one that starts them has: this is the last moment before the first of them.
  if (sandbox)
    if (const auto problem = drop_capabilities(files_of(*document_), !settings_.command.empty(), binds_low_port(*document_));
        !problem.empty())
      log::warn("sandbox: capabilities were not dropped", {{"reason", problem}});
  access_logs_.start();
  if (auto problem = start_mesh(); !problem.empty()) return problem;
  add_sources(*collector_, *catalog_, state_, view_, tls_files_, access_logs_);
  turns_ = std::make_unique<TurnWatch>(control_, mesh_, *catalog_, *shard_);
  memory_ = std::make_unique<MemoryReturn>(control_, snapshot_->connections);
  shared_limits_->keep(snapshot_->feeds);
  serve(snapshot_, opening);
  for (auto& worker : workers_) worker->start();
  watch_overload();
  update_services(nullptr);
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
  downloads_->keep();
  if (reloader_) reloader_->start();
  state_.started = true;
  say_hello();
  if (document_->service && state_.local_cluster.empty()) announce();
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
  control_.post([this] { leave(document_->lifecycle.drain_delay); });
}

// --- what there is ----------------------------------------------------------------------------------------------

std::string Supervisor::start_mesh() { return mesh_.start(*document_, state_.identity); }

Supervisor::Opening::~Opening() {
  for (const auto& all : by_worker)
    for (const auto& each : all) ::close(each.fd);
}

// The first worker takes the address as it is written, the others the port it came to. An address that is another's of our own,
// which is about to leave, is shared with it for a moment.
std::string Supervisor::open_listeners(const exchange::Snapshot& of, Opening& opening) {
  opening.by_worker.resize(workers_.size());
  for (const auto& plan : of.listeners)
    for (const net::Address& asked : plan->addresses) {
      const auto is_open = [&](const Bound& each) { return each.is_for(asked, plan->name); };
      if (std::any_of(bound_.begin(), bound_.end(), is_open)) continue;
      const bool ours = std::any_of(bound_.begin(), bound_.end(), [&](const Bound& each) {
        return !asked.is_unix() && each.local.port() == asked.port() && each.local.port() != 0;
      });
      net::Address at = asked;
      for (size_t i = 0; i < workers_.size(); ++i) {
        if (at.is_unix() && i > 0) continue;  // a path has one socket: one worker accepts for all of them
        const auto fd = net::open_listener(at, i == 0 && !ours ? net::Port::Alone : net::Port::Shared);
        if (!fd) return cannot_listen("listeners." + plan->name + ".address", at, fd.error());
        if (i == 0) {
          at = net::Address::local_of(*fd);
          opening.bound.push_back({plan->name, asked, at});
        }
        opening.by_worker[i].push_back({plan->name, asked, *fd});
      }
    }
  return {};
}

// Nothing in here can fail.
void Supervisor::serve(std::shared_ptr<const exchange::Snapshot> snapshot, Opening& opening) {
  snapshot_ = std::move(snapshot);
  for (size_t i = 0; i < workers_.size(); ++i) workers_[i]->adopt(snapshot_, std::exchange(opening.by_worker[i], {}));
  std::vector<Bound> bound;
  for (const auto& plan : snapshot_->listeners)
    for (const net::Address& asked : plan->addresses)
      for (const auto* from : {&bound_, &opening.bound})
        for (const Bound& each : *from)
          if (each.is_for(asked, plan->name)) bound.push_back({plan->name, asked, each.local});
  bound_ = std::move(bound);
  state_.version = snapshot_->version;
  state_.listeners = state_.listening = bound_.size();
}

std::string Supervisor::apply(config::Document next) {
  if (step_ != Step::Running) return "the proxy is on its way out";
  if (const auto paths = config::needs_restart(*document_, next); !paths.empty()) {
    std::string text;
    for (const auto& path : paths) text += (text.empty() ? "" : ", ") + path;
    return text + (paths.size() == 1 ? " is" : " are") + " read when the process starts: restart it for this change";
  }
  const auto document = std::make_shared<const config::Document>(std::move(next));
  tls_files_.begin();
  const auto snapshot = compile(*document, credentials_.workload(), tls_files_, access_logs_, snapshot_.get());
  std::string problem = snapshot ? std::string() : snapshot.why();
  if (snapshot)
    if (problem = downloads_->begin((*snapshot)->feeds, tls_files_); !problem.empty()) problem = "filters: " + problem;
  Opening opening;
  if (problem.empty()) problem = open_listeners(**snapshot, opening);
  if (!problem.empty()) {
    tls_files_.drop();
    return problem;
  }
  tls_files_.keep();
  shared_limits_->keep((*snapshot)->feeds);
  const auto before = std::exchange(document_, document);
  state_.document = document_.get();
  serve(*snapshot, opening);
  downloads_->keep();
  update_services(before.get());
  if (!snapshot_->feeds.empty() && !feeds_.armed()) control_.arm(feeds_, settings_.file_look);
  if (before->log.level != document_->log.level || before->log.json != document_->log.json) configure_log(document_->log);
  watch_overload();
  announce_anew(*before);
  return {};
}

std::string Supervisor::open_pages() {
  struct Port {
    const char* name;
    const char* key;
    const std::string& address;
    std::unique_ptr<admin::AdminServer>& server;
  };
  for (const Port& port : {Port{"admin", "admin.address", document_->admin.address, admin_},
                           Port{"health", "admin.health", document_->admin.health, health_},
                           Port{"metrics", "telemetry.metrics.address", document_->metrics.address, metrics_}}) {
    if (port.address.empty()) continue;
    const auto at = net::Address::parse(port.address);
    if (!at) return std::string(port.key) + ": \"" + port.address + "\" is no address";
    port.server = std::make_unique<admin::AdminServer>(control_);
    if (const auto done = port.server->listen(*at); !done) return cannot_listen(port.key, *at, done.error());
    pages_.emplace_back(port.name, port.server->local());
  }
  if (admin_) {
    admin_->only_owner();
    admin_->only_local_names();
    admin::add_admin_pages(*admin_, view_, *catalog_);
    if (!document_->admin.debug) admin::keep_health_alone(*admin_);
    admin_->page("/tap", http::Method::Get, watchers_.page(), admin::From::Local);
    if (reloader_) add_config_pages(*admin_, *reloader_);
    add_runtime_pages(*admin_, {[this](config::Log::Level level) { return set_log(level); },
                                [this](uint32_t weight) { return set_weight(weight); }});
  }
  if (health_) admin::add_health_pages(*health_, view_);
  if (metrics_) metrics_->page("/metrics", http::Method::Get, std::make_unique<admin::MetricsPage>(control_, collector_));
  return {};
}

net::Address Supervisor::address_of(std::string_view listener) const {
  for (const Bound& each : bound_)
    if (each.listener == listener) return each.local;
  for (const auto& [name, address] : pages_)
    if (name == listener) return address;
  return {};
}

void Supervisor::update_services(const config::Document* before) {
  const auto defaults = [](const config::Document& of) {
    const config::Node* all = of.effective.find("defaults");
    return all ? all->find("cluster") : nullptr;
  };
  const config::Node *was = before ? defaults(*before) : nullptr, *is = defaults(*document_);
  if (!before || (was && is && !(*was == *is))) services_->by_name(mesh_.registry(), snapshot_->by_name);
  for (const std::string& name : services_->configured())
    if (!document_->cluster(name)) {
      services_->remove(name);
      endpoints_.remove(name);
    }
  for (size_t i = 0; i < document_->clusters.size(); ++i) {
    const config::Cluster& cluster = document_->clusters[i];
    if (services_->configured(cluster.name) == snapshot_->clusters[i].get()) continue;
    services_->add(snapshot_->clusters[i], snapshot_->limits[i], [&] { return endpoints_.add(cluster, mesh_.registry()); });
  }
}

// What the registration says may be another.
void Supervisor::announce_anew(const config::Document& before) {
  const config::Service &was = before.service, &is = document_->service;
  if (was.weight != is.weight) weight_.reset();
  if (!announced_ || (was.weight == is.weight && was.version == is.version && slots_of(was) == slots_of(is))) return;
  announced_ = false;
  announce();
}

void Supervisor::say_hello() const {
  const auto build = this_build();
  log::info("outrider is up", {{"version", build.version},
                               {"mode", config::name_of(document_->mode)},
                               {"workers", workers_.size()},
                               {"config", document_->file.empty() ? "(none)" : document_->file}});
  for (const Bound& each : bound_) log::info("listening", {{"listener", each.listener}, {"address", each.local.text()}});
  for (const auto& [name, address] : pages_) log::info("listening", {{"listener", name}, {"address", address.text()}});
  if (document_->mode == config::Mode::Sidecar && document_->identity.mtls == config::Identity::Mtls::Off)
    log::warn(!document_->identity ? "traffic between sidecars is clear text: there is no identity (identity.dir)"
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
  overload_ = std::make_unique<OverloadWatch>(control_, *catalog_, *shard_, document_->overload,
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
  bool up = document_->service.health.kind == config::Health::Kind::Off;
  if (group != services_->all().end() && group->second.set)
    for (const auto& member : group->second.set->members)
      up |= member.endpoint->health.load(std::memory_order_relaxed) == Health::Healthy;
  if (up != state_.app_up) log::info(up ? "the app answers" : "the app does not answer", {{"service", document_->service.name}});
  state_.app_up = up;
  if (!mesh_ || !document_->service.do_register || state_.draining || up == announced_) return;
  announced_ = up;
  const std::string service = document_->service.name_space + "/" + document_->service.name;
  if (!up) {
    mesh_.registry()->withdraw(service);
    state_.announced_as.clear();
    return;
  }
  net::Address at = address_of("inbound");
  discovery::Instance self;
  self.address = advertised(document_->node.address, at);
  self.version = document_->service.version;
  self.zone = document_->node.zone;
  self.labels = document_->node.labels;
  self.weight = weight_.value_or(document_->service.weight);
  self.slots = slots_of(document_->service);
  for (const auto& listener : document_->listeners)
    if (listener.name == "inbound") self.mutual_tls = listener.tls.identity;
  if (!document_->service.ports.empty()) self.protocol = config::name_of(document_->service.ports[0].protocol);
  mesh_.registry()->announce(service, self);
  state_.announced_as = service;
  log::info("registered", {{"service", service}, {"address", self.address}});
}

std::string Supervisor::set_log(config::Log::Level level) {
  config::Log log = document_->log;
  log.level = level;
  configure_log(log);
  return {};
}

std::string Supervisor::set_weight(uint32_t weight) {
  if (!mesh_ || !document_->service || !document_->service.do_register) return "nothing is registered here";
  if (state_.draining) return "the registration has been withdrawn: this proxy drains";
  weight_ = weight;
  if (!announced_) return {};  // once the app answers
  announced_ = false;
  announce();
  return {};
}

// --- the way out ------------------------------------------------------------------------------------------------

void Supervisor::on_signal(int number) {
  if (number == SIGUSR1) access_logs_.reopen();
  if (number == SIGHUP && reloader_) reloader_->reload({"SIGHUP", ""});
  if (number != SIGTERM && number != SIGINT) {
    if (app_) app_->signal(number);
    return;
  }
  if (step_ != Step::Running) {  // somebody is in a hurry
    log::warn("asked again: what is left is cut off");
    return cut();
  }
  // Ctrl-C is a person at a terminal, who does not want to wait for others to notice.
  leave(number == SIGINT ? milliseconds(0) : document_->lifecycle.drain_delay);
}

void Supervisor::on_app_exit(int code) {
  log::info("the app has ended", {{"code", code}});
  if (step_ == Step::Running && !document_->lifecycle.exit_with_app) return;
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
  control_.arm(step_limit_, document_->lifecycle.drain_time);
}

void Supervisor::end_app() {
  step_ = Step::EndingApp;
  if (!app_->running()) return drain_all();
  app_->signal(SIGTERM);
  control_.arm(step_limit_, document_->lifecycle.drain_time);
}

void Supervisor::drain_all() {
  step_ = Step::DrainingAll;
  drained_ = 0;
  for (auto& worker : workers_) worker->drain(Drain::All);
  control_.arm(step_limit_, document_->lifecycle.drain_time);
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
  control_.stop();
}

}  // namespace outrider::server
