#pragma once
// A listening socket on a loop.

#include "base/result.h"
#include "net/address.h"
#include "net/loop.h"

namespace outrider::net {

template <class Owner>
struct PollHandle;  // poll.h

class ListenerEvents {
 public:
  virtual void on_accept(int fd, const Address& peer) = 0;  // the callee owns fd: non-blocking, close-on-exec, no delay

 protected:
  ~ListenerEvents() = default;
};

// Every listener has SO_REUSEPORT, so the kernel would let any process of this user in as well, which would then get a
// share of the connections. Alone: nobody may be there yet, whatever options it set (EADDRINUSE). Shared: for the second
// and later sockets of a port that is known to be ours.
enum class Port : uint8_t { Alone, Shared };

// A bound, listening, non-blocking descriptor. Of a unix socket there is only one, and a stale file is removed first.
Result<int> open_listener(const Address& at, Port port = Port::Alone);

// Accepts, as a newcomer, 64 a turn at most. Owned by a worker's door or an admin server; destroying it closes the socket.
class Listener final : Newcomer {
 public:
  Listener(Loop& loop, ListenerEvents& owner, int fd);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  const Address& local() const { return local_; }
  void pause();  // stops accepting; the kernel's queue waits
  void resume();
  void close();  // lets in who is in the queue; whoever comes later is refused
  void leave();  // closes our descriptor alone: another process has the socket, and the queue

 private:
  void on_turn() override;
  bool accept_one();
  Loop& loop_;
  ListenerEvents& owner_;
  PollHandle<Listener>* poll_ = nullptr;
  int fd_;
  Address local_;
  BoundTimer<Listener, &Listener::resume> starved_{*this};  // out of descriptors: tries again after a while
};

}  // namespace outrider::net
