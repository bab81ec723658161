#pragma once
// What nghttp2 calls while it reads and frames for an H2Codec: notes in the codec's streams, nothing else.

#include <nghttp2/nghttp2.h>

namespace outrider::http {

class H2Codec;
struct H2Stream;

struct H2Callbacks {
  static constexpr uint8_t kProbe[8] = {'p', 'r', 'o', 'b', 'e'}, kDrain[8] = {'d', 'r', 'a', 'i', 'n'};
  static nghttp2_session* open(H2Codec& codec);
  static nghttp2_data_provider body_of(H2Stream& stream);

 private:
  static const nghttp2_session_callbacks* table();
  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* codec);
  static int on_header(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name, nghttp2_rcbuf* value, uint8_t, void* codec);
  static int on_invalid_header(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf*, nghttp2_rcbuf*, uint8_t, void*);
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* codec);
  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* codec);
  static int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* codec);
  static int on_frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int error, void* codec);
  static int on_stream_close(nghttp2_session*, int32_t id, uint32_t code, void* codec);
  static ssize_t read_body(nghttp2_session*, int32_t, uint8_t*, size_t room, uint32_t* flags, nghttp2_data_source*, void* codec);
  static int send_body(nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t size, nghttp2_data_source*, void* codec);
  static void on_header_block(H2Codec& codec, H2Stream& stream, bool end);
  static void spoil(H2Codec& codec, H2Stream& stream, const char* what);
};

}  // namespace outrider::http
