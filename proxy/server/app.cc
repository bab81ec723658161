#include "server/app.h"

#include <uv.h>

#include <array>

namespace outrider::server {

struct App::Process {
  uv_process_t handle;
  App* app;
};

App::App(net::Loop& control, AppEvents& events) : control_(control), events_(events) {}

App::~App() {
  if (!process_) return;
  process_->app = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&process_->handle),
           [](uv_handle_t* handle) { delete static_cast<Process*>(handle->data); });
}

std::string App::start(const std::vector<std::string>& command) {
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  std::array<uv_stdio_container_t, 3> streams{};
  for (int fd = 0; fd < 3; ++fd) {
    streams[size_t(fd)].flags = UV_INHERIT_FD;
    streams[size_t(fd)].data.fd = fd;
  }
  uv_process_options_t options{};
  options.file = words[0];
  options.args = words.data();
  options.stdio = streams.data();
  options.stdio_count = 3;
  options.exit_cb = [](uv_process_t* handle, int64_t status, int by_signal) {
    auto* process = static_cast<Process*>(handle->data);
    if (!process->app) return;
    process->app->running_ = false;
    process->app->events_.on_app_exit(by_signal ? 128 + by_signal : int(status));
  };
  process_ = new Process{{}, this};
  process_->handle.data = process_;
  const int status = uv_spawn(control_.raw(), &process_->handle, &options);
  if (status != 0) return "cannot start " + command[0] + ": " + uv_strerror(status);
  running_ = true;
  return {};
}

pid_t App::pid() const { return process_ ? process_->handle.pid : 0; }

void App::signal(int number) {
  if (running_) uv_process_kill(&process_->handle, number);
}

}  // namespace outrider::server
