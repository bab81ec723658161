#include "http/h2_callbacks.h"

#include <algorithm>
#include <cstring>

#include "http/h2_codec.h"

namespace outrider::http {

namespace {

constexpr uint16_t kInterims = 64;     // 1xx of one response
constexpr size_t kCrumb = 512;         // less than this is copied out of the read block, which it would pin
constexpr size_t kCopied = 16 * 1024;  // and out of a body's block behind the head of its frame

H2Codec& codec_of(void* user) { return *static_cast<H2Codec*>(user); }

H2Stream* stream_of(nghttp2_session* session, int32_t id) {
  return static_cast<H2Stream*>(nghttp2_session_get_stream_user_data(session, id));
}

const char* name_of(uint32_t code) {
  switch (code) {
    case NGHTTP2_PROTOCOL_ERROR: return "protocol_error";
    case NGHTTP2_FLOW_CONTROL_ERROR: return "flow_control_error";
    case NGHTTP2_SETTINGS_TIMEOUT: return "settings_timeout";
    case NGHTTP2_STREAM_CLOSED: return "stream_closed";
    case NGHTTP2_FRAME_SIZE_ERROR: return "frame_size_error";
    case NGHTTP2_COMPRESSION_ERROR: return "compression_error";
    case NGHTTP2_ENHANCE_YOUR_CALM: return "enhance_your_calm";
    default: return "internal_error";
  }
}

// A peer that makes us reset its streams costs as much as one that does it itself.
bool blames(uint32_t code) {
  switch (code) {
    case NGHTTP2_NO_ERROR:
    case NGHTTP2_CANCEL:
    case NGHTTP2_INTERNAL_ERROR:
    case NGHTTP2_CONNECT_ERROR: return false;
    default: return true;
  }
}

}  // namespace

const nghttp2_session_callbacks* H2Callbacks::table() {
  static const nghttp2_session_callbacks* const kTable = [] {
    nghttp2_session_callbacks* t = nullptr;
    nghttp2_session_callbacks_new(&t);
    nghttp2_session_callbacks_set_on_begin_headers_callback(t, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(t, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(t, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(t, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(t, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(t, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(t, on_frame_not_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(t, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(t, send_body);
    return t;
  }();
  return kTable;
}

nghttp2_session* H2Callbacks::open(H2Codec& codec) {
  static const nghttp2_option* const kOptions = [] {
    nghttp2_option* o = nullptr;
    nghttp2_option_new(&o);
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_stream_reset_rate_limit(o, UINT32_MAX, UINT32_MAX);  // H2Guard counts
    nghttp2_option_set_max_continuations(o, SIZE_MAX);                      // itself; these count pieces, too
    return o;
  }();
  nghttp2_session* session = nullptr;
  nghttp2_mem* const memory = codec.memory_.interface();
  if (codec.role_ == Role::Server) nghttp2_session_server_new3(&session, table(), &codec, kOptions, memory);
  else nghttp2_session_client_new3(&session, table(), &codec, kOptions, memory);
  return session;
}

nghttp2_data_provider H2Callbacks::body_of(H2Stream& stream) {
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = read_body;
  return provider;
}

// --- in ------------------------------------------------------------------------------------------------------------

int H2Callbacks::on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  H2Codec& codec = codec_of(user);
  const int32_t id = frame->hd.stream_id;
  codec.reader_.nobody(codec.limits_);
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    if (StreamId(id) > codec.last_id_ + 2) {
      codec.skipped_from_ = codec.last_id_ + 1;
      codec.skipped_to_ = StreamId(id);
    }
    codec.last_id_ = StreamId(id);
    StreamEvents* const events = codec.owner_.on_stream(StreamId(id));
    if (!events) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
      return 0;
    }
    H2Stream& stream = codec.streams_.add(StreamId(id));
    stream.wire_id = id;
    stream.events = events;
    stream.request = events->request_head();
    stream.request->clear();
    nghttp2_session_set_stream_user_data(session, id, &stream);
    codec.reader_.request(*stream.request, codec.limits_);
    codec.heading_ = &stream;
    return 0;
  }
  H2Stream* const stream = stream_of(session, id);
  if (!stream || !stream->events || stream->deaf) return 0;
  if (!stream->headed) {
    stream->response = stream->events->response_head();
    stream->response->clear();
    codec.reader_.response(*stream->response, codec.limits_);
  } else {
    Arena& arena = (stream->request ? stream->request->headers : stream->response->headers).arena();
    stream->trailers = arena.make<HeaderMap>(arena);
    codec.reader_.trailers(*stream->trailers, codec.limits_);
  }
  return 0;
}

int H2Callbacks::on_header(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name, nghttp2_rcbuf* value, uint8_t,
                           void* user) {
  H2Codec& codec = codec_of(user);
  if (codec.reader_.field(name, value)) return 0;
  codec.doom(NGHTTP2_ENHANCE_YOUR_CALM, "header_list_flood");
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

// Else nghttp2 would drop the field and go on.
int H2Callbacks::on_invalid_header(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf*, nghttp2_rcbuf*, uint8_t, void*) {
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

void H2Callbacks::spoil(H2Codec& codec, H2Stream& stream, const char* what) {
  codec.reset_stream(stream, NGHTTP2_PROTOCOL_ERROR);
  codec.fail(stream, codec.peer_error(Code::Protocol, what));
}

void H2Callbacks::on_header_block(H2Codec& codec, H2Stream& stream, bool end) {
  const Refusal bad = codec.reader_.finish();
  if (!stream.events || stream.deaf) return;
  if (bad && bad.status == 431 && codec.role_ == Role::Server && !stream.headed) {  // it may still be told so
    stream.headed = stream.deaf = true;
    Error why = codec.peer_error(Code::TooLarge, bad.what);
    why.status = bad.status;
    return codec.fail(stream, why);
  }
  if (bad) return spoil(codec, stream, bad.what);
  if (stream.headed && stream.tunnel && (stream.request || stream.response->status < 300))  // RFC 9113 8.5
    return spoil(codec, stream, "trailers_in_tunnel");
  if (stream.headed) return;  // trailers: the end tells them
  if (stream.response && stream.response->status < 200) {
    if (++stream.interims > kInterims) return spoil(codec, stream, "too_many_interim");
    return stream.events->on_interim();
  }
  stream.headed = stream.tell_head = true;
  if (stream.extended && stream.response->status < 300) stream.response->status = 101;
  if (stream.request) {
    stream.to_head = stream.request->method == Method::Head;
    stream.to_connect = stream.tunnel = stream.request->tunnel();
  }
  if (!end) codec.note(stream);
}

int H2Callbacks::on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  H2Codec& codec = codec_of(user);
  H2Stream* const stream = frame->hd.stream_id ? stream_of(session, frame->hd.stream_id) : nullptr;
  const bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      codec.heading_ = nullptr;
      codec.spent_ += H2Guard::cost_of_head(codec.reader_.decoded());
      if (stream) on_header_block(codec, *stream, end);
      break;
    case NGHTTP2_DATA: break;
    case NGHTTP2_RST_STREAM:
      if (!stream) return 0;
      stream->peer_reset = true;
      if (codec.role_ == Role::Client || stream->out_sent) return 0;
      if (const char* const why = codec.guard_.reset()) {
        codec.doom(NGHTTP2_ENHANCE_YOUR_CALM, why);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
      }
      return 0;
    case NGHTTP2_SETTINGS: codec.settings_seen_ |= !(frame->hd.flags & NGHTTP2_FLAG_ACK); return 0;
    case NGHTTP2_PING:
      if (!(frame->hd.flags & NGHTTP2_FLAG_ACK)) return 0;
      if (std::memcmp(frame->ping.opaque_data, kProbe, 8) == 0) codec.alive_ = true;
      else if (std::memcmp(frame->ping.opaque_data, kDrain, 8) == 0) codec.say_goodbye();
      return 0;
    case NGHTTP2_GOAWAY: codec.goaway_ = true; return 0;
    default: return 0;
  }
  if (!stream || !end) return 0;
  stream->in_ended = true;
  if (!stream->events || stream->deaf) return 0;
  stream->tell_end = true;
  codec.note(*stream);
  return 0;
}

// Credit for the connection is given back on arrival, so that one slow stream never stalls another; the stream's when
// its bytes have gone on.
int H2Callbacks::on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size, void* user) {
  H2Codec& codec = codec_of(user);
  nghttp2_session_consume_connection(session, size);
  H2Stream* const stream = stream_of(session, id);
  if (!stream || !stream->events || stream->deaf) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (size <= kCrumb) stream->in.append(bytes);
  else stream->in.append(codec.input_->share(size_t(bytes.data() - codec.input_->front().data()), size));
  codec.note(*stream);
  return 0;
}

// --- out -----------------------------------------------------------------------------------------------------------

ssize_t H2Callbacks::read_body(nghttp2_session* session, int32_t id, uint8_t*, size_t room, uint32_t* flags,
                               nghttp2_data_source* source, void* user) {
  H2Stream& stream = *static_cast<H2Stream*>(source->ptr);
  const size_t size = std::min(room, stream.out.size());
  if (size == 0 && !stream.out_ended) {
    stream.deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (size < stream.out.size() || !stream.out_ended) return ssize_t(size);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (!stream.has_out_trailers) return ssize_t(size);
  H2Block& block = codec_of(user).block_;
  write_h2_trailers(block, stream.out_trailers->fields);
  if (block.empty()) return ssize_t(size);
  *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  nghttp2_submit_trailer(session, id, block.data(), block.size());
  return ssize_t(size);
}

int H2Callbacks::send_body(nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t size, nghttp2_data_source* source,
                           void* user) {
  H2Codec& codec = codec_of(user);
  if (codec.output_.size() > codec.limits_.buffer) return NGHTTP2_ERR_WOULDBLOCK;
  H2Stream& stream = *static_cast<H2Stream*>(source->ptr);
  codec.output_.append(std::string_view(reinterpret_cast<const char*>(head), 9));
  codec.output_.pull(stream.out, size, kCopied / 4);
  stream.swept = false;
  codec.guard_.sent(size);
  return 0;
}

int H2Callbacks::on_frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  H2Codec& codec = codec_of(user);
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
    codec.doom(frame->goaway.error_code, name_of(frame->goaway.error_code), true);
  if (frame->hd.type == NGHTTP2_RST_STREAM && codec.role_ == Role::Server) {
    const uint32_t code = frame->rst_stream.error_code;
    codec.last_reset_ = std::max(codec.last_reset_, StreamId(frame->hd.stream_id));
    if (code == NGHTTP2_FLOW_CONTROL_ERROR) codec.doom(code, name_of(code));  // perhaps of SETTINGS: the connection's
    if (const char* const why = blames(code) ? codec.guard_.reset() : nullptr) codec.doom(NGHTTP2_ENHANCE_YOUR_CALM, why);
  }
  const bool carries = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
  H2Stream* const stream =
      carries && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ? stream_of(session, frame->hd.stream_id) : nullptr;
  if (!stream) return 0;
  stream->out_sent = true;
  if (stream->deaf && !stream->events && !stream->in_ended)
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                              codec.role_ == Role::Server ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
  return 0;
}

int H2Callbacks::on_frame_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int, void*) {
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  if (H2Stream* const stream = stream_of(session, frame->hd.stream_id); stream && !stream->headed) stream->unsent = true;
  return 0;
}

int H2Callbacks::on_stream_close(nghttp2_session* session, int32_t id, uint32_t code, void* user) {
  H2Codec& codec = codec_of(user);
  H2Stream* const stream = stream_of(session, id);
  if (!stream) return 0;
  stream->closed = true;
  static_cast<ListHook<H2Waiting>&>(*stream).unlink();
  const bool server = codec.role_ == Role::Server, ended = stream->in_ended && stream->out_sent;
  const bool whole = server ? ended : stream->in_ended;
  if (whole) codec.guard_.finished();
  if (codec.heading_ == stream) codec.heading_ = nullptr;
  if (stream->events && !whole && !stream->tell_failure) {
    const char* what = "stream_reset";
    Code kind = server ? Code::Closed : code == NGHTTP2_CANCEL ? Code::Canceled : Code::Internal;
    Retry retry = Retry::No;
    if (!server && (stream->unsent || code == NGHTTP2_REFUSED_STREAM)) {
      what = "stream_refused";
      kind = Code::Closed;
      retry = Retry::Yes;
    } else if (!stream->peer_reset) {  // nghttp2 has found it malformed
      what = "malformed";
      kind = Code::Protocol;
    }
    codec.fail(*stream, codec.peer_error(kind, what, retry));
  }
  if (!static_cast<ListHook<H2Ready>&>(*stream).linked()) codec.release(*stream);
  return 0;
}

}  // namespace outrider::http
