// The client's half of HTTP/1: requests out, responses in.

#include <utility>

#include "http/h1_codec.h"

namespace outrider::http {

namespace {

constexpr size_t kInterimHeads = 16;  // all 1xx of one response together, in times of the limit of one head

Error upstream(Code code, const char* what, Retry retry = Retry::No) { return {code, Side::Upstream, retry, 0, what}; }

}  // namespace

H1Client::H1Client(CodecEvents& owner, BlockPool& pool, const CodecLimits& limits) : H1Codec(Role::Client, owner, pool, limits) {}

bool H1Client::wants_input() const { return in_ != In::Done && in_ != In::Dead && !full(); }

StreamId H1Client::open(StreamEvents& events) {
  events_ = &events;
  in_ended_ = out_ended_ = head_sent_ = wants_sendable_ = tunnel_ = started_ = false;
  outstanding_ = interim_bytes_ = 0;
  if (reusable()) in_ = In::Head;
  scan_.begin(HeadScan::Block::Response);
  return ++id_;
}

void H1Client::send_request(StreamId id, const RequestHead& head, std::span<const Field> own, bool end) {
  if (!events_ || id != id_ || head_sent_) return;
  const bool was_empty = output_.empty();
  method_ = head.method;
  upgrading_ = !head.protocol.empty();
  unwritten_ = true;
  out_ = write_request(output_, head, own, end);
  head_sent_ = true;
  note_output(was_empty);
  if (end) end_output();
}

void H1Client::written() {
  unwritten_ = false;
  H1Codec::written();
}

bool H1Client::between(Buffer& input) {
  if (input.empty() || in_ == In::Done) return false;
  in_ = In::Dead;
  keep_alive_ = false;
  failed_ = true;
  fatal_ = upstream(Code::Protocol, "bytes_without_request");
  return false;
}

bool H1Client::take_head(Buffer& input) {
  if (input.empty()) return false;
  if (!head_sent_ || unwritten_) {  // nothing was asked yet: whoever said this, it answers nothing
    failed_ = true;
    fatal_ = upstream(Code::Closed, "response_without_request", Retry::IfReused);
    abandon(fatal_);
    return false;
  }
  started_ = true;
  const auto state = scan_.scan(input, scan_limits());
  if (state == HeadScan::State::More) return false;
  Refusal bad = scan_.refusal();
  Framing framing;
  head_ = events_->response_head();
  head_->clear();
  interim_bytes_ += scan_.size();
  if (!bad) bad = parser_.response(scan_.copy(input, head_->headers.arena()), *head_, framing);
  scan_.begin(HeadScan::Block::Response);
  const uint16_t status = head_->status;
  if (!bad && status == 101 && !upgrading_) bad = {502, "unexpected_upgrade"};
  if (!bad && status < 200 && interim_bytes_ > kInterimHeads * limits_.max_header_bytes) bad = {502, "too_many_interim"};
  if (bad) {
    in_ = In::Dead;
    refused(bad);
    return false;
  }
  if (status == 101) {
    open_tunnel();
    events_->on_head(false);
    return true;
  }
  if (status < 200) {
    events_->on_interim();
    return true;
  }
  // Answers to HEAD, 204 and 304 have no body, whatever their fields say (RFC 9112 6.3).
  keep_alive_ &= framing.keep_alive;
  if (method_ == Method::Head || !may_have_body(status)) {
    if (status == 204 && framing.kind != Framing::Kind::UntilClose && framing.kind != Framing::Kind::None) keep_alive_ = false;
    framing = {};
  }
  if (method_ == Method::Connect) keep_alive_ = false;
  if (framing.kind == Framing::Kind::UntilClose) keep_alive_ = false;
  if (!out_ended_) keep_alive_ = false;  // who answers early may have stopped reading
  more_behind_ = !input.empty();
  begin_body(framing);
  const bool end = in_ == In::Done;
  StreamEvents* const to = events_;
  if (end) end_input();
  to->on_head(end);
  return true;
}

void H1Client::refused(const Refusal& why) {
  const bool large = why.status == 431 || why.status == 414;
  failed_ = true;
  fatal_ = upstream(large ? Code::TooLarge : Code::Protocol, why.what);
  abandon(fatal_);
}

HeaderMap* H1Client::make_trailers() {
  Arena& arena = head_->headers.arena();
  return arena.make<HeaderMap>(arena);
}

void H1Client::both_ended() {
  if (more_behind_) keep_alive_ = false;  // bytes nobody asked for
  in_ = reusable() ? In::Head : In::Dead;
  owner_->on_idle();
}

void H1Client::reset(StreamId id, Reset why) {
  if (!events_ || id != id_) return;
  events_ = nullptr;
  in_ = In::Dead;
  keep_alive_ = false;
  if (head_sent_ && !out_ended_ && why != Reset::None) cut();
  owner_->on_idle();
}

// Before its first byte a response that will not come may be had elsewhere, if the connection was a used one: the
// server closed it while our request was under way.
bool H1Client::lose(const Error& why) {
  Error told = why;
  told.side = Side::Upstream;
  told.retry = why.code == Code::Closed && !started_ && !broken_ ? Retry::IfReused : Retry::No;
  told.status = 0;
  abandon(told);
  return false;
}

Result<Done> H1Client::end_of_input() {
  if (!events_) {
    in_ = In::Dead;
    keep_alive_ = false;
    return upstream(Code::Closed, "upstream_closed");
  }
  keep_alive_ = false;
  if (in_ == In::UntilClose) return tell_end(), Done{};
  if (in_ended_) return Done{};
  const auto why =
      started_ ? upstream(Code::Closed, "response_cut_short") : upstream(Code::Closed, "upstream_closed", Retry::IfReused);
  abandon(why);
  return why;
}

}  // namespace outrider::http
