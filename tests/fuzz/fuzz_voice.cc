// The first bytes of a stranger: whatever they are and however they come, a verdict stands, and is there in time.

#include <cstdlib>

#include "http/voice.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace outrider::http;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Voice whole = voice_of(bytes);
  Voice verdict = Voice::Unknown;
  for (size_t n = 0; n <= size; ++n) {
    const Voice now = voice_of(bytes.substr(0, n));
    if (verdict > Voice::Unlikely && now != verdict) std::abort();
    verdict = now;
  }
  if (verdict != whole || (size >= kVoiceBytes && whole <= Voice::Unlikely)) std::abort();
  return 0;
}
