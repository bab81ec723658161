#include "exchange/http_session.h"

#include "exchange/exchange.h"

namespace outrider::exchange {

namespace {

// The label `reason` of a connection that nobody here meant to close.
const char* reason_of(const Error& why) {
  switch (why.code) {
    case Code::Closed: return why.side == Side::Local ? "cut_short" : why.os_error ? "reset" : "client";
    case Code::Timeout: return "timed_out";
    case Code::Protocol:
    case Code::TooLarge: return "malformed";
    default: return "internal";
  }
}

}  // namespace

HttpSession::HttpSession(Site& site, std::shared_ptr<AcceptedFrom> door, int fd, const net::Address& peer)
    : site_(site), door_(std::move(door)), connection_(new wire::HttpConnection(site.loop, *this)),
      remote_(peer.is_unix() ? "unix" : peer.text()), remote_ip_(peer.is_unix() ? "" : peer.ip()),
      local_(net::Address::local_of(fd).text()), since_(net::Loop::clock()) {
  peer_.remote_address = remote_;
  peer_.remote_ip = remote_ip_;
  peer_.local_address = local_;
  site_.shard.add(door_->counters.total);
  site_.shard.add(door_->counters.active);
  connection_->accept(fd, plan().wire, plan().codec);
  if (plan().wire != http::Wire::Raw && plan().request_headers.count()) site_.loop.arm(head_limit_, plan().request_headers);
  if (plan().max_connection.count()) site_.loop.arm(age_limit_, plan().max_connection);
}

http::StreamEvents* HttpSession::on_stream(http::StreamId id) {
  head_limit_.cancel();
  idle_limit_.cancel();
  ++requests_;
  if (plan().max_requests && requests_ >= plan().max_requests) {
    closing_ = "max_requests";
    connection_->drain();
  } else if (site_.draining) {
    closing_ = "drained";
    connection_->drain();
  }
  return &site_.take_exchange()->begin(*this, id);
}

void HttpSession::end(http::StreamId stream, bool client_gone) {
  if (!client_gone) codec().detach(stream);
  if (plan().wire == http::Wire::Raw && !client_gone) close("finished");
}

void HttpSession::note_malformed(const char* reason) {
  connection_->drain();
  site_.shard.add(door_->counters.malformed(reason));
  closes_for("malformed");
}

void HttpSession::on_partial() {
  idle_limit_.cancel();
  if (!head_limit_.armed() && plan().request_headers.count()) site_.loop.arm(head_limit_, plan().request_headers);
}

void HttpSession::on_idle() {
  if (!codec().reusable()) return close("finished");
  if (!head_limit_.armed() && plan().idle.count()) site_.loop.arm(idle_limit_, plan().idle);
}

// The codec hands what there is of a request to an exchange, which answers 408; where there is nothing, there is
// nobody to answer.
void HttpSession::on_head_limit() {
  closing_ = "header_timeout";
  codec().refuse({Code::Timeout, Side::Downstream, Retry::No, 0, "request_header_timeout", 408});
  if (codec().open_streams() == 0) close(closing_);
}

void HttpSession::on_idle_limit() { close("idle"); }

void HttpSession::on_age_limit() {
  closing_ = "max_connection";
  drain();
}

void HttpSession::drain() {
  closes_for("drained");
  connection_->drain();
  if (codec().open_streams() == 0) connection_->close_after_flush();
}

void HttpSession::cut() {
  closing_ = "drain_deadline";
  connection_->fail({Code::Canceled, Side::Downstream, Retry::No, 0, "drain_deadline"});
}

void HttpSession::closes_for(const char* reason) {
  if (!closing_) closing_ = reason;
}

void HttpSession::close(const char* reason) {
  closes_for(reason);
  connection_->close_after_flush();
}

void HttpSession::on_gone(const Error& why) {
  const auto age = std::chrono::duration_cast<std::chrono::microseconds>(net::Loop::clock() - since_).count();
  site_.shard.add(door_->counters.closed(closing_ ? closing_ : reason_of(why)));
  site_.shard.sub(door_->counters.active);
  site_.shard.observe(door_->counters.duration, uint64_t(age));
  plan().connections->leave();
  head_limit_.cancel();
  idle_limit_.cancel();
  age_limit_.cancel();
  ListHook<HttpSession>::unlink();
  wire::HttpConnection::retire(std::move(connection_));
  site_.loop.retire(*this);
}

}  // namespace outrider::exchange
