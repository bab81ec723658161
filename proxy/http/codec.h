#pragma once
// The interface of all wire forms: bytes to messages and back. No socket, no clock, no thread: feed it a file and it
// behaves the same. A codec belongs to one connection and lives on its worker.

#include <memory>
#include <span>

#include "base/buffer.h"
#include "base/result.h"
#include "http/message.h"

namespace outrider::http {

using StreamId = uint32_t;

enum class Reset : uint8_t { None, Refused, Cancelled, Protocol, Internal, Timeout, PeerGone };  // None: h2 NO_ERROR

// One request or one response, as it arrives. Order: interim*, head, body*, then one end: `end` true in on_head or
// on_body, or on_trailers. on_reset may come instead at any point. After either nothing more arrives.
// The head of a tunnel (RequestHead::tunnel()) is never the end, and what is sent behind it goes nowhere before the answer
// has opened it: 101 to Upgrade and to extended CONNECT, whatever the wire says there, or 2xx to plain CONNECT. From then
// on bytes are body both ways, and an end is a half-close. Any other answer is an ordinary one.
class StreamEvents {
 public:
  virtual RequestHead* request_head() { return nullptr; }    // where a server codec parses into
  virtual ResponseHead* response_head() { return nullptr; }  // where a client codec parses into
  // A 1xx other than 101 stands in response_head(); the codec clears the head before it parses the next one into it.
  virtual void on_interim() {}
  virtual void on_head(bool end) = 0;
  virtual void on_body(Buffer&& data, bool end) = 0;
  virtual void on_trailers(HeaderMap& trailers) = 0;  // is an end; the map lives in the head's arena
  virtual void on_sendable() = 0;                     // send_body would take bytes again
  // No end will come. For a server stream with side Downstream and code Protocol or TooLarge the request was
  // malformed: a response may still be sent (the codec closes the connection behind it). Else the peer is gone.
  virtual void on_reset(const Error& why) = 0;

 protected:
  ~StreamEvents() = default;
};

// What the owner of the connection hears. on_output, on_hungry and on_idle may come from inside a send_*, reset,
// consumed or detach, and only note something down; the others come from inside feed() alone.
class CodecEvents {
 public:
  virtual StreamEvents* on_stream(StreamId id) = 0;  // server: who will serve this one? null refuses it
  virtual void on_goaway() = 0;                      // the peer wants no more streams
  virtual void on_output() = 0;                      // output() is not empty any more
  virtual void on_hungry() = 0;                      // eating may go on with what feed() left
  virtual void on_enough() { on_hungry(); }          // the same, and others should be served first
  virtual void on_idle() = 0;                        // the last open stream has ended on both sides
  virtual void on_alive() {}                         // an answer to probe()
  virtual void on_partial() {}                       // h2 server: feed() has left a request's head half read

 protected:
  ~CodecEvents() = default;
};

struct CodecLimits {
  uint32_t max_header_bytes = 64 * 1024;  // a whole head; above it 431 (or 414 while still in the request line)
  uint32_t max_headers = 128;
  uint32_t buffer = 64 * 1024;  // marks of back-pressure: bytes delivered and not consumed; bytes of output
  uint32_t max_streams = 128;   // h2: open at a time, on one connection
  bool http10 = true;           // false: HTTP/1.0 gets 505
  bool encrypted = false;       // h2 client: what it asks for is https
  bool strict = true;           // CL+TE, bare LF, obs-fold ... (llhttp stays strict either way)
};

class Codec {
 public:
  explicit Codec(BlockPool& pool) : unread_(pool) {}
  virtual ~Codec() = default;
  Buffer& unread() { return unread_; }           // the owner's: what has come and feed() has not eaten yet
  virtual Result<Done> feed(Buffer& input) = 0;  // eats what it can; an error ends the connection at once
  virtual Result<Done> end_of_input() = 0;       // FIN: ends an until-close body; anything half-read is an error
  // The connection is gone, and a stream hears on_reset. True: there are others that have to. Only an h2 server tells them
  // one by one.
  virtual bool lose(const Error& why) = 0;
  void lost(const Error& why) {  // the same, and all hear it
    while (lose(why)) {}
  }
  virtual Buffer& output() = 0;  // the owner writes and drops from it; the codec only appends
  virtual void written() {}      // the owner has dropped from output(): on_sendable where it was waited for
  virtual bool can_open() const = 0;
  virtual StreamId open(StreamEvents& events) = 0;  // client

  // `own` belongs to this try only (attempt number, deadline left, trace span, rewritten host): a field there replaces
  // those of the same name in the head, which stays as it is.
  virtual void send_request(StreamId id, const RequestHead& head, std::span<const Field> own, bool end) = 0;
  virtual void send_interim(StreamId id, const ResponseHead& head) = 0;
  virtual void send_response(StreamId id, const ResponseHead& head, bool end) = 0;
  virtual void send_body(StreamId id, Buffer& data,
                         bool end) = 0;  // takes what windows allow, leaves the rest (then on_sendable)
  virtual void send_trailers(StreamId id, const HeaderMap& trailers) = 0;  // an end
  virtual void reset(StreamId id, Reset why) = 0;                          // h1: the connection is not reusable any more
  virtual void consumed(StreamId id, size_t n) = 0;                        // back-pressure: n delivered bytes have gone on
  virtual void detach(StreamId id) = 0;                                    // the owner is going away; call it no more
  virtual uint64_t bypass(StreamId, Way) const { return 0; }               // body bytes that may go socket to socket just now
  virtual void bypassed(StreamId, Way, uint64_t) {}                        // that many went
  virtual void probe() {}                                                  // h2 PING
  // Server: the request that is half there is not waited for any more: as if malformed, with this error; of h2 it is the
  // connection that ends. False: there is none.
  virtual bool refuse(const Error&) { return false; }
  // h2: takes back what nobody attends to any more and of which nothing has gone since the last call. False: there is
  // output, and none of it has gone.
  virtual bool sweep() { return true; }
  virtual void drain() = 0;  // GOAWAY, or `Connection: close` on what is left
  virtual size_t open_streams() const = 0;
  virtual bool reusable() const = 0;                       // another stream could follow on this connection
  virtual bool wants_shut_write() const { return false; }  // tunnels: the peer is to see FIN once output() is empty
  virtual bool peer_done() const { return false; }         // it has said that nothing follows what it has sent, all of it read
  virtual bool broken() const { return false; }            // close with RST behind output(): a message was cut short
  virtual bool wants_input() const = 0;                    // false: full, or waiting for a response; do not read more
  // Server: nothing would be lost if another codec took its place, and it may serve() another connection, whose last
  // stream was `last`.
  virtual bool vacant() const { return false; }
  virtual void serve(CodecEvents&, const CodecLimits&, StreamId) {}

 protected:
  Buffer unread_;
};

enum class Role : uint8_t { Server, Client };
enum class Wire : uint8_t { Http1, Http2, Raw };

std::unique_ptr<Codec> make_codec(Wire wire, Role role, CodecEvents& events, BlockPool& pool, const CodecLimits& limits);

}  // namespace outrider::http
