#pragma once
// A client of HTTP/2 made of frames: what it sends is what a test says, and what it gets is text.

#include <gtest/gtest.h>

#include "tests/support/stream.h"
#include "tests/unit/http/frames.h"

namespace outrider::test {

// Owns its connection; used by one thread at a time.
class FramesClient {
 public:
  explicit FramesClient(const net::Address& to, const std::string& settings = {}) : stream_(Stream::connect(to)) {
    send(http::kPreface + http::frame(NGHTTP2_SETTINGS, 0, 0, settings));
  }
  void send(const std::string& bytes) { EXPECT_TRUE(stream_.send(bytes)); }
  // All lines of frames so far, once one of them holds `mark` or the connection has ended.
  std::string read_until(std::string_view mark) {
    while (lines_.find(mark) == std::string::npos) {
      const auto head = stream_.read_exactly(9);
      if (!head) return lines_;
      const auto size = size_t(uint8_t((*head)[0])) << 16 | size_t(uint8_t((*head)[1])) << 8 | uint8_t((*head)[2]);
      const auto payload = size ? stream_.read_exactly(size) : std::string();
      if (!payload) return lines_;
      lines_ += reader_.read(*head + *payload);
    }
    return lines_;
  }
  bool reads(std::string_view mark) { return read_until(mark).find(mark) != std::string::npos; }
  Stream& stream() { return stream_; }

 private:
  Stream stream_;
  http::FrameReader reader_;
  std::string lines_;
};

inline bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace outrider::test
