#include "http/h2_codec.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "http/h2_callbacks.h"

namespace outrider::http {

namespace {

constexpr uint32_t kConnectionWindow = 16;  // times a stream's
constexpr uint32_t kUsualStreams = 100;     // until the peer has said how many it takes
constexpr size_t kQueued = 1000;            // frames of ours that wait to be framed, besides a few a stream
// To HTTP/2 an upgrade is a CONNECT, and stands for GET alone (RFC 8441 5).
constexpr Error kExtendedConnect{Code::Denied, Side::Upstream, Retry::No, 0, "extended_connect_unsupported", 502};
constexpr Error kUpgradeMethod{Code::Denied, Side::Upstream, Retry::No, 0, "upgrade_method_not_get", 501};

}  // namespace

H2Codec::H2Codec(Role role, CodecEvents& owner, BlockPool& pool, const CodecLimits& limits)
    : Codec(pool), role_(role), owner_(owner), limits_(limits), output_(pool), memory_(pool), streams_(pool),
      frames_(role == Role::Server ? NGHTTP2_CLIENT_MAGIC_LEN : 0) {
  session_ = H2Callbacks::open(*this);
  const bool server = role == Role::Server;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.buffer},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.max_header_bytes},
      server ? nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_streams}
             : nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, server ? 5 : 4);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, int32_t(kConnectionWindow * limits.buffer));
}

H2Codec::~H2Codec() { nghttp2_session_del(session_); }

// --- in ------------------------------------------------------------------------------------------------------------

Result<Done> H2Codec::feed(Buffer& input) {
  if (!std::exchange(had_enough_, false) && !input.empty()) guard_.turn();
  spent_ = std::exchange(owed_, 0);
  feeding_ = true;
  while (!input.empty() && !dead_ && !verdict_ && !had_enough_) {
    const auto run = input.front();
    input_ = &input;
    const size_t taken = read(run);
    input_ = nullptr;
    if (taken == 0) {
      die();
      break;
    }
    had_enough_ = taken < run.size() || (owed_ > 0 && input.size() > taken);
    input.drop(taken);
    // What nghttp2 has found wrong by itself shows when it is framed.
    if (nghttp2_session_get_outbound_queue_size(session_) > 0) gather();
    if (nghttp2_session_get_outbound_queue_size(session_) > kQueued + 4 * limits_.max_streams)
      doom(NGHTTP2_ENHANCE_YOUR_CALM, "answers_not_read");
    tell();
  }
  tell();
  feeding_ = false;
  if (!dead_ && verdict_) die();
  if (dead_) return fatal_;
  offer_room();
  if (!output_.empty() || nghttp2_session_want_write(session_)) note_output();
  if (had_enough_) owner_.on_enough();
  else if (heading_) owner_.on_partial();
  return Done{};
}

// Looks at the head of each frame before nghttp2 does.
size_t H2Codec::read(std::string_view run) {
  size_t fed = 0;
  bool reset = false;  // one is among what has not been fed
  const auto feed_to = [&](size_t end) {
    inside_ = true;
    const auto got = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(run.data()) + fed, end - fed);
    inside_ = false;
    fed = end;
    if (got >= 0) return true;
    if (got == NGHTTP2_ERR_FLOODED) doom(NGHTTP2_ENHANCE_YOUR_CALM, "answers_not_read");
    else doom(NGHTTP2_PROTOCOL_ERROR, got == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? "bad_preface" : "protocol_error");
    return false;
  };
  H2Frame frame;
  for (std::string_view rest = run; frames_.next(rest, frame);) {
    const size_t behind = run.size() - rest.size(), before = behind - std::min(behind, H2Frames::size_of_head(frame));
    const bool head = frame.type == NGHTTP2_HEADERS || frame.type == NGHTTP2_CONTINUATION;
    if (head || frame.type == NGHTTP2_DATA) {  // judged by what came before
      if ((head || reset || (last_id_ < seen_id_ && frame.stream < seen_id_)) && !feed_to(std::max(fed, before))) return 0;
      reset = false;
      if (head) seen_id_ = std::max(seen_id_, frame.stream);
      if (head) reader_.arriving(frame.type == NGHTTP2_HEADERS, frame.length);
    }
    reset |= frame.type == NGHTTP2_RST_STREAM;
    if (const char* const why = guard_.frame(frame.type, frame.flags, frame.length)) doom(NGHTTP2_ENHANCE_YOUR_CALM, why);
    else if (role_ == Role::Server) judge(frame);
    if (verdict_) {
      feed_to(std::max(fed, before));
      return 0;
    }
    const uint32_t cost = guard_.cost(frame.type);
    spent_ += cost;
    if (role_ == Role::Server && spent_ > H2Guard::kATurn) {  // what this one says is read in the next
      owed_ = cost;
      return feed_to(behind) ? behind : 0;
    }
  }
  return feed_to(run.size()) ? run.size() : 0;
}

