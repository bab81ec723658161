#include "http/raw_codec.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace outrider::http {

RawCodec::RawCodec(Role role, CodecEvents& owner, BlockPool& pool, const CodecLimits& limits)
    : Codec(pool), role_(role), owner_(owner), limits_(limits), output_(pool) {}

bool RawCodec::wants_input() const {
  return !in_ended_ && !full() && (state_ == State::Headed || (role_ == Role::Server && state_ == State::Fresh));
}

StreamId RawCodec::open(StreamEvents& events) {
  events_ = &events;
  state_ = State::Opened;
  return kId;
}

Result<Done> RawCodec::feed(Buffer& input) {
  if (role_ == Role::Server && state_ == State::Fresh) {
    events_ = owner_.on_stream(kId);
    if (!events_) {
      state_ = State::Over;
      return Error{Code::Denied, Side::Local, Retry::No, 0, "stream_refused"};
    }
    RequestHead& head = *events_->request_head();
    head.clear();
    head.method = Method::Connect;
    head.form = Form::Authority;
    head.method_text = "CONNECT";
    state_ = State::Headed;
    uneaten_ = input.size();
    events_->on_head(false);
  }
  if (state_ == State::Opened && asked_) {
    ResponseHead& head = *events_->response_head();
    head.clear();
    head.status = 200;
    state_ = State::Headed;
    uneaten_ = input.size();
    events_->on_head(false);
  }
  if (state_ == State::Headed && !in_ended_ && !full() && !input.empty()) {
    const size_t n = input.size();
    Buffer data(output_.pool());
    data.append(std::move(input));
    outstanding_ += n;
    uneaten_ = 0;
    events_->on_body(std::move(data), false);
  }
  uneaten_ = input.size();
  return Done{};
}

// The client's request has no answer to wait for: it is told at the next feed(), as all events are.
void RawCodec::send_request(StreamId id, const RequestHead&, std::span<const Field>, bool end) {
  if (!mine(id) || state_ != State::Opened || asked_) return;
  asked_ = true;
  owner_.on_hungry();
  if (end) end_output();
}

void RawCodec::send_response(StreamId id, const ResponseHead& head, bool end) {
  if (!mine(id)) return;
  if (head.status < 200 || head.status >= 300) return reset(id, Reset::Refused);  // a refusal has no other form here
  if (end) end_output();
}

void RawCodec::send_body(StreamId id, Buffer& data, bool end) {
  if (!mine(id) || out_ended_) return;
  const bool was_empty = output_.empty();
  if (output_.size() <= limits_.buffer) output_.append(std::move(data));
  wants_sendable_ = !data.empty();
  if (was_empty && !output_.empty()) owner_.on_output();
  if (end && data.empty()) end_output();
}

void RawCodec::send_trailers(StreamId id, const HeaderMap&) {
  if (mine(id) && !out_ended_) end_output();
}

void RawCodec::end_output() {
  out_ended_ = true;
  owner_.on_output();  // nothing may be left to write, but the FIN
  if (in_ended_ && role_ == Role::Client) over();
}

// A client's stream is over when both sides have ended. A server's is when it is given up: what the peer sent may still
// be on its way to where it belongs, and the connection is not to end before it is there.
void RawCodec::over() {
  events_ = nullptr;
  state_ = State::Over;
  owner_.on_idle();
}

Result<Done> RawCodec::end_of_input() {
  if (!events_ || state_ != State::Headed) {
    if (state_ == State::Over) return Done{};
    const Error why{Code::Closed, role_ == Role::Server ? Side::Downstream : Side::Upstream, Retry::No, 0, "closed_early"};
    lost(why);
    return why;
  }
  if (std::exchange(in_ended_, true)) return Done{};
  StreamEvents* const to = events_;
  if (out_ended_ && role_ == Role::Client) over();
  to->on_body(Buffer(output_.pool()), true);
  return Done{};
}

bool RawCodec::lose(const Error& why) {
  Error told = why;
  told.side = role_ == Role::Server ? Side::Downstream : Side::Upstream;
  told.retry = Retry::No;
  told.status = 0;
  state_ = State::Over;
  if (StreamEvents* const to = std::exchange(events_, nullptr)) to->on_reset(told);
  return false;
}

// An empty output is worth telling even to who did not wait: the sockets may be joined now.
void RawCodec::written() {
  if (!events_ || output_.size() > limits_.buffer / 2 || !(wants_sendable_ || output_.empty())) return;
  wants_sendable_ = false;
  events_->on_sendable();
}

void RawCodec::reset(StreamId id, Reset) {
  if (!mine(id)) return;
  events_ = nullptr;
  state_ = State::Over;
  broken_ = true;
  owner_.on_output();
}

void RawCodec::consumed(StreamId id, size_t n) {
  if (!mine(id)) return;
  const bool was_full = full();
  outstanding_ -= std::min(n, outstanding_);
  if (was_full && !full()) owner_.on_hungry();
}

void RawCodec::detach(StreamId id) {
  if (!mine(id)) return;
  over();
}

// Nothing of ours may lie between the two sockets.
uint64_t RawCodec::bypass(StreamId id, Way) const {
  const bool clear =
      mine(id) && state_ == State::Headed && output_.empty() && outstanding_ == 0 && uneaten_ == 0 && !in_ended_ && !out_ended_;
  return clear ? std::numeric_limits<uint64_t>::max() : 0;
}

}  // namespace outrider::http
