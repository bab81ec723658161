#include "server/signals.h"

#include <uv.h>

namespace outrider::server {

struct Signals::Watch {
  uv_signal_t handle;
  SignalEvents* events;
};

Signals::Signals(net::Loop& control, SignalEvents& events, const std::vector<int>& numbers) {
  for (const int number : numbers) {
    auto* watch = new Watch{{}, &events};
    uv_signal_init(control.raw(), &watch->handle);
    watch->handle.data = watch;
    uv_signal_start(
        &watch->handle, [](uv_signal_t* handle, int signal) { static_cast<Watch*>(handle->data)->events->on_signal(signal); },
        number);
    watches_.push_back(watch);
  }
}

Signals::~Signals() {
  for (Watch* watch : watches_) {
    uv_signal_stop(&watch->handle);
    uv_close(reinterpret_cast<uv_handle_t*>(&watch->handle),
             [](uv_handle_t* handle) { delete static_cast<Watch*>(handle->data); });
  }
}

}  // namespace outrider::server