// What nghttp2 lets pass because it keeps no memory of streams that are over (RFC 9113 5.1, 5.1.1), and does not look at
// priorities (RFC 7540 5.3.1, RFC 9113 6.3). What was on its way when we took a stream back is no fault.
void H2Codec::judge(const H2Frame& frame) {
  const StreamId id = frame.stream;
  if (frame.type == NGHTTP2_PRIORITY && (id == 0 || id == frame.depends_on))
    return doom(NGHTTP2_PROTOCOL_ERROR, "protocol_error");
  if ((frame.type != NGHTTP2_DATA && frame.type != NGHTTP2_HEADERS) || id % 2 == 0 || id > last_id_) return;
  if (id <= last_reset_ || draining_ || nghttp2_session_find_stream(session_, int32_t(id))) return;
  gather();
  if (id <= last_reset_ || nghttp2_session_get_outbound_queue_size(session_) > 0) return;
  if (frame.type == NGHTTP2_HEADERS && id >= skipped_from_ && id < skipped_to_)
    return doom(NGHTTP2_PROTOCOL_ERROR, "protocol_error");
  doom(NGHTTP2_STREAM_CLOSED, "stream_closed");
}

void H2Codec::tell() {
  if (holding_ && settings_seen_ && !dead_) submit_held();
  if (goaway_ && !dead_ && !std::exchange(goaway_told_, true)) {
    owner_.on_goaway();
    if (role_ == Role::Server && streams_.size() == 0) owner_.on_idle();
  }
  while (H2Stream* stream = dead_ ? nullptr : ready_.pop_front()) tell_one(*stream);
  if (!dead_ && std::exchange(alive_, false)) owner_.on_alive();
}

void H2Codec::tell_one(H2Stream& stream) {
  stream.telling = true;
  const auto heard = [&] { return stream.events && !dead_; };
  if (heard() && std::exchange(stream.tell_failure, false)) {
    stream.in.clear();
    stream.trailers = nullptr;
    stream.tell_head = stream.tell_end = false;
    stream.deaf = true;
    std::exchange(stream.events, nullptr)->on_reset(stream.failure);
  }
  if (heard() && std::exchange(stream.tell_head, false)) {
    const bool end = stream.tell_end && stream.in.empty() && !stream.trailers && !stream.tunnel;
    if (end) stream.tell_end = false;
    stream.events->on_head(end);
  }
  if (heard() && (!stream.in.empty() || (stream.tell_end && !stream.trailers))) {
    Buffer data = std::move(stream.in);
    const bool end = stream.tell_end && !stream.trailers;
    if (end) stream.tell_end = false;
    stream.events->on_body(std::move(data), end);
  }
  if (heard() && stream.trailers && std::exchange(stream.tell_end, false))
    stream.events->on_trailers(*std::exchange(stream.trailers, nullptr));
  stream.telling = false;
  if (stream.closed) release(stream);
}

Result<Done> H2Codec::end_of_input() {
  if (dead_) return fatal_;
  if (role_ == Role::Client) {
    fatal_ = peer_error(Code::Closed, "upstream_closed", Retry::IfReused);
  } else {
    const bool half = streams_.find_if([](const H2Stream& stream) { return !stream.in_ended; }) != nullptr;
    const bool busy = streams_.size() > 0 || !output_.empty() || nghttp2_session_want_write(session_);
    if (busy && !half) {  // half closed, and waiting for its answers
      draining_ = true;
      if (streams_.size() == 0) owner_.on_idle();
      return Done{};
    }
    fatal_ = peer_error(Code::Closed, half ? "request_cut_short" : "client_closed");
  }
  dead_ = true;
  return fatal_;
}

