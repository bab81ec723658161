#pragma once
// Who speaks: a connection's protocol, told from the first bytes its client sends.

#include <cstdint>
#include <string_view>

namespace outrider::http {

enum class Voice : uint8_t {
  Unknown,   // nothing yet, or what the preface of HTTP/2 begins with
  Likely,    // HTTP/1, but more is needed to tell
  Unlikely,  // the same, only if the method is one that nobody knows
  Http1,
  Http2,  // its preface (RFC 9113 3.4)
  Tls,    // a record with a ClientHello (RFC 8446 5.1)
  Other
};

inline constexpr char kPresumedWrongly[] = "client_spoke";  // why a tunnel that was presumed is over
inline constexpr size_t kVoiceBytes = 1024;                 // with so many there is a verdict

// `bytes` is what has come so far; more of the same never changes a verdict. HTTP/1 is a method everybody
// knows and a space, or a first line that ends with a version of HTTP, so that what is wrong with it can be answered.
Voice voice_of(std::string_view bytes);

}  // namespace outrider::http
