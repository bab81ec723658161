#pragma once
// Connections that have not been answered yet go behind those that have.

#include <chrono>

#include "base/intrusive_list.h"
#include "base/time.h"

namespace outrider::net {

struct Newcomer : ListHook<Newcomer> {  // waits for its turn
  virtual void on_turn() = 0;           // it is not in the queue any more

 protected:
  ~Newcomer() = default;
};

// Strangers are dear: a handshake costs what a hundred requests do, and who floods us begins anew all the time. So they
// queue, listeners that would let in more of them, too, and behind all other work of a turn of the loop one of them is
// served, or several while they take little time. Whoever is known waits for one stranger a turn at most. Owned by a loop;
// its thread.
class Newcomers {
 public:
  static constexpr std::chrono::microseconds kATurn{20};
  void wait(Newcomer& one) {  // idempotent
    if (!one.linked()) queue_.push_back(one);
  }
  bool empty() const { return queue_.empty(); }
  bool out_of_time() const { return std::chrono::steady_clock::now() - began_ >= kATurn; }
  void run() {
    began_ = std::chrono::steady_clock::now();
    do queue_.pop_front()->on_turn();
    while (!empty() && !out_of_time());
  }

 private:
  IntrusiveList<Newcomer> queue_;
  TimePoint began_{};
};

}  // namespace outrider::net
