#pragma once
// The program beside the proxy, when we were told to start it: `outrider run -- CMD`.

#include <sys/types.h>

#include <string>
#include <vector>

#include "net/loop.h"

namespace outrider::server {

class AppEvents {
 public:
  virtual void on_app_exit(int code) = 0;  // its exit status, or 128 + the signal that ended it

 protected:
  ~AppEvents() = default;
};

// Started with our standard streams and environment, in our process group, so that a terminal's Ctrl-C reaches it as
// it would without us. Owned by the supervisor; control loop.
class App {
 public:
  App(net::Loop& control, AppEvents& events);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;
  std::string start(const std::vector<std::string>& command);  // empty, or why it could not be started
  void signal(int number);
  bool running() const { return running_; }
  pid_t pid() const;  // 0: it was never started

 private:
  struct Process;
  net::Loop& control_;
  AppEvents& events_;
  Process* process_ = nullptr;
  bool running_ = false;
};

}  // namespace outrider::server
