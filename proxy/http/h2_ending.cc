// The end of streams, and of the connection.

#include <cstring>
#include <utility>

#include "http/h2_callbacks.h"
#include "http/h2_codec.h"

namespace outrider::http {

namespace {

uint32_t code_of(Reset why) {
  switch (why) {
    case Reset::None: return NGHTTP2_NO_ERROR;
    case Reset::Refused: return NGHTTP2_REFUSED_STREAM;
    case Reset::Cancelled:
    case Reset::Timeout: return NGHTTP2_CANCEL;
    case Reset::Protocol: return NGHTTP2_PROTOCOL_ERROR;
    case Reset::PeerGone: return NGHTTP2_CONNECT_ERROR;
    case Reset::Internal: break;
  }
  return NGHTTP2_INTERNAL_ERROR;
}

void append_number(Buffer& out, uint32_t number) {
  const char bytes[] = {char(number >> 24), char(number >> 16), char(number >> 8), char(number)};
  out.append(std::string_view(bytes, 4));
}

}  // namespace

void H2Codec::fail(H2Stream& stream, const Error& why) {
  stream.failure = why;
  stream.tell_failure = true;
  note(stream);
  if (!feeding_) owner_.on_hungry();  // told from inside feed()
}

void H2Codec::release(H2Stream& stream) {
  stream.closed = true;
  if (stream.telling || dead_) return;
  streams_.release(stream);
  if (streams_.size() > 0) return;
  if (draining_) say_goodbye();
  owner_.on_idle();
}

void H2Codec::reset_stream(H2Stream& stream, uint32_t code) {
  stream.out.clear();
  stream.in.clear();
  stream.out_ended = stream.deaf = true;
  static_cast<ListHook<H2Waiting>&>(stream).unlink();
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.wire_id, code);
  note_output();
}

void H2Codec::reset(StreamId id, Reset why) {
  H2Stream* const stream = dead_ ? nullptr : streams_.find(id);
  if (!stream) return;
  stream->events = nullptr;
  if (stream->closed) return;  // in the list of those to be told, which lets it go
  if (stream->wire_id == 0) return release(*stream);
  reset_stream(*stream, code_of(why));
}

// What has been handed over whole goes on by itself; a request that nobody reads to its end is taken back behind it.
void H2Codec::detach(StreamId id) {
  H2Stream* const stream = streams_.find(id);
  if (!stream) return;
  stream->events = nullptr;
  if (stream->closed || dead_) return;
  if (stream->wire_id == 0) return release(*stream);
  stream->in.clear();
  stream->deaf = true;
  static_cast<ListHook<H2Waiting>&>(*stream).unlink();
  if (!stream->out_ended) reset_stream(*stream, role_ == Role::Server ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_CANCEL);
  else if (!stream->in_ended && stream->out_sent)
    reset_stream(*stream, role_ == Role::Server ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
}

void H2Codec::consumed(StreamId id, size_t n) {
  H2Stream* const stream = living(id);
  if (!stream || stream->wire_id == 0 || n == 0) return;
  nghttp2_session_consume_stream(session_, stream->wire_id, n);
  if (nghttp2_session_want_write(session_)) note_output();
}

void H2Codec::probe() {
  if (dead_) return;
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, H2Callbacks::kProbe);
  note_output();
}

// Nothing else can come on the connection before the end of a head that has begun.
bool H2Codec::refuse(const Error& why) {
  if (dead_ || (!heading_ && settings_seen_)) return false;
  doom(NGHTTP2_ENHANCE_YOUR_CALM, why.what);  // and feed() says so
  die();
  return true;
}

bool H2Codec::sweep() {
  const bool pending = !output().empty();
  if (dead_) return true;
  if (std::exchange(stuck_, pending) && pending) return false;
  streams_.for_each([this](H2Stream& stream) {
    if (stream.events || stream.closed || !stream.head_sent) return;
    if (stream.swept) reset_stream(stream, NGHTTP2_CANCEL);
    stream.swept = true;
  });
  return true;
}

void H2Codec::doom(uint32_t code, const char* what, bool said) {
  if (verdict_) return;
  verdict_ = what;
  code_ = code;
  said_ = said;
  if (!feeding_) owner_.on_hungry();
}

// In two steps, so that requests already on their way are still served (RFC 9113 6.8): "no more, please", and when that
// has been heard, or nothing is under way, which was the last. A client has nothing to ask for, and says goodbye at the end.
void H2Codec::drain() {
  if (std::exchange(draining_, true) || dead_) return;
  if (streams_.size() == 0 && !inside_) return say_goodbye();
  if (role_ == Role::Client) return;
  nghttp2_submit_shutdown_notice(session_);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, H2Callbacks::kDrain);
  note_output();
}

void H2Codec::say_goodbye() {
  if (std::exchange(goodbye_said_, true)) return;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR, nullptr,
                        0);
  note_output();
}

// By hand: nghttp2 may not go on after a callback has failed.
void H2Codec::die() {
  gather();
  dead_ = true;
  fatal_ = peer_error(Code::Protocol, verdict_);
  if (said_) return;
  const size_t length = std::strlen(verdict_);
  append_number(output_, uint32_t((8 + length) << 8 | NGHTTP2_GOAWAY));
  output_.append(std::string_view("\0", 1));
  append_number(output_, 0);
  append_number(output_, uint32_t(nghttp2_session_get_last_proc_stream_id(session_)));
  append_number(output_, code_);
  output_.append(verdict_);
  note_output();
}

}  // namespace outrider::http
