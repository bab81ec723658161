#pragma once
// A transport and a codec, and the rule that joins them: readable -> read -> feed -> (end of turn) -> write.

#include <memory>

#include "http/codec.h"
#include "http/voice.h"
#include "net/tls_engine.h"
#include "net/transport.h"

namespace outrider::wire {

class ConnectionOwner {
 public:
  virtual http::StreamEvents* on_stream(http::StreamId id) = 0;  // server role
  virtual void on_connected() {}               // client role: streams may be opened; server role, with TLS: its handshake is over
  virtual void on_partial() {}                 // server role: bytes came that are not a whole head yet
  virtual void on_input_end() {}               // the peer has ended its side, and streams that can do so go on
  virtual void on_idle() = 0;                  // no stream left; keep, pool, or close
  virtual void on_draining() = 0;              // no new streams, please
  virtual void on_gone(const Error& why) = 0;  // once, last: the transport is closed, streams have been told
  // A connection that rests has bytes again; its first ones, or its silence, speak for that wire: null where the codec
  // there is, or HTTP/1, is to make of it what it can. Raw once more: a tunnel was presumed, and now TLS comes. Client role,
  // with TLS: what its handshake has agreed on; not null.
  virtual std::unique_ptr<http::Codec> codec_for(http::CodecEvents&, http::Wire) { return nullptr; }
  // For who takes clear text and sidecars at one port: how to speak with these. Null: TLS is for somebody else.
  virtual std::shared_ptr<const net::TlsContext> for_sidecars() { return nullptr; }
  // Who speaks on a connection that was accepted resting; Unknown: the far side did first, or it is over.
  virtual void on_recognized(http::Voice) {}
  virtual void on_limit() {}  // see HttpConnection::limit()
  virtual void on_over() {}   // the turn of leave() is over: the owner may go, and the connection with it

 protected:
  ~ConnectionOwner() = default;
};

// Who reads, or writes, a connection's socket in its codec's place for a while (Relay). The end of the socket still
// reaches the codec's streams as on_reset, and the owner.
class Diversion {
 public:
  virtual void on_diverted() = 0;  // there may be something to read, or room to write

 protected:
  ~Diversion() = default;
};

// What an owner has codecs for: of what is not HTTP, nothing (HTTP answers it), TLS to be passed through, or everything;
// Tls: that alone, and what is not is for a codec of plain bytes to refuse. Bytes: whatever it is, nobody looks.
enum class Hears : uint8_t { Http, HttpAndTls, Everything, Tls, Bytes };

// The same class serves both sides of the proxy and every wire; only the codec and its role differ. Owned by a Pool or
// an admin server and given up through retire(), or a part of an HttpSession, which leaves it. One worker.
class HttpConnection final : net::TransportEvents, http::CodecEvents, public net::Retired {
 public:
  HttpConnection(net::Loop& loop, ConnectionOwner& owner);
  ~HttpConnection();
  using Tls = std::shared_ptr<const net::TlsContext>;  // null: none
  void accept(int fd, http::Wire wire, const http::CodecLimits& limits, Tls tls = nullptr);
  // Rests until its first bytes, and whenever rest() has succeeded: it has no codec then, and asks its owner for one.
  void accept_resting(int fd, uint32_t input_mark, Hears hears = Hears::Http, Tls tls = nullptr);
  bool resting() const { return !codec_; }
  bool undecided() const { return fresh_; }  // it is not known yet who speaks
  bool presumed() const {
    return fresh_ && wire_ == http::Wire::Raw && hears_ != Hears::Bytes;
  }  // a tunnel, and nobody has spoken
  bool in_handshake() const { return transport_.tls() && !transport_.tls()->established(); }
  bool in_hello() const { return fresh_ && hello_needed_; }  // a client has begun with TLS, and its hello is not whole
  // The client is silent, or has said what is hardly HTTP: from here on it is a tunnel, unless a silent one speaks HTTP
  // before the far side has said anything. False: it has begun what may well be HTTP, and is to be waited for.
  bool presume_raw();
  void presume_http();                  // what has come is not waited for any more: HTTP/1, cut short
  void presume_tls();                   // the same: a hello, cut short
  std::unique_ptr<http::Codec> rest();  // the codec, where that is vacant and there is nothing for it
  // With TLS the handshake may choose another wire, and there is no codec before its end. `foreword` goes before everything else,
  // in clear text.
  Result<Done> connect(const net::Address& to, http::Wire wire, const http::CodecLimits& limits,
                       const net::TlsPeer* tls = nullptr, std::string_view foreword = {}, const net::Address* from = nullptr);
  net::Loop& loop() { return transport_.loop(); }
  net::Transport& transport() { return transport_; }
  const net::Transport& transport() const { return transport_; }
  http::Codec& codec() {
    if (!codec_) codec_ = owner_->codec_for(*this, http::Wire::Http1);
    return *codec_;
  }
  http::Wire wire() const { return wire_; }
  size_t open_streams() const { return codec_ ? codec_->open_streams() : 0; }
  bool connected() const { return transport_.connected(); }
  bool flushed() const { return (!codec_ || codec_->output().empty()) && transport_.unsent() == 0; }  // nothing waits
  // Writes what is there, FIN, drops input up to 1 s, then on_gone. A peer that takes nothing for `limit` is cut off
  // (with RST: it has not got all); 0: it may take its time.
  void close_after_flush(milliseconds limit = milliseconds(30000));
  // Calls on_limit() by then or earlier, whatever was asked for before; not when it is closing. Whoever uses it looks
  // whether its time has really come.
  void limit(milliseconds within);
  // Nothing lies between the socket and the codec, either way.
  bool caught_up() const { return resting() || (codec_->unread().empty() && flushed() && (!input_ended_ || end_delivered_)); }
  void flush();                      // now, not at the end of the turn
  void note_input_end();             // for a diversion that has read FIN
  void divert_reads(Diversion* to);  // null: back to the codec
  void divert_writes(Diversion* to);
  // The transport is of no use any more: streams hear on_reset, then on_gone. Of the many that HTTP/2 may have, the first
  // does at once, the others as newcomers are served: their ends are as dear, and have as much time.
  void fail(const Error& why);
  void tell_all();  // those that wait for that: now
  // The descriptor of a connection that rests in clear text, for another process to go on with: all that has come and was not
  // read is still in it. -1: there is more to it than that. The owner leaves it then.
  int release();
  uint64_t bytes_in() const { return bytes_in_; }
  uint64_t bytes_out() const { return bytes_out_; }
  // The owner is done: closes at once (abort: with RST), calls no one any more, and is deleted after the turn.
  static void retire(std::unique_ptr<HttpConnection> connection, bool abort = false);
  void leave(bool abort = false);  // the same where the owner has it as a part of itself: on_over() is all it hears

