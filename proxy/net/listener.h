#pragma once
// A listening socket on a loop.

#include "base/result.h"
#include "net/address.h"
#include "net/loop.h"

namespace outrider::net {

template <class Owner>
struct PollHandle;                              // poll.h

class ListenerEvents {
 public:
  virtual void on_accept(int fd, const Address& peer) = 0;   // the callee owns fd: non-blocking, close-on-exec, no delay

 protected:
  ~ListenerEvents() = default;
};

// A bound, listening, non-blocking descriptor with SO_REUSEPORT (not for unix sockets, whose stale file is removed first).
// `so_reuseport` false: another owner of the port is an error (EADDRINUSE) although it set the option too.
Result<int> open_listener(const Address& at);

// Accepts with a budget of 64 a turn. Owned by a worker's door or an admin server; destroying it closes the socket.
class Listener {
 public:
  Listener(Loop& loop, ListenerEvents& owner, int fd);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  const Address& local() const { return local_; }
  void pause();                                  // stops accepting; the kernel's queue waits
  void resume();

 private:
  void on_events();
  Loop& loop_;
  ListenerEvents& owner_;
  PollHandle<Listener>* poll_ = nullptr;
  int fd_;
  Address local_;
};

}  // namespace outrider::net
