#include "exchange/http_session.h"

#include <algorithm>

#include "base/log.h"
#include "exchange/exchange.h"
#include "exchange/onward.h"
#include "net/tls_engine.h"

namespace outrider::exchange {

namespace {

// What the end of its only exchange, or of one that was cut short, means for a connection.
std::optional<Ending> ending_of(Flag flag) {
  switch (flag) {
    case Flag::None:
    case Flag::DownstreamGone: return {};
    case Flag::NoEndpoint: return Ending::NoEndpoint;
    case Flag::ConnectFailure:
    case Flag::ConnectTimeout: return Ending::ConnectFailure;
    case Flag::RequestTimeout: return Ending::RequestTimeout;
    case Flag::IdleTimeout: return Ending::Idle;
    case Flag::UpstreamReset:
    case Flag::UpstreamProtocol: return Ending::Reset;
    case Flag::Malformed:
    case Flag::TooLarge: return Ending::Malformed;
    case Flag::Overload: return Ending::Overload;
    case Flag::Draining: return Ending::Draining;
    case Flag::NoRoute: return Ending::NoRoute;
    case Flag::Denied:
    case Flag::Internal: break;
  }
  return Ending::Internal;
}

Ending ending_of(const Error& why) {
  switch (why.code) {
    case Code::Closed: return why.os_error || why.side == Side::Local ? Ending::Reset : Ending::Client;
    case Code::Timeout: return Ending::Reset;  // its host answers no more
    case Code::Canceled: return Ending::Draining;
    case Code::Protocol:
    case Code::TooLarge: return Ending::Malformed;
    case Code::Tls: return Ending::Tls;
    default: return Ending::Internal;
  }
}

wire::Hears hears(const ListenerPlan& plan, bool tcp_too, bool opaque) {
  if (plan.tls_alone) return wire::Hears::Tls;
  if (plan.bytes_alone || opaque) return wire::Hears::Bytes;
  if (tcp_too) return wire::Hears::Everything;
  return plan.by_server_name ? wire::Hears::HttpAndTls : wire::Hears::Http;
}

}  // namespace

HttpSession::HttpSession(Site& site, std::shared_ptr<AcceptedFrom> door, const Accepted& socket)
    : site_(site), door_(std::move(door)), connection_(site.loop, *this),
      foretold_(socket.foretold ? new Foretold(*socket.foretold) : nullptr), peer_(socket.peer), since_(net::Loop::clock()),
      counted_ip_(socket.counted_ip), called_(socket.called),
      meant_for_(socket.meant_for ? new net::Address(*socket.meant_for) : nullptr) {
  site_.shard.add(plan().permissive ? door_->counters.clear_active : door_->counters.active);
  if (!plan().permissive) site_.shard.add(door_->counters.total);
  auto tls = plan().tls && !plan().permissive ? plan().tls->get() : nullptr;
  const bool encrypted = tls != nullptr;
  const auto& ports = plan().opaque_ports;
  const bool opaque = tcp_too() && std::find(ports.begin(), ports.end(), called_) != ports.end();
  if (opaque && !plan().permissive) connection_.accept(socket.fd, http::Wire::Raw, plan().codec, std::move(tls));
  else if (plan().wire == http::Wire::Http1 || plan().tls_alone || plan().permissive)
    connection_.accept_resting(socket.fd, plan().codec.buffer, hears(plan(), tcp_too(), opaque), std::move(tls));
  else connection_.accept(socket.fd, plan().wire, plan().codec, std::move(tls));
  if (encrypted) await(Awaited::Handshake, plan().tls_handshake);
  else expect_first();
  if (!plan().max_connection.count()) return;
  age_limit_.reset(new net::BoundTimer<HttpSession, &HttpSession::on_age_limit>(*this));
  site_.loop.arm(*age_limit_, plan().max_connection);
}

filter::Peer HttpSession::peer(std::span<char, net::Address::kMaxIpText> text) const {
  filter::Peer peer;
  if (const net::TlsEngine* tls = connection_.transport().tls()) {
    peer.encrypted = true;
    peer.identity = tls->peer();
  } else if (foretold_) {
    peer.encrypted = foretold_->said.encrypted;
  }
  peer.remote_address = "unix";
  if (peer_.is_unix()) return peer;
  peer.remote_address = {text.data(), peer_.write_ip(text.data())};
  peer.remote_ip = peer.remote_address.substr(0, peer.remote_address.rfind(':'));
  if (peer.remote_ip.starts_with('[')) peer.remote_ip = peer.remote_ip.substr(1, peer.remote_ip.size() - 2);
  return peer;
}

std::string_view HttpSession::local(Arena& arena) { return arena.copy(called_address().text()); }

net::Address HttpSession::called_address() const {
  if (meant_for_) return *meant_for_;
  if (foretold_) return foretold_->said.destination;
  return net::Address::local_of(connection_.transport().fd());
}

upstream::Caller* HttpSession::caller(std::string_view server_name) {
  if (caller_) return caller_.get();
  wire::Relayed told = foretold_ ? foretold_->said : wire::Relayed{};
  told.source = peer_;
  told.destination = called_address();
  if (const net::TlsEngine* const tls = connection_.transport().tls()) {
    told.encrypted = true;
    told.certified = tls->peer_certified();
    told.version = tls->version();
    told.server_name = tls->server_name();
    told.protocol = tls->protocol();
  }
  if (!server_name.empty()) told.server_name = server_name;
  caller_ = std::make_unique<upstream::Caller>(std::move(told));
  return caller_.get();
}

void HttpSession::expect_first() {
  if (plan().tls_alone) return await(Awaited::Hello, plan().tls_handshake);
  if (connection_.wire() == http::Wire::Raw) return;
  // A hello that is still on its way must come before a server's first word, or it is never heard.
  const bool hello = plan().by_server_name || (plan().permissive && !connection_.transport().tls());
  if (!hello && tcp_too() && plan().detect_learn && plan().server_first->known(called_)) connection_.presume_raw();
  else if (tcp_too()) await(Awaited::Voice, plan().detect_timeout);
  else await(Awaited::Head, plan().request_headers);
}

void HttpSession::on_connected() {
  awaited_ = Awaited::Nothing;
  if (plan().permissive) {
    site_.shard.sub(door_->counters.clear_active);
    site_.shard.add(door_->counters.active);
    site_.shard.add(door_->counters.total);
    told_ = mutual_ = true;
  }
  if (plan().mutual_tls && tcp_too() && connection_.transport().tls()->protocol() == net::kMeshProtocol)
    connection_.presume_raw();
  else expect_first();
  const net::TlsEngine& tls = *connection_.transport().tls();
  site_.shard.add(door_->counters.handshake("ok", tls.version()));
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(net::Loop::clock() - tls.began());
  site_.shard.observe(door_->counters.handshake_duration(), uint64_t(took.count()));
}

std::shared_ptr<const net::TlsContext> HttpSession::for_sidecars() { return plan().permissive ? plan().tls->get() : nullptr; }

std::unique_ptr<http::Codec> HttpSession::codec_for(http::CodecEvents& events, http::Wire wire) {
  if (wire != http::Wire::Http1) {
    const bool presumed = connection_.wire() == http::Wire::Raw;  // and led to where no name leads elsewhere
    if (wire == http::Wire::Raw ? presumed && !plan().by_server_name : !plan().detect) return nullptr;
    return http::make_codec(wire, http::Role::Server, events, site_.loop.blocks(), plan().codec);
  }
  return site_.codecs.take(events, plan().codec, requests_);
}

http::StreamEvents* HttpSession::on_stream(http::StreamId id) {
  awaited_ = Awaited::Nothing;
  ++requests_;
  if (plan().max_requests && requests_ >= plan().max_requests) {
    closing_ = Ending::MaxRequests;
    codec().drain();
  } else if (site_.draining && !may_pass()) {
    closing_ = Ending::Draining;
    codec().drain();
  } else if (site_.pressure->level() >= Pressure::Level::NoKeepAlive && connection_.wire() != http::Wire::Raw) {
    closing_ = Ending::Overload;
    codec().drain();
  }
  return &site_.take_exchange()->begin(*this, id);
}

void HttpSession::end(http::StreamId stream, Flag flag, bool client_gone) {
  const bool raw = connection_.wire() == http::Wire::Raw;
  if (!client_gone) codec().detach(stream);
  if (!client_gone && flag == Flag::None) connection_.transport().settle();
  if (const auto why = ending_of(flag); why && (raw || codec().broken()) && closing_ != Ending::Distrusted) closing_ = why;
  if (raw && !client_gone) close(Ending::Finished);
  // What was handed over whole may still wait for the client to take it.
  if (!client_gone && connection_.wire() == http::Wire::Http2 && plan().stream_idle.count())
    connection_.limit(plan().stream_idle);
}

void HttpSession::note_malformed(const char* reason) {
  site_.shard.add(door_->counters.malformed(reason));
  if (connection_.wire() == http::Wire::Http2) return;  // of one stream, and the others go on
  codec().drain();
  if (!closing_) closing_ = Ending::Malformed;
}

void HttpSession::on_recognized(http::Voice voice) {
  if (plan().detect) site_.shard.add(door_->counters.recognized(voice));
  note_clear_text();
  if (tcp_too() && plan().detect_learn) plan().server_first->note(called_, voice == http::Voice::Unknown);
}

// Ten seconds apart: strangers are not to fill a disk.
std::optional<uint64_t> AcceptedFrom::say(TimePoint now) {
  constexpr milliseconds kApart{10000};
  if (now < quiet_until) return ++unsaid, std::nullopt;
  quiet_until = now + kApart;
  return std::exchange(unsaid, 0);
}

void HttpSession::note_refused(const Error& why, std::string_view server_name) {
  site_.shard.add(door_->counters.tls_refused(why.what));
  const auto unsaid = door_->say(site_.loop.now());
  if (!unsaid) return;
  log::warn(
      why.code == Code::NoRoute ? "no rule passes this TLS on: match.sni has not its name" : "this is no TLS to be passed on",
      {{"listener", plan().name},
       {"server_name", server_name},
       {"reason", why.what},
       {"client", peer_.is_unix() ? "unix" : peer_.text()},
       {"not_logged", *unsaid}});
}

void HttpSession::note_not_passed_on(const char* why) {
  site_.shard.add(door_->counters.not_passed_on(why));
  const auto unsaid = door_->say(site_.loop.now());
  if (!unsaid) return;
  log::warn("not passed on to where it was meant for: " + std::string(meaning_of(why)),
            {{"listener", plan().name},
             {"destination", meant_for_ ? meant_for_->text() : "none"},
             {"reason", why},
             {"client", peer_.is_unix() ? "unix" : peer_.text()},
             {"not_logged", *unsaid}});
}

void HttpSession::note_clear_text() {
  if (plan().permissive && !std::exchange(told_, true)) site_.shard.add(door_->counters.clear_total);
}

void HttpSession::on_partial() {
  if (connection_.in_handshake()) return await(Awaited::Handshake, plan().tls_handshake);
  if (connection_.in_hello()) {
    const bool ours = plan().by_server_name || plan().permissive;
    if (awaited_ != Awaited::Hello) await(Awaited::Hello, ours ? plan().tls_handshake : plan().detect_timeout);
    return;
  }
  if (connection_.undecided() && tcp_too()) {
    if (awaited_ == Awaited::Nothing) await(Awaited::Voice, plan().detect_timeout);
    return;
  }
  if (awaited_ != Awaited::Head) await(Awaited::Head, plan().request_headers);
}

void HttpSession::on_idle() {
  if (!codec().reusable()) return close(Ending::Finished);
  if (auto codec = connection_.rest()) site_.codecs.keep(std::move(codec));
  if (site_.heir && hand_over()) return;
  written_ = connection_.bytes_out();
  if (awaited_ != Awaited::Head) await(Awaited::Request, plan().idle);
}

void HttpSession::await(Awaited what, milliseconds within) {
  awaited_ = within.count() ? what : Awaited::Nothing;
  due_ = site_.loop.now() + within;
  if (within.count()) connection_.limit(within);
}

void HttpSession::on_limit() {
  if (connection_.wire() == http::Wire::Http2 && !sweep()) return;
  if (awaited_ == Awaited::Nothing) return;
  const auto left = due_ - site_.loop.now();
  if (left.count() > 0) return connection_.limit(std::chrono::ceil<milliseconds>(left));
  switch (awaited_) {
    case Awaited::Handshake: {
      constexpr Error kLate{Code::Tls, Side::Downstream, Retry::No, 0, "tls_timeout"};
      return connection_.fail(kLate);
    }
    case Awaited::Voice:
      awaited_ = Awaited::Nothing;
      if (!connection_.presume_raw()) await(Awaited::Head, plan().request_headers);
      return;
    case Awaited::Hello:
      awaited_ = Awaited::Nothing;
      return connection_.resting() ? close(Ending::HeaderTimeout) : connection_.presume_tls();
    case Awaited::Head: return on_head_limit();
    case Awaited::Request: return on_idle_limit();
    case Awaited::Nothing: return;
  }
}

// Streams that are over for us have as long as others to make a step: they go between one and two of its lengths.
bool HttpSession::sweep() {
  const auto within = plan().stream_idle;
  if (!within.count() || connection_.open_streams() == 0) return true;
  if (sweep_due_ <= site_.loop.now()) {
    if (!codec().sweep()) return abort(Ending::Idle), false;
    sweep_due_ = site_.loop.now() + within;
  }
  connection_.limit(std::chrono::ceil<milliseconds>(sweep_due_ - site_.loop.now()));
  return true;
}

// The codec hands what there is of a request to an exchange, which answers 408; where there is nothing, there is
// nobody to answer. Over HTTP/2 the connection ends, or was made ahead of its need.
void HttpSession::on_head_limit() {
  constexpr Error kLate{Code::Timeout, Side::Downstream, Retry::No, 0, "request_header_timeout", 408};
  if (connection_.wire() == http::Wire::Http2) {
    if (codec().refuse(kLate)) closing_ = Ending::HeaderTimeout;
    else if (connection_.open_streams() == 0) await(Awaited::Request, plan().idle);
    else awaited_ = Awaited::Nothing;
    return;
  }
  closing_ = Ending::HeaderTimeout;
  connection_.presume_http();
  codec().refuse(kLate);
  if (connection_.open_streams() == 0) close(Ending::HeaderTimeout);
}

// Who takes nothing of our last bytes for as long as a connection may be idle will not take them.
void HttpSession::on_idle_limit() {
  if (connection_.flushed()) return close(Ending::Idle);
  const uint64_t written = connection_.bytes_out();
  if (written == std::exchange(written_, written)) return abort(Ending::Idle);
  await(Awaited::Request, plan().idle);
}

void HttpSession::on_age_limit() {
  closing_ = Ending::Duration;
  drain();
}

void HttpSession::drain() {
  if (!closing_) closing_ = Ending::Draining;
  const bool waiting = connection_.open_streams() == 0 && !connection_.transport().has_unread();
  if (!waiting || !connection_.resting()) codec().drain();
  if (waiting) connection_.close_after_flush(plan().stream_idle);
}

bool HttpSession::may_pass() const {
  const bool known = foretold_ || connection_.transport().tls();  // something of it that the heir would not know
  return site_.heir && !closing_ && connection_.wire() == http::Wire::Http1 && !known;
}

bool HttpSession::hand_over() {
  const int fd = may_pass() ? connection_.release() : -1;
  if (fd < 0) return false;
  site_.heir->on_released(fd, plan(), requests_, std::chrono::duration_cast<milliseconds>(net::Loop::clock() - since_));
  part(Ending::Draining);
  return true;
}

// Who speaks TLS is answered once more, with the word that the connection ends behind it: to close it now would race his request.
void HttpSession::leave_to_heir() {
  if (hand_over() || may_pass()) return;
  const bool waits = connection_.resting() && connection_.wire() == http::Wire::Http1;
  if (!waits) drain();
}

void HttpSession::resume(uint32_t requests, milliseconds age) {
  requests_ = requests;
  since_ -= age;
  if (age_limit_) site_.loop.arm(*age_limit_, std::max(milliseconds(0), plan().max_connection - age));
  if (requests > 0) await(Awaited::Request, plan().idle);
}

// With RST where something is under way: a FIN could make what the client has look whole.
void HttpSession::cut(Ending why) {
  closing_ = why;
  if (connection_.open_streams() > 0 || !connection_.flushed()) connection_.transport().abort();
  connection_.fail({Code::Canceled, Side::Downstream, Retry::No, 0, "drain_deadline"});
  connection_.tell_all();
}

void HttpSession::review(net::TrustReview& review) {
  using Advice = net::TrustReview::Advice;
  net::TlsEngine* const tls = plan().mutual_tls ? connection_.transport().tls() : nullptr;
  const Advice advice = tls ? review.of(*tls, *plan().tls) : Advice::Keep;
  if (advice == Advice::Keep) return;
  closing_ = Ending::Distrusted;
  advice == Advice::Cut ? cut(Ending::Distrusted) : drain();
}

void HttpSession::close(Ending why) {
  if (!closing_) closing_ = why;
  connection_.close_after_flush(plan().stream_idle);
}

void HttpSession::abort(Ending why) {
  if (!closing_) closing_ = why;
  connection_.transport().abort();
  connection_.fail({Code::Closed, Side::Local, Retry::No, 0, "not_read"});
}

void HttpSession::on_gone(const Error& why) {
  if (connection_.wire() == http::Wire::Http2 && why.code == Code::Protocol && !closing_)
    site_.shard.add(door_->counters.malformed(why.what));
  if (why.code == Code::Tls) site_.shard.add(door_->counters.handshake(why.what, "none"));
  part(closing_ ? *closing_ : ending_of(why));
}

void HttpSession::part(Ending why) {
  const auto age = std::chrono::duration_cast<std::chrono::microseconds>(net::Loop::clock() - since_).count();
  site_.shard.add(door_->counters.closed(why));
  note_clear_text();
  site_.shard.sub(plan().permissive && !mutual_ ? door_->counters.clear_active : door_->counters.active);
  site_.shard.observe(door_->counters.duration, uint64_t(age));
  plan().of_process->leave();
  plan().connections->leave();
  if (counted_ip_) plan().per_ip->leave(peer_.ip_key());
  age_limit_.reset();
  caller_.reset();
  ListHook<HttpSession>::unlink();
  connection_.leave();
}

}  // namespace outrider::exchange