// Before its first byte a response that will not come may be had elsewhere, if the connection was a used one.
bool H2Codec::lose(const Error& why) {
  dead_ = true;
  Error told = why;
  told.status = 0;
  told.side = role_ == Role::Server ? Side::Downstream : Side::Upstream;
  if (role_ == Role::Server && (told.code == Code::Protocol || told.code == Code::TooLarge)) told.code = Code::Closed;
  const auto next = [this] { return streams_.find_if([](const H2Stream& s) { return s.events != nullptr; }); };
  while (H2Stream* stream = next()) {
    StreamEvents* const to = std::exchange(stream->events, nullptr);
    if (role_ == Role::Client && stream->in_ended && !stream->tell_end) continue;  // it has all it waited for
    const bool unanswered = role_ == Role::Client && why.code == Code::Closed && !stream->headed;
    told.retry = unanswered ? Retry::IfReused : Retry::No;
    to->on_reset(told);
    if (role_ == Role::Server) return next() != nullptr;
  }
  return false;
}

// --- out -----------------------------------------------------------------------------------------------------------

Buffer& H2Codec::output() {
  noted_ = false;
  gather();
  return output_;
}

void H2Codec::gather() {
  if (inside_ || dead_) return;
  inside_ = true;
  while (output_.size() <= limits_.buffer) {
    const uint8_t* frame = nullptr;
    const auto size = nghttp2_session_mem_send(session_, &frame);
    if (size <= 0) break;
    output_.append(std::string_view(reinterpret_cast<const char*>(frame), size_t(size)));
  }
  inside_ = false;
}

void H2Codec::note_output() {
  if (!std::exchange(noted_, true)) owner_.on_output();
}

void H2Codec::written() {
  stuck_ = false;
  if (dead_) return;
  offer_room();
  if (output_.size() <= limits_.buffer && nghttp2_session_want_write(session_)) note_output();
}

size_t H2Codec::room(const H2Stream& stream) const {
  int64_t window = nghttp2_session_get_stream_remote_window_size(session_, stream.wire_id);
  if (window < 0) window = nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);  // not sent yet
  window = std::min<int64_t>({window, nghttp2_session_get_remote_window_size(session_), limits_.buffer});
  return window > int64_t(stream.out.size()) ? size_t(window) - stream.out.size() : 0;
}

void H2Codec::offer_room() {
  if (waiting_.empty()) return;
  IntrusiveList<H2Stream, H2Waiting> now;
  now.splice(waiting_);
  while (H2Stream* stream = now.pop_front()) {
    if (!stream->events || stream->closed) continue;
    if (stream->out.size() > limits_.buffer / 2 || room(*stream) == 0) waiting_.push_back(*stream);
    else stream->events->on_sendable();
  }
}

H2Stream* H2Codec::living(StreamId id) const {
  H2Stream* const stream = dead_ ? nullptr : streams_.find(id);
  return stream && !stream->closed ? stream : nullptr;
}

bool H2Codec::can_open() const {
  if (role_ != Role::Client || !reusable() || !nghttp2_session_check_request_allowed(session_)) return false;
  const uint32_t theirs =
      settings_seen_ ? nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) : kUsualStreams;
  return streams_.size() < std::min(theirs, limits_.max_streams);
}

StreamId H2Codec::open(StreamEvents& events) {
  H2Stream& stream = streams_.add(last_id_ += 2);
  stream.events = &events;
  return stream.id;
}

void H2Codec::send_request(StreamId id, const RequestHead& head, std::span<const Field> own, bool end) {
  H2Stream* const stream = living(id);
  if (!stream || stream->head_sent) return;
  stream->head_sent = true;
  stream->tunnel = head.tunnel();
  stream->extended = !head.protocol.empty();
  if (stream->extended && !settings_seen_) {  // whether it may be asked at all is not known yet (RFC 8441 3)
    stream->held.reset(new H2Stream::Held{head, own});
    holding_ = true;
    return;
  }
  submit(*stream, head, own, end);
}

void H2Codec::submit_held() {
  holding_ = false;
  while (H2Stream* stream = streams_.find_if([](const H2Stream& s) { return s.held != nullptr; })) {
    const auto held = std::move(stream->held);
    submit(*stream, held->head, held->own, false);
  }
}

