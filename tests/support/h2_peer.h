#pragma once
// One end of an HTTP/2 connection made of frames, from a test's seat.

#include <gtest/gtest.h>

#include <string>

#include "tests/support/stream.h"
#include "tests/unit/http/frames.h"

namespace outrider::test {

inline bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// A client that connects, or the server of a connection that was accepted. Used by one thread at a time.
class H2Peer {
 public:
  explicit H2Peer(const net::Address& to, const std::string& settings = {}) : own_(Stream::connect(to)), stream_(own_) {
    send(http::kPreface + http::frame(NGHTTP2_SETTINGS, 0, 0, settings));
  }
  struct Greeted {};  // its preface has gone
  H2Peer(Stream& connected, Greeted) : stream_(connected) {}
  explicit H2Peer(Stream& accepted) : stream_(accepted) {
    const auto preface = stream_.read_exactly(http::kPreface.size());
    if (!preface) return;  // who only looked whether anybody is there
    EXPECT_EQ(*preface, http::kPreface);
    send(http::frame(NGHTTP2_SETTINGS, 0, 0) + http::frame(NGHTTP2_SETTINGS, http::kAck, 0));
  }
  H2Peer(const H2Peer&) = delete;
  H2Peer& operator=(const H2Peer&) = delete;
  void send(const std::string& bytes) { EXPECT_TRUE(stream_.send(bytes)); }
  void close() { stream_.close(); }
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
  void forget() { lines_.clear(); }  // all lines so far
  bool reads(std::string_view mark) { return has(read_until(mark), mark); }
  Stream& stream() { return stream_; }

 private:
  Stream own_;
  Stream& stream_;
  http::FrameReader reader_;
  std::string lines_;
};

}  // namespace outrider::test
