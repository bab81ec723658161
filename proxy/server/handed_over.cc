// The supervisor's part in upgrades: what it leaves to another process, and what it takes over from one.

#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "dns/server.h"
#include "net/ticket_keys.h"
#include "server/supervisor.h"
#include "stats/names.h"

namespace outrider::server {

namespace {

constexpr const char* kPages = "page";  // Handed::text of a connection to one

// A wrong address is the same as none, and is complained about elsewhere.
std::string canonical(const std::string& address) {
  const auto at = net::Address::parse(address);
  return at ? at->text() : address;
}

}  // namespace

// --- the old process --------------------------------------------------------------------------------------------

std::string Supervisor::why_not() {
  if (!document_->lifecycle.upgrade) return "lifecycle.upgrade is off";
  if (!settings_.no_upgrade.empty()) return settings_.no_upgrade;
  if (awaits_turn()) return "this process takes the place of another just now";
  if (step_ != Step::Running || state_.draining) return "this process is leaving";
  // Its exit code is for its parent alone, and its end is ours.
  if (app_) return "the app beside this proxy is its child (run -- CMD): it would lose its parent. Restart both";
  return {};
}

Bequest Supervisor::bequest() {
  Bequest all;
  const uint64_t times = settings_.inheritance ? settings_.inheritance->times() + 1 : 0;
  all.all.push_back({{Handed::Kind::Greeting, state_.announced_as, instance_, times}, -1});
  for (const auto& socket : opened_) all.all.push_back({{socket.kind, socket.name, socket.address, socket.worker}, socket.fd});
  for (const auto& plan : snapshot_->listeners)
    if (const auto context = plan->tls ? plan->tls->get() : nullptr)
      if (auto* keys = context->tickets_to_hand_over())
        all.all.push_back({{Handed::Kind::Tickets, plan->name, keys->save()}, -1});
  return all;
}

int Supervisor::silence_registry(const std::string& bind) {
  const bool same = mesh_ && canonical(bind) == canonical(document_->registry.bind);
  if (!same) return -1;
  return mesh_.registry()->fall_silent();
}

void Supervisor::on_failed_upgrade(bool registry_silent) {
  count_upgrade("failure", 1);
  if (registry_silent && mesh_) mesh_.registry()->speak_again();
}

// Nothing is withdrawn: the registration is the other's now.
void Supervisor::on_successor() {
  step_ = Step::HandingOver;
  state_.draining = true;
  announced_ = false;
  if (mesh_) mesh_.registry()->leave_silently();
  if (dns_) dns_->leave();
  opened_.clear();
  for (auto* server : {&admin_, &health_, &metrics_}) {
    if (!*server) continue;
    const char* const name = server == &admin_ ? "admin" : server == &health_ ? "health" : "metrics";
    (*server)->leave([&](int fd) { upgrade_->pass({Handed::Kind::Connection, name, kPages}, fd); });
  }
  drained_ = 0;
  exchange::Heir& heir = *this;
  for (auto& worker : workers_) worker->hand_over(heir);
  control_.arm(step_limit_, document_->lifecycle.drain_time);
}

void Supervisor::on_released(int fd, const exchange::ListenerPlan& from, uint32_t requests, milliseconds age) {
  control_.post([this, fd, name = from.name, requests, age] {
    upgrade_->pass({Handed::Kind::Connection, name, {}, requests, uint64_t(age.count())}, fd);
  });
}

// --- the new process --------------------------------------------------------------------------------------------

bool Supervisor::ready() {
  for (const auto& part : view_.readiness())
    if (!part.ok) return false;
  return true;
}

void Supervisor::on_turn_come() {
  if (step_ != Step::Running) return;  // somebody has ended us meanwhile: who is in the queues is served on the way out
  for (auto& worker : workers_) worker->let_in();
  for (auto* server : {&admin_, &health_, &metrics_})
    if (*server) (*server)->let_in();
  serve_dns();
  count_upgrade("success", settings_.inheritance->times() + 1);
  say_hello();
  watch_app();
  if (document_->service) announce();
}

void Supervisor::on_inherited(const Handed& connection, int fd) {
  if (connection.text != kPages) {
    std::vector<size_t> doors;  // of this listener: a unix socket has one, whatever workers there are
    for (const auto& socket : opened_)
      if (socket.kind == Handed::Kind::Listener && socket.name == connection.name)
        doors.push_back(socket.worker % workers_.size());
    if (doors.empty()) return void(::close(fd));  // the new configuration has no such listener
    auto& worker = *workers_[doors[control_.random().below(uint32_t(doors.size()))]];
    return worker.take_over(connection.name, fd, uint32_t(connection.number), milliseconds(connection.more));
  }
  for (auto* server : {&admin_, &health_, &metrics_})
    if (*server && connection.name == (server == &admin_ ? "admin" : server == &health_ ? "health" : "metrics"))
      return (*server)->take_over(fd);
  ::close(fd);
}

void Supervisor::on_left_alone() {
  log::error("the process that was to be replaced goes on: this one ends");
  leave(milliseconds(0));
}

void Supervisor::on_all_inherited(size_t connections) {
  log::info("the process before this one has ended", {{"connections_taken_over", connections}});
}

void Supervisor::count_upgrade(const char* result, uint64_t times) {
  shard_->add(catalog_->slot(stats::names::kUpgrades, {{"result", result}}), times);
}

}  // namespace outrider::server
