#pragma once
// Messages of gRPC in the bytes of a stream: a byte that says "compressed", four of length, and the message.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace outrider::http {

struct GrpcFrame {
  static constexpr size_t kHead = 5;
  bool compressed = false;
  uint32_t length = 0;  // of the message behind the head
};

inline std::optional<GrpcFrame> read_grpc_frame(std::string_view bytes) {  // null: the head is not whole
  if (bytes.size() < GrpcFrame::kHead) return {};
  GrpcFrame frame{bytes.front() != '\0', 0};
  for (const char byte : bytes.substr(1, GrpcFrame::kHead - 1)) frame.length = frame.length << 8 | uint8_t(byte);
  return frame;
}

inline std::string write_grpc_frame(std::string_view message) {
  std::string framed(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) framed += char(message.size() >> shift);
  return framed.append(message);
}

}  // namespace outrider::http
