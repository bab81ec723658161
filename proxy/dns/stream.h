#pragma once
// One client that asks by TCP.

#include <string>
#include <string_view>

#include "base/intrusive_list.h"
#include "net/transport.h"

namespace outrider::dns {

class Server;

// Questions as they come (RFC 7766), answers as they are known; so many are under way, and then no more is read. Owned by the
// server's list, ended by its client, at the limit of idleness, or with the server; it retires then. Control loop.
class Stream final : public ListHook<Stream>, public net::Retired, net::TransportEvents {
 public:
  Stream(Server& server, int fd, uint16_t port);
  void answer(std::string_view message);  // one that was asked here
  void spare();                           // of one that is not answered
  void end();
  bool idle() const { return under_way_ == 0; }

 private:
  void on_ready() override {}
  void on_readable() override;
  void on_writable() override;
  void on_closed(const Error&) override { end(); }
  void on_retired() override { delete this; }
  void on_limit() { end(); }
  void read_questions();
  void settle();
  Server& server_;
  net::Transport transport_;
  const uint16_t port_;  // of the client
  std::string in_, out_;
  size_t under_way_ = 0;
  bool ended_ = false, last_ = false, reading_ = false;
  net::BoundTimer<Stream, &Stream::on_limit> limit_{*this};
};

}  // namespace outrider::dns
