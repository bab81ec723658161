#pragma once
// One turn after another: events, timers, mail, and the work that waits for the end of a turn. Wraps a uv_loop_t.
//
// Descriptors of the data path are watched by an epoll of our own, which waits for libuv's, too (uv_backend_fd), and runs it when
// it has something: uv_poll_t would ask the kernel five questions more for each connection (is it non-blocking, can it be
// watched, twice when what is wanted changes, is it gone), and take twice the memory.

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/block_pool.h"
#include "base/intrusive_list.h"
#include "base/random.h"
#include "base/time.h"
#include "net/newcomers.h"
#include "net/timer_wheel.h"

struct uv_loop_s;

namespace outrider::net {

struct EndOfTurn : ListHook<EndOfTurn> {  // asks to be run once when this turn of the loop has seen all its events
  virtual void on_end_of_turn() = 0;

 protected:
  ~EndOfTurn() = default;
};

struct Retired : EndOfTurn {      // something that must outlive the call stack that decided to end it
  virtual void on_retired() = 0;  // recycles or deletes
  void on_end_of_turn() override {}

 protected:
  ~Retired() = default;
};

enum class Descriptor : uint8_t { Kept, Closed };  // what becomes of it now; who is closed leaves the kernel's list by itself

struct Watched : Retired {                      // by Loop::watch; poll.h has the one kind there is
  virtual void on_events(uint32_t events) = 0;  // EPOLL… bits that were wanted, and EPOLLERR
  int fd = -1;
  uint32_t number = 0;               // of this watch: a later one of the same descriptor has another
  uint32_t wanted = 0, watched = 0;  // by the owner; by the kernel

 protected:
  ~Watched() = default;
};

struct Message {  // what another thread may send here; owned by the mailbox
  virtual ~Message() = default;
  virtual void on_delivery() = 0;
};

template <class F>
struct Call final : Message {  // a lambda as a message, for control-side traffic
  explicit Call(F f) : function(std::move(f)) {}
  void on_delivery() override { function(); }
  F function;
};

// One loop, one thread. Only post() and stop() may be called from another thread. Owned by a worker, the supervisor or
// the registry; whatever uses it must be gone before it is.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  void run();                // until stop(); end-of-turn work of the last turn is done
  void run_turn(bool wait);  // tests: one turn
  void stop();               // thread-safe
  TimePoint now() const;     // in milliseconds, read once per turn, when events have come
  static WallTime wall() { return std::chrono::system_clock::now(); }
  static TimePoint clock() { return std::chrono::steady_clock::now(); }  // read now: only for the stamps of an exchange
  void arm(Timer& timer, milliseconds after);  // arms or re-arms; 0 fires in the next turn. Cancel: timer.cancel()
  // The same from the clock's own time, late by 50 us and what the turn takes, where arm() may be by ten milliseconds: for delays
  // that somebody measures. Dearer: the loop reads the clock in each turn, and wakes up for each timer.
  void arm_precisely(Timer& timer, std::chrono::microseconds after);
  // Arms it unless it fires sooner already. For limits that are moved with every message: whoever uses it looks when it
  // fires whether the time has really come.
  void arm_within(Timer& timer, milliseconds after);
  void at_end_of_turn(EndOfTurn& work);         // idempotent
  void at_end_of_next_turn(EndOfTurn& work);    // and not before: when everybody else has had a turn
  void retire(Retired& object);                 // on_retired() after the end-of-turn work, in which it takes no part any more
  void post(std::unique_ptr<Message> message);  // thread-safe; wakes the loop. After stop() messages are dropped
  template <class F>
  void post(F f) {
    post(std::unique_ptr<Message>(std::make_unique<Call<F>>(std::move(f))));
  }
  uv_loop_s* raw();
  // For poll.h. Each for as long as its descriptor is open; false: the kernel cannot. Level-triggered; what is wanted may change
  // often, the kernel is told once a turn.
  bool watch(Watched& one, int fd, uint32_t events);
  void want(Watched& one, uint32_t events);
  void unwatch(Watched& one, Descriptor then);
  BlockPool& blocks() { return blocks_; }
  Random& random() { return random_; }
  Newcomers& newcomers() { return newcomers_; }
  milliseconds longest_turn() { return std::exchange(longest_turn_, {}); }  // of its work, since this was last asked

 private:
  struct Handles;
  bool tell(Watched& one);  // the kernel what is wanted
  void tell_changes();
  bool work_is_left();
  void take_events(bool wait);
  void ring();
  void end_turn();
  void arm_wheel();
  void deliver();
  std::unique_ptr<Handles> handles_;
  BlockPool blocks_;
  Random random_;
  TimerWheel wheel_, fine_wheel_;
  bool fine_ = false;  // there are timers in it
  Newcomers newcomers_;
  TimePoint wheel_armed_for_ = TimePoint::max();  // max(): the alarm is off
  bool wheel_stale_ = false;                      // the wheel may want to be called sooner than that
  milliseconds longest_turn_{0};
  IntrusiveList<EndOfTurn> end_of_turn_, end_of_next_turn_;
  IntrusiveList<Retired, EndOfTurn> retired_;
  std::vector<Watched*> watched_;  // by descriptor
  std::vector<int> changed_;       // descriptors of which something else is wanted
  uint32_t watches_ = 0;
  std::mutex mail_mutex_;
  std::vector<std::unique_ptr<Message>> mail_;
};

}  // namespace outrider::net
