#include "server/supervisor.h"

#include <unistd.h>
#include <csignal>
#include <cstring>

#include <algorithm>

#include "admin/metrics_page.h"
#include "admin/pages.h"
#include "base/log.h"
#include "base/text.h"
#include "discovery/dht/keys.h"
#include "dns/server.h"
#include "net/ticket_keys.h"
#include "net/virtual_addresses.h"
#include "server/autoscale.h"
#include "server/build.h"
#include "server/cluster_plans.h"
#include "server/compile.h"
#include "server/overload.h"
#include "server/samples.h"
#include "server/sandbox.h"
#include "server/threads.h"
#include "stats/names.h"

namespace outrider::server {

namespace {

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

void take_tickets(const exchange::Snapshot& snapshot, const Inheritance& from) {
  for (const auto& plan : snapshot.listeners)
    if (const auto context = plan->tls ? plan->tls->get() : nullptr)
      if (auto* keys = context->tickets_to_hand_over()) (void)keys->load(from.tickets(plan->name));
}

std::string new_instance() {
  const auto id = discovery::new_instance_id();
  return to_hex({reinterpret_cast<const char*>(id.data()), id.size()});
}

}  // namespace

void Supervisor::configure_log(const config::Log& log) {
  static constexpr log::Level kLevels[] = {log::Level::Debug, log::Level::Info, log::Level::Warn, log::Level::Error,
                                           log::Level::Off};
  log::configure(kLevels[size_t(log.level)], log.json ? log::Format::Json : log::Format::Text);
}

Supervisor::Supervisor(Settings settings)
    : settings_(std::move(settings)), document_(std::shared_ptr<void>(), &settings_.document),
      catalog_(catalog_for(document_->metrics)), shard_(catalog_->make_shard()),
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
  const bool is_heir = settings_.inheritance && !(succession_ && !succession_->waiting());  // and its turn has never come
  step_limit_.cancel();
  feeds_.cancel();
  app_look_.cancel();
  app_end_.stop();
  autoscale_.reset();
  downloads_.reset();
  shared_limits_.reset();
  reloader_.reset();
  traces_.stop();
  signals_.reset();
  app_.reset();
  succession_.reset();
  admin_.reset();
  health_.reset();
  metrics_.reset();
  for (auto& worker : workers_) worker->join();
  upgrade_.reset();
  dns_.reset();
  if (is_heir && mesh_) mesh_.registry()->leave_silently();  // whose place we have not taken is still there
  if (services_) services_->stop();
  mesh_.stop();
  workers_.clear();
  services_.reset();
  for (int i = 0; i < 3; ++i) control_.run_turn(false);  // what was closed just now
}

std::string Supervisor::start() {
  auto problem = start_all();
  if (!problem.empty() && settings_.inheritance) settings_.inheritance->tell_failed(problem);
  return problem;
}

