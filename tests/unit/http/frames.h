#pragma once
// HTTP/2 frames made by hand, and read back as text.

#include <nghttp2/nghttp2.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/http/rig.h"

namespace outrider::http {

using Fields = std::vector<std::pair<std::string, std::string>>;

inline const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum : uint8_t { kEndStream = 1, kAck = 1, kEndHeaders = 4, kPadded = 8 };

inline std::string number(uint32_t n, int bytes = 4) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += char(n >> (8 * i));
  return text;
}

inline std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload = {}) {
  return number(uint32_t(payload.size()), 3) + char(type) + char(flags) + number(stream) + std::string(payload);
}

// Literals without indexing and without Huffman: what is in the list is what is on the wire.
inline std::string block(const Fields& fields) {
  const auto text = [](std::string_view t) {
    std::string out;
    if (t.size() < 127) return std::string(1, char(t.size())) + std::string(t);
    out += char(127);
    size_t rest = t.size() - 127;
    for (; rest >= 128; rest /= 128) out += char(rest % 128 + 128);
    return out + char(rest) + std::string(t);
  };
  std::string out;
  for (const auto& [name, value] : fields) out += std::string(1, '\0') + text(name) + text(value);
  return out;
}

inline std::string headers(uint32_t stream, const Fields& fields, uint8_t flags = kEndHeaders | kEndStream) {
  return frame(NGHTTP2_HEADERS, flags, stream, block(fields));
}

inline std::string data(uint32_t stream, std::string_view bytes, bool end = false) {
  return frame(NGHTTP2_DATA, end ? kEndStream : 0, stream, bytes);
}

inline Fields request_fields(Fields more = {}, std::string method = "GET") {
  Fields all{{":method", std::move(method)}, {":scheme", "http"}, {":path", "/a"}, {":authority", "web"}};
  for (auto& field : more) all.push_back(std::move(field));
  return all;
}

// What a codec wrote, a line a frame: "HEADERS 1 end [:status: 200]", "RST_STREAM 1 PROTOCOL_ERROR".
class FrameReader {
 public:
  explicit FrameReader(bool settings = false) : settings_(settings) { nghttp2_hd_inflate_new(&inflater_); }
  ~FrameReader() { nghttp2_hd_inflate_del(inflater_); }
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;

  std::string read(std::string_view bytes) {
    std::string all;
    if (bytes.starts_with(kPreface)) bytes.remove_prefix(kPreface.size());
    while (bytes.size() >= 9) {
      const size_t size = at(bytes, 0, 3);
      const auto type = uint8_t(bytes[3]), flags = uint8_t(bytes[4]);
      const auto id = at(bytes, 5, 4);
      all += line(type, flags, id, bytes.substr(9, size));
      bytes.remove_prefix(std::min(bytes.size(), 9 + size));
    }
    return all;
  }

 private:
  static uint32_t at(std::string_view bytes, size_t from, size_t n) {
    uint32_t value = 0;
    for (size_t i = from; i < from + n; ++i) value = value << 8 | uint8_t(bytes[i]);
    return value;
  }
  std::string line(uint8_t type, uint8_t flags, uint32_t id, std::string_view payload) {
    const std::string on = id ? " " + std::to_string(id) : "", end = flags & kEndStream ? " end" : "";
    switch (type) {
      case NGHTTP2_DATA: return "DATA" + on + end + " " + std::string(payload) + "\n";
      case NGHTTP2_HEADERS: return "HEADERS" + on + end + fields(payload) + "\n";
      case NGHTTP2_RST_STREAM: return "RST_STREAM" + on + " " + nghttp2_http2_strerror(at(payload, 0, 4)) + "\n";
      case NGHTTP2_GOAWAY:
        return "GOAWAY " + std::to_string(at(payload, 0, 4)) + " " + nghttp2_http2_strerror(at(payload, 4, 4)) +
               (payload.size() > 8 ? " " + std::string(payload.substr(8)) : "") + "\n";
      case NGHTTP2_PING: return std::string(flags & kAck ? "PING ack\n" : "PING\n");
      case NGHTTP2_WINDOW_UPDATE: return settings_ ? "WINDOW_UPDATE" + on + " " + std::to_string(at(payload, 0, 4)) + "\n" : "";
      case NGHTTP2_SETTINGS: return settings_ ? (flags & kAck ? "SETTINGS ack\n" : "SETTINGS\n") : "";
      default: return "frame " + std::to_string(type) + on + "\n";
    }
  }
  std::string fields(std::string_view payload) {
    std::string text;
    const auto* in = reinterpret_cast<const uint8_t*>(payload.data());
    size_t left = payload.size();
    for (int flags = 0;;) {
      nghttp2_nv pair;
      const auto used = nghttp2_hd_inflate_hd2(inflater_, &pair, &flags, in, left, 1);
      if (used < 0) return text + " (undecodable)";
      in += used;
      left -= size_t(used);
      if (flags & NGHTTP2_HD_INFLATE_EMIT)
        text += " [" + std::string(reinterpret_cast<char*>(pair.name), pair.namelen) + ": " +
                std::string(reinterpret_cast<char*>(pair.value), pair.valuelen) + "]";
      if (flags & NGHTTP2_HD_INFLATE_FINAL) break;
      if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && left == 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return text;
  }
  nghttp2_hd_inflater* inflater_ = nullptr;
  bool settings_;
};

}  // namespace outrider::http