void H2Codec::submit(H2Stream& stream, const RequestHead& head, std::span<const Field> own, bool end) {
  const auto refuse = [&](const Error& why) {
    stream.closed = true;
    fail(stream, why);
  };
  if (stream.extended && head.method != Method::Get && head.method != Method::Connect) return refuse(kUpgradeMethod);
  if (stream.extended && !nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL))
    return refuse(kExtendedConnect);
  write_h2_request(block_, head, own, end, limits_.encrypted);
  if (const auto length = declared_length(head.headers); length && !end && !stream.tunnel) {
    stream.has_length = true;
    stream.left = *length;
  }
  stream.out_ended = end;
  const nghttp2_data_provider body = H2Callbacks::body_of(stream);
  const int32_t wire_id = nghttp2_submit_request(session_, nullptr, block_.data(), block_.size(), end ? nullptr : &body, &stream);
  if (wire_id < 0) return refuse(peer_error(Code::Closed, "connection_used_up", Retry::Yes));
  stream.wire_id = wire_id;
  note_output();
}

void H2Codec::send_interim(StreamId id, const ResponseHead& head) {
  H2Stream* const stream = living(id);
  if (!stream || stream->head_sent || head.status < 100 || head.status >= 200 || head.status == 101) return;
  write_h2_response(block_, head, false, stream->to_head, false);
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream->wire_id, nullptr, block_.data(), block_.size(), nullptr);
  note_output();
}

void H2Codec::send_response(StreamId id, const ResponseHead& head, bool end) {
  H2Stream* const stream = living(id);
  if (!stream || stream->head_sent) return;
  stream->head_sent = true;
  const bool to_connect = stream->to_connect && head.status < 300;  // 101 is told as 200
  write_h2_response(block_, head, end, stream->to_head, to_connect);
  stream->out_ended = end || stream->to_head || !(to_connect || may_have_body(head.status));
  if (const auto length = declared_length(head.headers); length && !stream->out_ended && !to_connect) {
    stream->has_length = true;
    stream->left = *length;
  }
  const nghttp2_data_provider body = H2Callbacks::body_of(*stream);
  nghttp2_submit_response(session_, stream->wire_id, block_.data(), block_.size(), stream->out_ended ? nullptr : &body);
  note_output();
}

// Bytes for a stream that is over, or whose message has no body, go nowhere.
void H2Codec::send_body(StreamId id, Buffer& data, bool end) {
  H2Stream* const stream = living(id);
  if (!stream || !stream->head_sent || stream->out_ended) return data.clear();
  if (!data.empty()) {
    const size_t n = std::min(data.size(), room(*stream));
    if (stream->has_length && n > stream->left) {  // more than its head promised: never a byte of it
      data.clear();
      return reset_stream(*stream, NGHTTP2_INTERNAL_ERROR);
    }
    stream->left -= stream->has_length ? n : 0;
    if (n == data.size()) stream->out.append(std::move(data));
    else if (n > 0) stream->out.append(data.take(n));
  }
  if (!data.empty()) waiting_.push_back(*stream);
  else static_cast<ListHook<H2Waiting>&>(*stream).unlink();
  if (end && data.empty()) return end_body(*stream);
  resume(*stream);
}

void H2Codec::send_trailers(StreamId id, const HeaderMap& trailers) {
  H2Stream* const stream = living(id);
  if (!stream || !stream->head_sent || stream->out_ended) return;
  if (!stream->out_trailers) stream->out_trailers = std::make_unique<H2Stream::Trailers>();
  stream->has_out_trailers = true;
  for (const Field& field : trailers.fields())
    if (may_be_trailer(field.id)) stream->out_trailers->fields.add(field.name, field.value);
  end_body(*stream);
}

void H2Codec::end_body(H2Stream& stream) {
  if (stream.has_length && stream.left > 0) return reset_stream(stream, NGHTTP2_INTERNAL_ERROR);  // less than promised
  stream.out_ended = true;
  resume(stream);
}

void H2Codec::resume(H2Stream& stream) {
  if (stream.out.empty() && !stream.out_ended) return;
  if (std::exchange(stream.deferred, false)) nghttp2_session_resume_data(session_, stream.wire_id);
  note_output();
}

}  // namespace outrider::http
