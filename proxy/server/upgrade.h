#pragma once
// Another process takes our place, and we that of another: what is said, in what order, and what follows when it does not come.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/admin_server.h"
#include "net/messenger.h"
#include "server/handover.h"
#include "server/keeper.h"

namespace outrider::server {

struct Bequest {                            // what goes before the new process begins
  std::vector<std::pair<Handed, int>> all;  // Greeting, sockets, keys; descriptors stay ours
};

class UpgradeEvents {  // on the control loop
 public:
  virtual std::string why_not() = 0;  // an upgrade cannot be now; empty: it can
  virtual Bequest bequest() = 0;
  virtual int silence_registry(const std::string& bind) = 0;  // its socket, where it is bound to that; else -1
  virtual void on_failed_upgrade(bool registry_silent) = 0;   // all is to be as it was
  virtual void on_successor() = 0;                            // it is ready: it lets in who comes from here on
  virtual void on_passed_signal(int number) = 0;

 protected:
  ~UpgradeEvents() = default;
};

// One at a time: the keeper starts a process, which gets copies of our listening sockets, makes itself ready, and says so. Until
// then nothing has changed here; what it does instead (it ends, it is not ready within the limit) is the reason that is given.
// Owned by the supervisor; control loop.
class Upgrade final : net::MessengerEvents, KeeperEvents {
 public:
  Upgrade(net::Loop& control, UpgradeEvents& events, int keeper, milliseconds limit);
  ~Upgrade();
  using Told = std::function<void(const std::string& why_not, pid_t successor)>;
  void begin(const std::string& binary, Told told);  // binary empty: the one in place
  std::unique_ptr<admin::Page> page();               // POST /upgrade?binary=PATH
  // After on_successor(): a client's connection, or one to a page; owns the descriptor.
  void pass(const Handed& connection, int fd);
  void give_up(const std::string& why);  // one that is under way
  bool under_way() const { return state_ != State::Idle; }
  bool all_gone() const { return !channel_ || channel_->unsent() == 0; }

 private:
  friend class UpgradePage;
  void on_message(std::string_view bytes, int fd) override;
  void on_hung_up() override;
  void on_started(pid_t process) override { successor_ = process; }
  void on_not_started(const std::string& why) override;
  void on_ended(pid_t process, const std::string& how) override;
  void on_passed_signal(int number) override { events_.on_passed_signal(number); }
  void on_limit();
  void fail(std::string why);
  void tell(const std::string& why_not);
  enum class State : uint8_t { Idle, Waiting, Passed };  // Passed: it is the other's turn
  net::Loop& control_;
  UpgradeEvents& events_;
  Keeper keeper_;
  const milliseconds limit_;
  State state_ = State::Idle;
  std::unique_ptr<net::Messenger> channel_;
  pid_t successor_ = 0;
  bool registry_silent_ = false;
  std::string why_, how_;  // as it says itself; as it has ended
  Told told_;
  net::BoundTimer<Upgrade, &Upgrade::on_limit> timer_{*this};
};

class SuccessionEvents {  // on the control loop
 public:
  virtual bool ready() = 0;
  virtual void on_turn_come() = 0;                                  // we are the one that serves
  virtual void on_inherited(const Handed& connection, int fd) = 0;  // owns fd
  virtual void on_left_alone() = 0;                                 // before our turn has come: it is not wanted any more
  virtual void on_all_inherited(size_t connections) = 0;

 protected:
  ~SuccessionEvents() = default;
};

// The other side of it, in the new process, once everything is open. Owned by the supervisor; control loop.
class Succession final : net::MessengerEvents {
 public:
  Succession(net::Loop& control, SuccessionEvents& events, int channel);
  ~Succession() { look_.cancel(); }
  bool waiting() const { return !came_; }

 private:
  void on_message(std::string_view bytes, int fd) override;
  void on_hung_up() override;
  void on_look();
  net::Loop& control_;
  SuccessionEvents& events_;
  std::unique_ptr<net::Messenger> channel_;
  bool came_ = false;
  size_t connections_ = 0;
  net::BoundTimer<Succession, &Succession::on_look> look_{*this};
};

}  // namespace outrider::server