std::string Supervisor::start_all() {
  auto* const before = settings_.inheritance.get();
  if (before)
    if (auto problem = before->receive(document_->lifecycle.upgrade_timeout); !problem.empty()) return problem;
  instance_ = before && !before->instance().empty() ? before->instance() : new_instance();
  const bool sandbox = settings_.own_process && document_->lifecycle.sandbox;
  if (sandbox && holds_keys(*document_)) keep_memory_private();
  if (auto problem = credentials_.start(); !problem.empty()) return problem;
  state_.identity = credentials_.identity();
  auto snapshot = compile(*document_, credentials_.workload(), tls_files_, access_logs_);
  if (!snapshot) return snapshot.why();
  snapshot_ = *snapshot;
  if (before) take_tickets(*snapshot_, *before);
  downloads_ = std::make_unique<Downloads>(control_, *catalog_, *shard_);
  shared_limits_ = std::make_unique<SharedLimits>(control_, *catalog_, *shard_);
  if (const auto problem = downloads_->begin(snapshot_->feeds, tls_files_); !problem.empty()) return "filters: " + problem;
  state_.files = &tls_files_;
  if (auto problem = traces_.configure(*document_, tls_files_); !problem.empty()) return problem;
  tls_files_.watch(control_, *catalog_, *shard_, settings_.file_look);
  const auto peers = std::make_shared<exchange::PeerNames>(document_->identity.trust_domain);
  const uint32_t threads = threads_of(*document_);
  make_virtual_addresses();
  for (uint32_t i = 0; i < threads; ++i) {
    worker_shards_.push_back(catalog_->make_shard());
    workers_.push_back(
        std::make_unique<Worker>(int(i), *catalog_, *worker_shards_.back(), document_->registry.idle_timeout, peers, *this));
    workers_.back()->trace_to(traces_);
    workers_.back()->know(virtual_addresses_.get());
  }
  if (settings_.sources)
    reloader_ = std::make_unique<Reloader>(
        control_, *catalog_, *shard_, Reloader::Settings{*settings_.sources, settings_.file_look, settings_.started_from}, *this);
  state_.reloader = reloader_.get();
  services_ = std::make_unique<Services>(control_, *catalog_, *shard_, workers_);
  services_->listen(this);
  state_.services = services_.get();
  if (settings_.own_process)
    upgrade_ = std::make_unique<Upgrade>(control_, static_cast<UpgradeEvents&>(*this), settings_.keeper,
                                         document_->lifecycle.upgrade_timeout);
  Opening opening;
  if (auto problem = open_listeners(*snapshot_, opening); !problem.empty()) return problem;
  if (auto problem = open_pages(); !problem.empty()) return problem;
  if (auto problem = open_dns(); !problem.empty()) return problem;
  // Threads have what the one that starts them has: this is the last moment before the first of them.
  if (sandbox)
    if (const auto problem = drop_capabilities(files_of(*document_), !settings_.command.empty(), binds_low_port(*document_),
                                               takes_others_connections(*document_));
        !problem.empty())
      log::warn("sandbox: capabilities were not dropped", {{"reason", problem}});
  access_logs_.start();
  if (auto problem = start_mesh(); !problem.empty()) return problem;
  add_sources(*collector_, *catalog_, state_, view_, tls_files_, access_logs_);
  turns_ = std::make_unique<TurnWatch>(control_, mesh_, *catalog_, *shard_);
  memory_ = std::make_unique<MemoryReturn>(control_, snapshot_->connections);
  shared_limits_->keep(snapshot_->feeds);
  serve(snapshot_, opening);
  for (auto& worker : workers_) {
    if (before) worker->hold();
    worker->start();
  }
  watch_overload();
  autoscale_ = std::make_unique<Autoscale>(control_, state_, *catalog_);
  autoscale_->follow();
  collector_->add_source([this](stats::Samples& samples) {
    if (autoscale_) autoscale_->add_samples(samples);
  });
  if (before) {
    const std::string service = document_->service.name_space + "/" + document_->service.name;
    assumed_up_ = document_->service && before->announced_as() == service;
    before->drop_rest();
    succession_ = std::make_unique<Succession>(control_, static_cast<SuccessionEvents&>(*this), before->take_channel());
  }
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
  if (awaits_turn()) return {};
  serve_dns();
  say_hello();
  watch_app();
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

std::string Supervisor::start_mesh() {
  const bool asks = settings_.inheritance && document_->registry.kind == config::Registry::Kind::Dht;
  const int socket = asks ? settings_.inheritance->registry(document_->registry.bind, document_->lifecycle.upgrade_timeout) : -1;
  return mesh_.start(*document_, state_.identity, socket, settings_.file_look);
}

net::Address Supervisor::address_of(std::string_view listener) const {
  const std::lock_guard lock(bound_mutex_);
  for (const Bound& each : bound_)
    if (each.listener == listener) return each.local;
  for (const auto& [name, address] : pages_)
    if (name == listener) return address;
  return {};
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

void Supervisor::watch_app() {
  if (app_ || step_ != Step::Running) return;
  const config::Service& service = document_->service;
  std::string at;
  if (service && !service.ports.empty()) {
    const bool v6 = service.address.find(':') != std::string::npos;
    at = (v6 ? "[" + service.address + "]" : service.address) + ":" + std::to_string(service.ports[0].port);
  }
  app_end_.follow(document_->lifecycle, at);
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
    for (const auto& member : group->second.set->members) {
      const Health health = member.endpoint->health.load(std::memory_order_relaxed);
      up |= health == Health::Healthy || (assumed_up_ && health == Health::Unknown);
    }
  if (up != state_.app_up) log::info(up ? "the app answers" : "the app does not answer", {{"service", document_->service.name}});
  state_.app_up = up;
  if (up && document_->service.health.kind != config::Health::Kind::Off) app_end_.note_there();
  if (!mesh_ || !document_->service.do_register || state_.draining || awaits_turn() || up == announced_) return;
  announced_ = up;
  const std::string service = document_->service.name_space + "/" + document_->service.name;
  if (!up) {
    mesh_.registry()->withdraw(service);
    state_.announced_as.clear();
    return;
  }
  net::Address at = address_of("inbound");
  discovery::Instance self;
  self.instance = instance_;
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

}  // namespace outrider::server
