#pragma once
// A UDP socket on a loop.

#include <span>
#include <string_view>

#include "base/result.h"
#include "net/address.h"
#include "net/loop.h"

namespace outrider::net {

template <class Owner>
struct PollHandle;  // poll.h

class DatagramEvents {
 public:
  virtual void on_datagram(std::span<char> bytes, const Address& from) = 0;  // bytes are the socket's own scratch
  virtual void on_unreachable() {}  // of a socket that is connected: whoever it is connected to has refused, or is not there

 protected:
  ~DatagramEvents() = default;
};

// Owned by whoever speaks over it; lives on its loop's thread; destroying it closes the socket
// and may happen from inside its event.
class Datagram {
 public:
  Datagram(Loop& loop, DatagramEvents& owner);
  ~Datagram();
  Datagram(const Datagram&) = delete;
  Datagram& operator=(const Datagram&) = delete;
  Result<Done> bind(const Address& at);  // port 0: any; ask local() afterwards
  Result<Done> adopt(int fd);            // one that is bound
  int share() const;                     // its descriptor once more, for another process
  void pause();                          // nothing is read; what comes waits
  void resume();
  int send(std::string_view bytes, const Address& to);  // 0, or an errno; full socket buffers drop (EAGAIN)
  Address local() const;
  int descriptor() const { return fd_; }

 private:
  void on_events();
  Loop& loop_;
  DatagramEvents& owner_;
  PollHandle<Datagram>* poll_ = nullptr;
  int fd_ = -1;
};

}  // namespace outrider::net
