#pragma once
// A descriptor that a loop watches for one owner. Only for the .cc files of this folder.

#include <sys/epoll.h>

#include "net/loop.h"

namespace outrider::net {

// Made by new, given up by release(), gone at the end of that turn: who is called may give it up, and look at `owner` afterwards.
// `Call` is told EPOLL… bits, also EPOLLERR, again and again until the descriptor's error has been read or the handle released.
template <class Owner>
struct PollHandle final : Watched {
  using Call = void (*)(Owner& owner, int fd, uint32_t events);

  // Null: the kernel has no room for one more, or cannot watch this.
  static PollHandle* make(Loop& loop, int fd, uint32_t events, Owner* owner, Call call) {
    auto* const poll = new PollHandle(loop, owner, call);
    if (loop.watch(*poll, fd, events)) return poll;
    delete poll;
    return nullptr;
  }
  void want(uint32_t events) { loop.want(*this, events); }
  void release(Descriptor then) {
    owner = nullptr;
    loop.unwatch(*this, then);
    loop.retire(*this);
  }

  Loop& loop;
  Owner* owner;

 private:
  PollHandle(Loop& l, Owner* o, Call c) : loop(l), owner(o), call_(c) {}
  void on_events(uint32_t events) override {
    if (owner) call_(*owner, fd, events);
  }
  void on_retired() override { delete this; }
  const Call call_;
};

}  // namespace outrider::net
