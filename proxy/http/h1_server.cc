// The server's half of HTTP/1: requests in, responses out.

#include <utility>

#include "http/h1_codec.h"

namespace outrider::http {

namespace {

constexpr uint8_t kBlankLines = 2;  // before a request line (RFC 9112 2.2)

Error gone(const char* what) { return {Code::Closed, Side::Downstream, Retry::No, 0, what}; }

}  // namespace

H1Server::H1Server(CodecEvents& owner, BlockPool& pool, const CodecLimits& limits) : H1Codec(Role::Server, owner, pool, limits) {}

bool H1Server::wants_input() const { return in_ != In::Done && in_ != In::Dead && !full() && !crowded(); }

bool H1Server::vacant() const {
  return in_ == In::Head && !events_ && !partial_ && blanks_ == 0 && unread_.empty() && output_.empty() && reusable() &&
         !input_ended_ && !broken_ && !failed_ && !was_crowded_;
}

void H1Server::serve(CodecEvents& owner, const CodecLimits& limits, StreamId last) {
  owner_ = &owner;
  set_limits(limits);
  id_ = last;
}

// False: the second byte of a line end is still to come.
bool H1Server::skip_blank_lines(Buffer& input) {
  while (scan_.size() == 0 && blanks_ < kBlankLines && !input.empty() && input.front().front() == '\r') {
    if (input.size() < 2) return false;
    if (input.contiguous(2)[1] != '\n') return true;  // the scan says what is wrong with it
    input.drop(2);
    ++blanks_;
  }
  return true;
}

StreamEvents* H1Server::next_stream() {
  ++id_;
  in_ended_ = out_ended_ = head_sent_ = wants_sendable_ = tunnel_ = partial_ = to_head_ = http10_ = body_at_hand_ = false;
  outstanding_ = 0;
  blanks_ = 0;
  events_ = owner_->on_stream(id_);
  if (events_) {
    head_ = events_->request_head();
    head_->clear();
    return events_;
  }
  in_ = In::Dead;
  keep_alive_ = false;
  failed_ = true;
  fatal_ = {Code::Denied, Side::Local, Retry::No, 0, "stream_refused"};
  return nullptr;
}

bool H1Server::take_head(Buffer& input) {
  if (crowded()) {  // answers to pipelined requests that nobody reads
    was_crowded_ = true;
    return false;
  }
  const bool skipped = skip_blank_lines(input);
  partial_ = !input.empty();
  if (!partial_ || !skipped) return false;
  const auto state = scan_.scan(input, scan_limits());
  if (state == HeadScan::State::More) return false;
  StreamEvents* const to = next_stream();
  if (!to) return false;
  Refusal bad = scan_.refusal();
  Framing framing;
  if (!bad) bad = parser_.request(scan_.copy(input, head_->headers.arena()), *head_, framing, limits_.http10);
  scan_.begin(HeadScan::Block::Request);
  to_head_ = head_->method == Method::Head;
  http10_ = head_->version == Version::Http10;
  if (bad) {
    in_ = In::Dead;
    refused(bad);
    return false;
  }
  // Behind a tunnel's head the bytes may be of another protocol: none of them is read as a request.
  const bool tunnel = head_->tunnel();
  keep_alive_ = framing.keep_alive && !tunnel;
  last_ = !framing.keep_alive && !tunnel;
  body_at_hand_ = framing.kind == Framing::Kind::Length && framing.length <= input.size();
  begin_body(framing);
  const bool end = in_ == In::Done && !tunnel;
  if (end) end_input();
  to->on_head(end);
  return true;
}

// A tunnel whose client had ended its side before it was open.
bool H1Server::between(Buffer&) {
  if (events_ && tunnel_ && !in_ended_) tell_end();
  return false;
}

// The answer may still come, and is the last one.
void H1Server::refused(const Refusal& why) {
  keep_alive_ = false;
  in_ended_ = true;
  StreamEvents* const to = events_;
  if (!to || out_ended_) {
    events_ = nullptr;
    owner_->on_idle();
  }
  const bool large = why.status == 431 || why.status == 414;
  if (to) to->on_reset({large ? Code::TooLarge : Code::Protocol, Side::Downstream, Retry::No, 0, why.what, why.status});
}

HeaderMap* H1Server::make_trailers() {
  Arena& arena = head_->headers.arena();
  return arena.make<HeaderMap>(arena);
}

void H1Server::both_ended() {
  in_ended_ = out_ended_ = false;
  done_ = last_;
  if (reusable() && !input_ended_) in_ = In::Head;
  else close_behind();
  scan_.begin(HeadScan::Block::Request);
  owner_->on_idle();
  owner_->on_hungry();
}

void H1Server::close_behind() {
  in_ = In::Dead;
  keep_alive_ = false;
}

void H1Server::send_interim(StreamId id, const ResponseHead& head) {
  if (!events_ || id != id_ || head_sent_ || http10_ || head.status < 100 || head.status >= 200 || head.status == 101) return;
  const bool was_empty = output_.empty();
  write_interim(output_, head);
  note_output(was_empty);
}

// An answer before the end of its request is the last one on this connection, unless that end is at hand: who waits
// for 100 Continue may or may not send the body, and what comes must not be read as a request (RFC 9110 10.1.1).
void H1Server::send_response(StreamId id, const ResponseHead& head, bool end) {
  if (!events_ || id != id_ || head_sent_) return;
  const bool was_empty = output_.empty();
  if (head.status == 101) {
    head_sent_ = true;
    write_interim(output_, head, head_->protocol);
    open_tunnel();
    if (input_ended_) in_ = In::Done;
    owner_->on_hungry();
    return note_output(was_empty);
  }
  in_ended_ |= in_ == In::Done;  // nothing follows the head of a tunnel that is not opened
  ResponseShape shape{end, to_head_, http10_, keep_alive_ && !draining_ && !input_ended_ && (in_ended_ || body_at_hand_)};
  out_ = write_response(output_, head, shape);
  keep_alive_ = shape.keep_alive;
  head_sent_ = true;
  note_output(was_empty);
  if (end) end_output();
}

void H1Server::reset(StreamId id, Reset) {
  if (!events_ || id != id_) return;
  events_ = nullptr;
  close_behind();
  cut();
}

void H1Server::detach(StreamId id) {
  if (!events_ || id != id_) return;
  events_ = nullptr;
  outstanding_ = 0;
  if (out_ended_ && is_body() && body_at_hand_ && reusable()) return owner_->on_hungry();
  if (head_sent_ && !out_ended_ && !tunnel_) cut();
  close_behind();
  owner_->on_idle();
}

bool H1Server::refuse(const Error& why) {
  if (events_ ? in_ended_ || in_ == In::Dead : in_ != In::Head || !partial_) return false;
  StreamEvents* const to = events_ ? events_ : next_stream();
  close_behind();
  in_ended_ = true;
  if (to && out_ended_) events_ = nullptr;
  if (to) to->on_reset(why);
  return true;
}

Result<Done> H1Server::end_of_input() {
  input_ended_ = true;
  if (!events_) {
    const auto why = gone(partial_ ? "request_cut_short" : "client_closed");
    close_behind();
    if (output_.empty()) return why;
    owner_->on_idle();  // an answer is still to be written: the owner closes behind it
    return Done{};
  }
  // A client that gives up closes, which looks like a half-close. Whoever takes its answer already, or others before it, is
  // there.
  const bool given_up = in_ended_ && !head_sent_ && output_.empty();
  if (!given_up && (in_ended_ || in_ == In::Dead || in_ == In::Done)) return Done{};
  if (tunnel_) return tell_end(), Done{};
  const auto why = gone(given_up ? "client_closed" : "request_cut_short");
  abandon(why);
  return why;
}

bool H1Server::lose(const Error& why) {
  Error told = why;
  told.side = Side::Downstream;
  told.retry = Retry::No;
  told.status = 0;  // nobody is left to be answered
  if (told.code == Code::Protocol || told.code == Code::TooLarge) told.code = Code::Closed;
  abandon(told);
  return false;
}

}  // namespace outrider::http
