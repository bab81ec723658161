#include "server/app_end.h"

#include <utility>

#include "base/log.h"

namespace outrider::server {

AppEnd::AppEnd(net::Loop& control, AppEndEvents& events, PodProcesses processes)
    : control_(control), events_(events), processes_(std::move(processes)) {}

void AppEnd::follow(const config::Lifecycle& lifecycle, std::string address) {
  which_ = lifecycle.app;
  address_ = std::move(address);
  if (lifecycle.exit_with != config::Lifecycle::ExitWith::App || ended_) return next_.cancel();
  if (next_.armed()) return;
  if (!processes_.shared() && address_.empty())
    return log::warn(
        "lifecycle.exit_with: app has nothing to go by: containers of this pod do not see each other's processes "
        "(shareProcessNamespace), and there is no service.port");
  since_ = control_.now();
  log::info("ends with the app", {{"seen_by", processes_.shared() ? "the pod's processes" : address_}});
  control_.arm(next_, milliseconds(0));
}

bool AppEnd::look() {
  if (processes_.shared()) return processes_.look(which_);
  port_.look(address_);
  const bool there = !port_.gone();  // what is not answered at once, or not understood, is no end
  was_there_ |= port_.there();
  return there;
}

void AppEnd::on_look() {
  const TimePoint now = control_.now();
  const bool there = look();
  control_.arm(next_, !processes_.shared() ? kPort : was_there() ? kProcesses : kSoon);
  if (there) return gone_since_.reset();
  if (was_there()) {
    if (!gone_since_) gone_since_ = now;
    if (now - *gone_since_ < which_.grace) return;
    stop();
    ended_ = true;
    return events_.on_app_gone(processes_.shared() ? "no process of it is left" : "nobody listens at " + address_);
  }
  if (now - since_ < which_.wait || warned_) return;
  if (processes_.shared() && processes_.others().empty()) {
    stop();
    ended_ = true;
    return events_.on_app_gone("it has not come within lifecycle.app.wait");
  }
  warned_ = true;
  if (processes_.shared())
    return log::warn("none of the pod's processes is the app by its name (lifecycle.app.process): it is waited for",
                     {{"there_are", processes_.others()}});
  log::warn(
      "nobody has listened where the app is to: lifecycle.exit_with: app does not see its end by that; "
      "shareProcessNamespace shows its processes",
      {{"address", address_}});
}

bool AppEnd::gone_now(const config::Lifecycle& lifecycle, const std::string& address) {
  if (!address.empty()) port_.look(address);
  return (address.empty() || port_.gone()) && !(processes_.shared() && processes_.look(lifecycle.app));
}

}  // namespace outrider::server
