#pragma once
// What a peer may make an HTTP/2 connection do without any use for anybody. Frames are counted, and what is of use, or
// comes in a turn of its own, pays some of it back: so an old connection that is merely kept alive is never cut off, and
// no clock is needed.

#include <array>
#include <cstddef>
#include <cstdint>

namespace outrider::http {

// Embedded in a codec.
class H2Guard {
 public:
  // Each gives the reason to end the connection (a literal), or null.
  const char* frame(uint8_t type, uint8_t flags, size_t length);
  const char* reset();  // a stream was taken back by the peer, or had to be because of it
  void turn();          // bytes were read
  void finished();      // a stream came to its end
  uint32_t heads_a_turn() const;

 private:
  enum Kind : size_t { Pings, Settings, Resets, Empty, Windows, Continuations, Count };
  const char* count(Kind kind);
  std::array<uint16_t, Count> counted_{};
};

}  // namespace outrider::http
