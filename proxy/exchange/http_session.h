#pragma once
// One downstream connection: its limits, and the exchanges it begins.

#include <optional>
#include <span>

#include "exchange/site.h"
#include "filter/call.h"
#include "net/trust_review.h"
#include "upstream/caller.h"
#include "wire/proxy_protocol.h"

namespace outrider::exchange {

struct AcceptedFrom {                        // a door, as far as its sessions need it
  std::shared_ptr<const ListenerPlan> plan;  // the newest; the worker puts another there between two turns
  ConnectionCounters counters;
  TimePoint quiet_until{};  // of what is logged of strangers
  uint64_t unsaid = 0;
  std::optional<uint64_t> say(TimePoint now);  // of a stranger, in the log: how often that was left out; none: not now
};

struct Foretold {      // what a proxy in front has said of a connection
  wire::Relayed said;  // its source is the client
  net::Address by;
};

struct Accepted {
  int fd;
  const net::Address& peer;
  uint16_t called;  // the port, where somebody has to know; else 0
  bool counted_ip;  // against limits.per_ip
  const net::Address* meant_for = nullptr;
  const Foretold* foretold = nullptr;
};

// Owned by its worker's list of sessions and ended by its connection, after whose last turn it deletes itself. One worker.
class HttpSession final : public ListHook<HttpSession>, wire::ConnectionOwner {
 public:
  HttpSession(Site& site, std::shared_ptr<AcceptedFrom> door, const Accepted& socket);
  const ListenerPlan& plan() const { return *door_->plan; }
  const AcceptedFrom* accepted_from() const { return door_.get(); }
  filter::Peer peer(std::span<char, net::Address::kMaxIpText> text) const;  // its texts are written there
  std::string_view local(Arena& arena);                                     // the address the client called
  http::Codec& codec() { return connection_.codec(); }
  wire::HttpConnection& connection() { return connection_; }
  // It is a tunnel because the client is silent, and not because servers speak first there.
  bool presumed() const { return connection_.presumed() && !plan().server_first->known(called_); }
  uint16_t called() const { return called_; }  // the port, where somebody asks for it
  // Where the kernel has redirected it here (transparent: redirect), for whom it was meant; null: it came directly.
  const net::Address* meant_for() const { return meant_for_.get(); }
  const net::Address& remote() const { return foretold_ ? foretold_->by : peer_; }  // the other end of the socket
  // For clusters that tell of the client on connections of his own; `server_name`: he has asked for it by TLS that is passed on.
  upstream::Caller* caller(std::string_view server_name);
  // The app is to see the client's address: it is asked in its name.
  bool keeps_source() const { return plan().tproxy && plan().inbound && meant_for_; }
  bool tcp_too() const { return plan().tcp_too || (plan().redirected_too && meant_for_); }
  void end(http::StreamId stream, Flag flag, bool client_gone);       // an exchange is over
  void note_malformed(const char* reason);                            // counted; its answer is the last one
  void note_refused(const Error& why, std::string_view server_name);  // TLS that is not passed on
  void note_not_passed_on(const char* why);                           // by destination
  void drain();                                                       // no request after the one under way
  bool hand_over();                                                   // to site.heir, if it waits for a request: then it is gone
  void leave_to_heir();                                               // the same now, or once it waits; who cannot, drains
  void resume(uint32_t requests, milliseconds age);                   // of a connection that another process began
  void cut(Ending why = Ending::Draining);                            // the drain's deadline: now
  void review(net::TrustReview& review);                              // is whoever came still trusted?

 private:
  http::StreamEvents* on_stream(http::StreamId id) override;
  std::unique_ptr<http::Codec> codec_for(http::CodecEvents& events, http::Wire wire) override;
  void on_connected() override;
  std::shared_ptr<const net::TlsContext> for_sidecars() override;
  void on_recognized(http::Voice voice) override;
  void on_partial() override;
  void on_idle() override;
  void on_draining() override {}
  void on_gone(const Error& why) override;
  void on_over() override { delete this; }
  void on_limit() override;
  enum class Awaited : uint8_t { Nothing, Handshake, Voice, Hello, Head, Request };  // Hello, Head: the rest of one
  void note_clear_text();
  void expect_first();                            // bytes of a new connection
  void await(Awaited what, milliseconds within);  // 0: for ever
  void on_head_limit();
  bool sweep();  // false: nobody reads, and it is cut off
  void on_idle_limit();
  void on_age_limit();
  void close(Ending why);
  void abort(Ending why);
  net::Address called_address() const;
  bool may_pass() const;  // it can be handed over between two requests
  void part(Ending why);
  Site& site_;
  std::shared_ptr<AcceptedFrom> door_;
  wire::HttpConnection connection_;
  const std::unique_ptr<const Foretold> foretold_;
  const net::Address peer_;
  TimePoint since_, due_;  // when it began; when what is awaited must have come
  TimePoint sweep_due_{};  // h2
  uint64_t written_ = 0;   // as of the last look at a reader who takes his time
  uint32_t requests_ = 0;
  Awaited awaited_ = Awaited::Nothing;
  const bool counted_ip_;
  bool told_ = false, mutual_ = false;  // where clear text goes in, too: counted, and as whom
  const uint16_t called_;
  const std::unique_ptr<const net::Address> meant_for_;
  std::unique_ptr<upstream::Caller> caller_;
  std::optional<Ending> closing_;  // why, when it was us
  std::unique_ptr<net::BoundTimer<HttpSession, &HttpSession::on_age_limit>> age_limit_;
};

}  // namespace outrider::exchange
