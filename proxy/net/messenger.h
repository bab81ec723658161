#pragma once
// Messages between two processes, each whole and with a descriptor at most: over a pair of unix sockets (SOCK_SEQPACKET).

#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "net/loop.h"

namespace outrider::net {

template <class Owner>
struct PollHandle;  // poll.h

constexpr size_t kMostMessage = 16 * 1024;

// Both ends: non-blocking, close-on-exec. {-1, -1}: the kernel has none, and errno says why.
std::pair<int, int> messenger_pair();

// For who has no loop: one message. False: it did not go, and errno says why. The descriptor stays the caller's.
bool send_message(int socket, std::string_view bytes, int fd = -1);

struct Received {
  enum class What : uint8_t { Message, Nothing, End } what = What::Nothing;  // Nothing: none is there now
  std::string bytes;
  int fd = -1;  // close-on-exec; whoever takes the message owns it
};
Received receive_message(int socket);
Received await_message(int socket, milliseconds limit);  // Nothing: none came by then

class MessengerEvents {
 public:
  virtual void on_message(std::string_view bytes, int fd) = 0;  // owns fd, -1: there is none; may destroy the messenger
  virtual void on_hung_up() = 0;                                // the other end is closed; likewise

 protected:
  ~MessengerEvents() = default;
};

// Owned by whoever speaks over it; its loop's thread; its end closes the socket and drops what has not gone.
class Messenger {
 public:
  Messenger(Loop& loop, MessengerEvents& owner, int socket);
  ~Messenger();
  Messenger(const Messenger&) = delete;
  Messenger& operator=(const Messenger&) = delete;
  void send(std::string bytes, int fd = -1);  // in order; the descriptor is closed here once it has gone
  size_t unsent() const { return waiting_.size(); }

 private:
  struct Waiting {
    std::string bytes;
    int fd;
  };
  void on_events(uint32_t events);
  void flush();
  Loop& loop_;
  MessengerEvents& owner_;
  PollHandle<Messenger>* poll_ = nullptr;
  const int socket_;
  std::deque<Waiting> waiting_;
  BoundTimer<Messenger, &Messenger::flush> again_{*this};  // the kernel has too many descriptors on their way
};

}  // namespace outrider::net
