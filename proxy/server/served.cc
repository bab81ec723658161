// The supervisor's part in what is served: where, by which configuration, and another in its place.

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "admin/metrics_page.h"
#include "admin/pages.h"
#include "config/restart.h"
#include "net/transparent.h"
#include "server/app_probes.h"
#include "server/autoscale.h"
#include "server/compile.h"
#include "server/config_pages.h"
#include "server/decision_page.h"
#include "server/runtime_pages.h"
#include "server/supervisor.h"

namespace outrider::server {

namespace {

// A listener that TPROXY leads to. Empty, or why it cannot be one.
std::string let_through(const exchange::ListenerPlan& plan, int fd) {
  if (!plan.tproxy || (net::take_up_transparency() && net::let_through(fd))) return {};
  return "listeners." + plan.name +
         ".transparent: tproxy takes CAP_NET_ADMIN or CAP_NET_RAW, which this process does not have, or has given up since its start "
         "(Kubernetes: securityContext.capabilities.add: [NET_ADMIN], and the image's file capability; lifecycle.sandbox keeps it for "
         "listeners that are there at the start); transparent: redirect takes none";
}

std::string cannot_listen(const std::string& key, const net::Address& at, const Error& why) {
  return key + ": cannot listen on " + at.text() + ": " + std::strerror(why.os_error);
}

}  // namespace

Supervisor::Opening::~Opening() {
  for (const auto& all : by_worker)
    for (const auto& each : all) ::close(each.fd);
}

// The first worker takes the address as it is written, the others the port it came to. An address that is another's of our own,
// which is about to leave, is shared with it for a moment. Sockets of a process before us are all taken, however many workers it
// had: closing one would take the queue of it away.
std::string Supervisor::open_listeners(const exchange::Snapshot& of, Opening& opening) {
  opening.by_worker.resize(workers_.size());
  for (const auto& plan : of.listeners)
    for (const net::Address& asked : plan->addresses) {
      const auto is_open = [&](const Bound& each) { return each.is_for(asked, plan->name); };
      if (std::any_of(bound_.begin(), bound_.end(), is_open)) {
        for (const Opened& each : opened_)  // it may have been another kind of listener before
          if (each.kind == Handed::Kind::Listener && each.address == asked.text())
            if (auto problem = let_through(*plan, each.fd); !problem.empty()) return problem;
        continue;
      }
      const bool ours = std::any_of(bound_.begin(), bound_.end(), [&](const Bound& each) {
        return !asked.is_unix() && each.local.port() == asked.port() && each.local.port() != 0;
      });
      net::Address at = asked;
      std::vector<int> inherited;
      if (settings_.inheritance && !state_.started) inherited = settings_.inheritance->listeners(plan->name, asked.text());
      for (size_t i = 0; i < std::max(workers_.size(), inherited.size()); ++i) {
        if (at.is_unix() && i > 0) continue;  // a path has one socket: one worker accepts for all of them
        const auto fd = i < inherited.size() ? Result<int>(inherited[i])
                                             : net::open_listener(at, i == 0 && !ours ? net::Port::Alone : net::Port::Shared);
        if (!fd) return cannot_listen("listeners." + plan->name + ".address", at, fd.error());
        if (i == 0) {
          at = net::Address::local_of(*fd);
          opening.bound.push_back({plan->name, asked, at});
        }
        opening.by_worker[i % workers_.size()].push_back({plan->name, asked, *fd});
        if (auto problem = let_through(*plan, *fd); !problem.empty()) return problem;
      }
    }
  return {};
}

// Nothing in here can fail.
void Supervisor::serve(std::shared_ptr<const exchange::Snapshot> snapshot, Opening& opening) {
  snapshot_ = std::move(snapshot);
  for (size_t i = 0; i < workers_.size(); ++i) {
    for (const auto& each : opening.by_worker[i])
      opened_.push_back({Handed::Kind::Listener, each.listener, each.address.text(), i, each.fd});
    workers_[i]->adopt(snapshot_, std::exchange(opening.by_worker[i], {}));
  }
  std::vector<Bound> bound;
  for (const auto& plan : snapshot_->listeners)
    for (const net::Address& asked : plan->addresses)
      for (const auto* from : {&bound_, &opening.bound})
        for (const Bound& each : *from)
          if (each.is_for(asked, plan->name)) bound.push_back({plan->name, asked, each.local});
  {
    const std::lock_guard lock(bound_mutex_);
    bound_ = std::move(bound);
  }
  std::erase_if(opened_, [&](Opened& socket) {
    if (socket.kind != Handed::Kind::Listener) return false;
    for (const Bound& each : bound_)
      if (each.asked.text() == socket.address && each.is_for(each.asked, socket.name)) return socket.name = each.listener, false;
    return true;
  });
  state_.version = snapshot_->version;
  state_.listeners = state_.listening = bound_.size();
}

std::string Supervisor::apply(config::Document next) {
  if (step_ != Step::Running) return "the proxy is on its way out";
  if (awaits_turn() || (upgrade_ && upgrade_->under_way())) return "an upgrade is under way";
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
  traces_.hold_files(tls_files_);
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
  autoscale_->follow();
  watch_app();
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
    std::vector<int> inherited;
    if (settings_.inheritance) inherited = settings_.inheritance->page(port.name, at->text());
    const auto fd = inherited.empty() ? net::open_listener(*at) : Result<int>(inherited[0]);
    if (!fd) return cannot_listen(port.key, *at, fd.error());
    port.server->listen(*fd);
    if (settings_.inheritance) port.server->hold();
    opened_.push_back({Handed::Kind::Page, port.name, at->text(), 0, *fd});
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
    admin_->page("/explain", http::Method::Get, decision_page(control_, workers_, state_), admin::From::Local);
    if (upgrade_) admin_->page("/upgrade", http::Method::Post, upgrade_->page(), admin::From::Local);
    if (!document_->lifecycle.quit_page)
      admin_->action("/quitquitquit", [](const admin::Ask&) {
        return admin::Reply{.status = 403, .body = "lifecycle.quit is off: the process ends by a signal.\n"};
      });
  }
  if (health_) {
    admin::add_health_pages(*health_, view_);
    add_probe_pages(*health_, settings_.document, *catalog_, *shard_);  // what admin says needs a restart to be another
  }
  if (metrics_) metrics_->page("/metrics", http::Method::Get, std::make_unique<admin::MetricsPage>(control_, collector_));
  return {};
}

void Supervisor::update_services(const config::Document* before) {
  const auto defaults = [](const config::Document& of) {
    const config::Node* all = of.effective.find("defaults");
    return all ? all->find("cluster") : nullptr;
  };
  const config::Node *was = before ? defaults(*before) : nullptr, *is = defaults(*document_);
  if (!before || (was && is && !(*was == *is))) services_->by_name(mesh_.names(), snapshot_->by_name);
  for (const std::string& name : services_->configured())
    if (!document_->cluster(name)) {
      services_->remove(name);
      endpoints_.remove(name);
    }
  for (size_t i = 0; i < document_->clusters.size(); ++i) {
    const config::Cluster& cluster = document_->clusters[i];
    if (services_->configured(cluster.name) == snapshot_->clusters[i].get()) continue;
    services_->add(snapshot_->clusters[i], snapshot_->limits[i], [&] { return endpoints_.add(cluster, mesh_.names()); });
  }
}

}  // namespace outrider::server
