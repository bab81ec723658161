#pragma once
// What a peer may make an HTTP/2 connection do without any use for anybody, and how much of use in one turn of the loop.
// Frames are counted, and what is of use, or comes in a turn of its own, pays some of it back: so an old connection that is
// merely kept alive is never cut off, and no clock is needed.

#include <array>
#include <cstddef>
#include <cstdint>

namespace outrider::http {

// Embedded in a codec.
class H2Guard {
 public:
  // Each gives the reason to end the connection (a literal), or null.
  const char* frame(uint8_t type, uint8_t flags, size_t length);
  const char* reset();     // a stream was taken back by the peer, or had to be because of it
  void turn();             // bytes were read
  void finished();         // a stream came to its end
  void sent(size_t size);  // of DATA: the peer will give credit for it
  // What reading costs, a small frame being 1. Others are served before the rest of what came once it is kATurn.
  static constexpr uint32_t kATurn = 512;
  uint32_t cost(uint8_t type) const;
  static uint32_t cost_of_head(uint64_t decoded) { return uint32_t(decoded / 128); }

 private:
  enum Kind : size_t { Pings, Settings, Resets, Empty, Windows, Continuations, Count };
  const char* count(Kind kind);
  std::array<uint16_t, Count> counted_{};
  bool known_ = false;   // a stream of its has come to its end
  uint16_t earned_ = 0;  // WINDOW_UPDATEs there is a use for
  void earn(size_t credits);
};

}  // namespace outrider::http
