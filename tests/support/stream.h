#pragma once
// One connection from a test's seat: blocking, and every wait has a limit that fails the test instead of hanging it.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

struct ssl_st;

namespace outrider::test {

struct Message {      // a request or a response as it came
  std::string start;  // first line, without CRLF
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  std::vector<std::pair<std::string, std::string>> trailers;
  bool whole = false;                              // its end was seen as its framing says
  int status() const;                              // of a response; 0 when it is none
  std::string field(std::string_view name) const;  // the first, any case; empty when absent
  size_t count(std::string_view name) const;
};

// Owns its descriptor; used by one thread at a time.
class Stream {
 public:
  Stream() = default;
  explicit Stream(int fd) : fd_(fd) {}
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream();
  static Stream connect(const net::Address& to);  // fails the test when it is refused
  // From here on through TLS, whose handshake is over; `ssl` is freed with this.
  void encrypt(ssl_st* ssl) { ssl_ = ssl; }
  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  bool await(int milliseconds);       // for bytes or the end; false: neither came, which is no failure
  bool send(std::string_view bytes);  // all of it; false when the peer is gone
  // Bytes until `mark`, with it; null when the connection ended or the limit passed before.
  std::optional<std::string> read_until(std::string_view mark);
  std::optional<std::string> read_exactly(size_t n);
  std::string read_all();                 // until FIN or RST
  std::string read_some(size_t at_most);  // at least one byte; empty at the end
  // Head and body as framed. `head_only`: the response to HEAD. Interim responses are messages of their own.
  std::optional<Message> read_message(bool head_only = false);
  bool ended_by_reset() const { return reset_; }  // after a read that came to an end
  bool at_end();                                  // FIN or RST comes next, and nothing before it
  void finish_sending();                          // FIN
  void close();
  void abort();                 // RST
  void set_buffers(int bytes);  // SO_RCVBUF and SO_SNDBUF, to feel back-pressure soon

 private:
  bool fill();
  int fd_ = -1;
  ssl_st* ssl_ = nullptr;
  bool reset_ = false, ended_ = false;
  std::string unread_;
};

}  // namespace outrider::test
