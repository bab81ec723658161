#pragma once
// The small process beside the proxy that can still start another one, because it was there before the sandbox and threads.

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/messenger.h"

namespace outrider::server {

// In every program that can take over from another: what has it not is none, or is too old.
inline constexpr char kTakesOver[] = "outrider takes over: 1";

enum class Keeps : uint8_t {
  Nothing,  // the keeper is a child of the proxy, and a new proxy has another process id
  Pid,      // it is the process that was started: it stays, passes signals on and ends with the proxy's exit code. As process 1
            // of a container it also reaps orphans
};

// Splits the process in two while it has one thread. Returns in the one that is to be the proxy: its end of a messenger to the
// keeper, or -1 with `why` set. The keeper never returns. `upgrades`: without, it starts nothing and lays its rights down.
int start_keeper(Keeps keeps, bool upgrades, std::string& why);

class KeeperEvents {  // on the control loop
 public:
  virtual void on_started(pid_t process) = 0;
  virtual void on_not_started(const std::string& why) = 0;
  virtual void on_ended(pid_t process, const std::string& how) = 0;  // "exited with 2", "was ended by signal 9"
  virtual void on_passed_signal(int number) = 0;

 protected:
  ~KeeperEvents() = default;
};

// The proxy's end of it. Owned by the supervisor; control loop.
class Keeper final : net::MessengerEvents {
 public:
  Keeper(net::Loop& control, KeeperEvents& events, int socket);
  bool there() const { return messenger_ != nullptr; }
  // With our command line and environment, and `channel`, which is closed here. `binary` empty: the one that is in place.
  void start(const std::string& binary, int channel);
  void kill(pid_t process);
  void say_current(pid_t process);  // signals are for that one from now on

 private:
  void on_message(std::string_view bytes, int fd) override;
  void on_hung_up() override;
  KeeperEvents& events_;
  std::unique_ptr<net::Messenger> messenger_;
};

}  // namespace outrider::server
