#pragma once
// One question that is somebody else's to answer.
//
// Not by c-ares, which the proxy's own questions go by: it has one socket a server, so that who forges answers has but the id to
// guess, and it reads what it forwards. Here each try has a socket of its own, whose port the kernel draws, connected to the one
// server whose answers count; an id from the kernel's generator; and the question must come back (RFC 5452). The answer itself
// is handed on as it came, whatever is in it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/upstreams.h"
#include "net/datagram.h"
#include "net/dns_query.h"
#include "net/transport.h"

namespace outrider::dns {

class ForwardEvents {
 public:
  virtual void on_forwarded(std::string answer) = 0;     // for the client, with its id; empty: nobody has answered. Once, last
  virtual void on_forward_failure(const char* why) = 0;  // of one try: timeout, unreachable, refused, mismatched (and waits on)

 protected:
  ~ForwardEvents() = default;
};

// By UDP or TCP as the client has asked, one server after the other, each once (by UDP the only one twice). Owned by a Job, which
// its last event retires; control loop.
class Forward final : public ListHook<Forward>, net::DatagramEvents, net::TransportEvents {
 public:
  Forward(net::Loop& loop, Upstreams& upstreams, std::string_view message, const net::DnsQuery& query, bool stream,
          ForwardEvents& events);
  bool start();  // false: there is nobody to ask, and no event follows
  void stop();   // no event follows
  bool is(uint16_t port, uint16_t id) const { return port_ != 0 && port == port_ && id == id_; }

 private:
  bool ask_next();
  bool ask_by_datagram(const net::Address& server);
  bool ask_by_stream(const net::Address& server);
  void on_datagram(std::span<char> bytes, const net::Address& from) override;
  void on_unreachable() override { fail("unreachable"); }
  void on_ready() override;
  void on_readable() override;
  void on_writable() override;
  void on_closed(const Error&) override { fail("unreachable"); }
  void on_limit() { fail("timeout"); }
  void take(std::string_view answer);
  void fail(const char* why);
  void tell(std::string answer);
  net::Loop& loop_;
  Upstreams& upstreams_;
  std::string message_;
  const net::DnsQuery& query_;
  const bool stream_;
  ForwardEvents& events_;
  std::vector<net::Address> order_;
  size_t next_ = 0;
  uint16_t id_ = 0, port_ = 0;
  bool over_ = false;
  std::string last_;  // an answer that says that its server failed, should nobody have a better one
  std::optional<net::Datagram> datagram_;
  std::optional<net::Transport> transport_;
  std::string out_, in_;
  net::BoundTimer<Forward, &Forward::on_limit> limit_{*this};
};

}  // namespace outrider::dns
