#pragma once
// What a connection begins with, looked at where it is.

#include <string_view>

#include "net/loop.h"

namespace outrider::net {

template <class Owner>
struct PollHandle;  // poll.h

class FirstBytesEvents {
 public:
  // All that has come, none of it read. `over`: that is all there will be.
  virtual void on_first_bytes(std::string_view bytes, bool over) = 0;

 protected:
  ~FirstBytesEvents() = default;
};

// For those who must know what comes before they can say who is to read it: nothing has left the socket's queue, so whoever gets
// the descriptor finds it as it was accepted. Owned by who waits; its poll handle outlives it by one turn. One thread.
class FirstBytes {
 public:
  static constexpr size_t kMost = 4096;  // of them are seen
  FirstBytes(Loop& loop, FirstBytesEvents& owner, int fd);
  ~FirstBytes();  // closes, what has not been taken
  FirstBytes(const FirstBytes&) = delete;
  FirstBytes& operator=(const FirstBytes&) = delete;
  void look();         // on_first_bytes() comes before it returns, which may end the object
  bool wait();         // it comes again when there is more; idempotent. False: the kernel cannot watch this
  int take(size_t n);  // the descriptor is somebody else's, without its first n bytes

 private:
  void look(bool over);
  Loop& loop_;
  FirstBytesEvents& owner_;
  PollHandle<FirstBytes>* poll_ = nullptr;
  int fd_;
};

}  // namespace outrider::net
