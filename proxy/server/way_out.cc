// The supervisor's way out: what ends, in which order, and what is cut off.

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/log.h"
#include "server/supervisor.h"
#include "stats/names.h"

namespace outrider::server {

namespace {
constexpr milliseconds kCutLimit{2000};
}

void Supervisor::on_signal(int number) {
  if (number == SIGUSR1) access_logs_.reopen();
  if (number == SIGHUP && reloader_) reloader_->reload({"SIGHUP", ""});
  if (number == SIGUSR2 && upgrade_) return upgrade_->begin({}, [](const std::string&, pid_t) {});
  if (number != SIGTERM && number != SIGINT) {
    if (app_) app_->signal(number);
    return;
  }
  if (++asked_[0] > asked_[1]) ask_to_leave(number);
}

// Whoever signals a whole group, or all of a container, means us once: by the keeper, which passes it on, and ourselves.
void Supervisor::on_passed_signal(int number) {
  if (number != SIGTERM && number != SIGINT) return on_signal(number);
  if (++asked_[1] > asked_[0]) ask_to_leave(number);
}

void Supervisor::ask_to_leave(int number) {
  if (step_ != Step::Running) {  // somebody is in a hurry
    log::warn("asked again: what is left is cut off");
    return cut();
  }
  // Ctrl-C is a person at a terminal, who does not want to wait for others to notice. Where nobody is sent here, and what the
  // app calls may end, there is nobody to wait for.
  const auto& life = document_->lifecycle;
  const bool alone = document_->mode == config::Mode::Sidecar && !document_->service && life.outbound_until_drain;
  leave(number == SIGINT || alone ? milliseconds(0) : life.drain_delay);
}

void Supervisor::on_app_exit(int code) {
  log::info("the app has ended", {{"code", code}});
  if (step_ == Step::Running && document_->lifecycle.exit_with == config::Lifecycle::ExitWith::None) return;
  app_code_ = code;
  if (step_ == Step::Running) leave(milliseconds(0));
  else if (step_ == Step::EndingApp) drain_all();
}

// One that others have started: there is nobody left to serve, or to call for.
void Supervisor::on_app_gone(const std::string& how) {
  if (step_ != Step::Running) return;
  log::info("the app has ended", {{"how", how}});
  app_code_ = 0;  // whatever it ended with, its container says so
  leave(milliseconds(0));
  if (step_ == Step::Leaving) drain_all();
}

void Supervisor::leave(milliseconds delay) {
  if (step_ != Step::Running) return;
  step_ = Step::Leaving;
  if (upgrade_) upgrade_->give_up("this process is leaving");
  log::info("leaving", {{"delay_ms", delay.count()}});
  withdraw();
  app_end_.stop();
  const auto since = std::chrono::duration_cast<milliseconds>(control_.now() - *withdrawn_at_);
  control_.arm(step_limit_, std::max(delay - since, milliseconds(0)));
  if (!app_ && looks_for_app()) on_look_for_app();
}

// Nobody is to be sent here any more; whoever still comes is served.
void Supervisor::withdraw() {
  state_.draining = true;
  if (!withdrawn_at_) withdrawn_at_ = control_.now();
  if (mesh_ && announced_) mesh_.registry()->withdraw(state_.announced_as);
  announced_ = false;
}

void Supervisor::on_step_over() {
  switch (step_) {
    case Step::Leaving: {
      const bool waits = looks_for_app() && !document_->lifecycle.outbound_until_drain;
      return (app_ && app_->running()) || (!app_ && waits) ? drain_inbound() : drain_all();
    }
    case Step::DrainingInbound: return app_ ? end_app() : drain_all();
    case Step::EndingApp:
      if (std::exchange(killed_, true)) return drain_all();  // it cannot be ended: not ours to signal
      app_->signal(SIGKILL);
      return control_.arm(step_limit_, kCutLimit);
    case Step::DrainingAll:
    case Step::HandingOver: return cut();
    case Step::Cutting: return stop();
    case Step::Running:
    case Step::Stopped: return;
  }
}

Drain Supervisor::first_drain() const { return document_->lifecycle.outbound_until_drain ? Drain::All : Drain::Inbound; }

// An app that is not ours to end is waited for: one deadline for all of it.
void Supervisor::drain_inbound() {
  step_ = Step::DrainingInbound;
  drained_ = 0;
  for (auto& worker : workers_) worker->drain(first_drain());
  control_.arm(step_limit_, document_->lifecycle.drain_time);
  if (app_) return;
  deadline_ = control_.now() + document_->lifecycle.drain_time;
  on_look_for_app();
}

bool Supervisor::looks_for_app() const {
  return document_->mode == config::Mode::Sidecar && (!state_.local_cluster.empty() || app_end_.sees_processes());
}

std::string Supervisor::app_address() const {
  const auto group = services_->all().find(state_.local_cluster);
  const bool known = group != services_->all().end() && group->second.set && !group->second.set->members.empty();
  return known ? group->second.set->members.front().endpoint->address : std::string();
}

// Nothing is under way either way, and no connection of the app's is open.
bool Supervisor::nobody_calls() const {
  for (const stats::Series* series : catalog_->series()) {
    const std::string_view name = series->name.name;
    const bool outbound = std::any_of(series->labels.begin(), series->labels.end(), [](const stats::Label& label) {
      return label.name == "direction" && label.value == "outbound";
    });
    if (name == stats::names::kRequestsInFlight.name || (outbound && name == stats::names::kConnectionsActive.name))
      if (int64_t(catalog_->total(*series)) > 0) return false;
  }
  return true;
}

// Where its processes are seen, it is gone when they are. Else by its port, which it may close long before it ends: what it has
// open goes with it. Before the delay is over that is told from one that has not begun to listen by its having been there.
void Supervisor::on_look_for_app() {
  const bool leaving = step_ == Step::Leaving;
  if (!leaving && step_ != Step::DrainingInbound) return;
  const bool sure = app_end_.sees_processes(), counts = leaving ? sure || app_end_.was_there() : inbound_drained_;
  if (counts && app_end_.gone_now(document_->lifecycle, app_address()) && (sure || nobody_calls())) {
    log::info("the app is gone: nobody is waited for");
    return drain_all();
  }
  control_.arm(app_look_, AppWatch::kPace);
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
  const auto left = deadline_ ? std::chrono::ceil<milliseconds>(*deadline_ - control_.now()) : document_->lifecycle.drain_time;
  control_.arm(step_limit_, std::max(left, milliseconds(0)));
}

void Supervisor::on_drained(int, Drain what) {
  control_.post([this, what] {
    const bool first = step_ == Step::DrainingInbound && what == first_drain();
    const bool all = (step_ == Step::DrainingAll || step_ == Step::HandingOver || step_ == Step::Cutting) && what == Drain::All;
    if (!(first || all) || ++drained_ < workers_.size()) return;
    if (all) return stop();
    if (app_) return end_app();
    inbound_drained_ = true;
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

// What has been handed over must have gone, too; the kernel has it then, whatever becomes of us.
void Supervisor::stop() {
  constexpr milliseconds kGoing{8};
  if (upgrade_ && !upgrade_->all_gone() && looks_left_-- > 0) {
    step_ = Step::Cutting;
    return control_.arm(step_limit_, kGoing);
  }
  step_ = Step::Stopped;
  step_limit_.cancel();
  for (auto& worker : workers_) worker->join();
  traces_.finish([this] { control_.stop(); });
}

}  // namespace outrider::server
