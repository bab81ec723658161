#pragma once
// A stream socket that tells its one owner what happened, and nothing else.

#include <memory>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/tls_context.h"

namespace outrider::net {

class TlsEngine;

template <class Owner>
struct PollHandle;  // poll.h

class TransportEvents {
 public:
  // Connected, and the handshake of TLS over (one that was adopted without TLS is ready at once, without this).
  virtual void on_ready() = 0;
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;                // after a write() that could not finish: it would take bytes again
  virtual void on_closed(const Error& why) = 0;  // once, last; the descriptor is gone

 protected:
  ~TransportEvents() = default;
};

struct ReadResult {
  size_t bytes = 0;
  bool ended = false;  // FIN: nothing more comes, writing may go on
  bool full = false;   // all the room was filled: more is likely waiting
};

// A descriptor we own, watched by the loop (so that splice(2), SO_ORIGINAL_DST and hand-over are possible). Reading is
// on from the start. Owned by a connection; its poll handle outlives it by one turn. One thread.
class Transport {
 public:
  Transport(Loop& loop, TransportEvents& owner);
  ~Transport();  // closes; no event follows
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  Loop& loop() const { return loop_; }
  // Accepted by a listener, non-blocking; with `tls`, on_readable() comes for what has been decrypted.
  // A newcomer until settle().
  void adopt(int fd, std::shared_ptr<const TlsContext> tls = nullptr);
  bool newcomer() const { return newcomer_; }
  void wait_for_turn();                 // a newcomer: on_readable() comes, whatever there is to read
  void settle() { newcomer_ = false; }  // it has been answered: not behind others any more
  // TLS from here on, server's side, where a plain one was adopted; `received` is what has been read of it. As adopt().
  void secure(std::shared_ptr<const TlsContext> tls, Buffer&& received);
  // on_ready or on_closed follows; an error means neither does. `tls`: on_ready comes behind its handshake.
  // `from`: in the name of that client, as transparent.h says.
  Result<Done> connect(const Address& to, const TlsPeer* tls = nullptr, const Address* from = nullptr);
  Result<ReadResult> read(Buffer& into, size_t at_most);  // one recv(2); {0, false} : nothing right now
  // What the kernel took has left `from`; with TLS, what was encrypted. Anything left: on_writable follows.
  // `last`: shut_write() or close() follows in this turn, and its FIN goes in one piece with the bytes.
  Result<size_t> write(Buffer& from, bool last = false);
  // The same through memory of the caller's, for bytes that are not to be held: write() takes what goes at once.
  Result<ReadResult> read(std::span<char> into);
  Result<size_t> write(std::string_view from);
  void want_writable();     // for those who write by the descriptor (splice)
  void note_end();          // for those who read by it: FIN was seen, do not watch for more
  bool has_unread() const;  // bytes have come that nobody has read
  size_t unsent() const;    // encrypted, and not with the kernel yet
  TlsEngine* tls();
  const TlsEngine* tls() const;  // null: plain; then reading and writing by the descriptor is allowed
  bool cut_short() const;        // FIN came without TLS having said so: somebody else may have sent it
  void pause_reading();
  void resume_reading();
  bool reading() const { return reading_; }
  void finish();      // of TLS: says that nothing follows. close() is to
  void shut_write();  // the same, and FIN
  void close();       // no event follows
  int release();      // the descriptor is somebody else's from here on; no event follows
  void abort();       // close with RST: the peer must not take what it got for the whole
  bool open() const { return fd_ >= 0; }
  bool connected() const { return connected_; }  // TCP is; of TLS tls() knows
  int fd() const { return fd_; }

 private:
  struct Secured;
  struct Waiting;
  void watch();
  bool step_handshake();  // false: it is closed
  Result<ReadResult> decrypt(std::span<char> into);
  Result<size_t> send(Buffer& from);
  Result<Done> flush();
  void wait(uint32_t events);
  void serve(uint32_t events);
  void fail(Error why);
  Loop& loop_;
  TransportEvents& owner_;
  PollHandle<Transport>* poll_ = nullptr;
  std::unique_ptr<Secured> secured_;  // null: plain
  std::unique_ptr<Waiting> waiting_;  // a newcomer has been told of by the kernel
  int fd_ = -1;
  bool reading_ = true, ended_ = false, ended_unread_ = false, want_write_ = false, connected_ = false, newcomer_ = false;
  bool last_ = false;  // FIN follows
};

}  // namespace outrider::net
