#pragma once
// When the application beside us, which somebody else has started, has ended for good: lifecycle.exit_with: app.

#include <functional>
#include <optional>
#include <string>

#include "config/document.h"
#include "net/loop.h"
#include "server/app_watch.h"
#include "server/pod_processes.h"

namespace outrider::server {

class AppEndEvents {
 public:
  virtual void on_app_gone(const std::string& how) = 0;  // once

 protected:
  ~AppEndEvents() = default;
};

// Looks at the processes of the pod, where they are seen, else at the application's port. It ends when what was there is not, for
// `app.grace`: a container that has failed may be started again. What never came is waited for: `app.wait`; where processes are
// seen, and there is nobody, there is nothing to stay for then; where only a port is, the application may be one that listens
// nowhere: that is said, and no more. Owned by the supervisor; control loop.
class AppEnd {
 public:
  static constexpr milliseconds kSoon{50}, kProcesses{200}, kPort{1000};  // between two looks: until it is there; then
  AppEnd(net::Loop& control, AppEndEvents& events, PodProcesses processes = PodProcesses());
  // From now on by these; `address`: where the application listens, empty: nowhere.
  void follow(const config::Lifecycle& lifecycle, std::string address);
  void stop() { next_.cancel(); }
  bool sees_processes() const { return processes_.shared(); }
  // At this moment: neither a process of it, where they are seen, nor its port.
  bool gone_now(const config::Lifecycle& lifecycle, const std::string& address);
  bool was_there() const { return processes_.shared() ? processes_.seen() : was_there_; }
  void note_there() { was_there_ = true; }  // its health check says so

 private:
  void on_look();
  bool look();
  net::Loop& control_;
  AppEndEvents& events_;
  PodProcesses processes_;
  AppWatch port_;
  config::Lifecycle::App which_;
  std::string address_;
  bool was_there_ = false, warned_ = false, ended_ = false;
  TimePoint since_{};  // it is waited for
  std::optional<TimePoint> gone_since_;
  net::BoundTimer<AppEnd, &AppEnd::on_look> next_{*this};
};

}  // namespace outrider::server