 private:
  void on_ready() override;
  void on_readable() override;
  void on_writable() override;
  void on_closed(const Error& why) override;
  http::StreamEvents* on_stream(http::StreamId id) override;
  void on_goaway() override;
  void on_output() override;  // asks the loop for one on_end_of_turn()
  void on_hungry() override;  // feeds what was left, at the end of the turn
  void on_enough() override;  // at that of the next
  void on_idle() override;
  void on_partial() override;
  // All connections' writes stand behind all reads of a turn: sending one by one in between cost 8 % more CPU, because the
  // kernel's way down and our parsing drove each other out of the caches.
  void on_end_of_turn() override;  // one write for everything this turn produced
  void on_retired() override;
  void say_first(std::string_view bytes);
  void feed();
  bool ends_behind_output() const;
  bool recognize();  // false: too little has come to tell who speaks
  http::Voice heard();
  bool awaits_hello(bool& sidecar);
  void secure();
  void decide(http::Voice voice);
  void linger();
  void on_limit();
  void discard();
  struct Ending;
  void tell_next();
  ConnectionOwner* owner_;  // null: its own
  net::Transport transport_;
  std::unique_ptr<http::Codec> codec_;
  std::unique_ptr<Ending> ending_;                  // there are streams that have not heard of it yet
  Diversion *reads_ = nullptr, *writes_ = nullptr;  // null: the codec's
  uint64_t bytes_in_ = 0, bytes_out_ = 0;
  uint32_t read_size_ = 16 * 1024;  // grows to 64 and 256 KiB while reads come back full
  bool hungry_ = false, enough_ = false, input_ended_ = false, end_delivered_ = false, closing_ = false, lingering_ = false,
       gone_ = false;
  bool idle_ = false, shut_ = false, left_ = false;
  Hears hears_ = Hears::Http;
  bool fresh_ = false;  // accepted resting, and who speaks is not known yet
  http::Wire wire_ = http::Wire::Http1;
  uint32_t hello_needed_ = 0;  // with fewer bytes there is no need to look again
  uint32_t discarded_ = 0;
  uint32_t input_mark_ = 64 * 1024;  // more than this unread: reading pauses
  milliseconds flush_limit_{0};
  net::BoundTimer<HttpConnection, &HttpConnection::on_limit> limit_{*this};  // the owner's, then of flushing, of lingering
};

}  // namespace outrider::wire
