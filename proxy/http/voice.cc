#include "http/voice.h"

#include <algorithm>
namespace outrider::http {

namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"};

Voice tls(std::string_view bytes) {
  constexpr char kHandshake = 22, kMajor = 3, kClientHello = 1;
  if (bytes.front() != kHandshake || (bytes.size() > 1 && bytes[1] != kMajor)) return Voice::Other;
  if (bytes.size() <= 5) return Voice::Unknown;
  return bytes[5] == kClientHello ? Voice::Tls : Voice::Other;
}

// "... HTTP/1.1", without its line end.
bool ends_with_version(std::string_view line) {
  const size_t space = line.rfind(' ');
  return space != std::string_view::npos && line.substr(space + 1).starts_with("HTTP/");
}

}  // namespace

Voice voice_of(std::string_view bytes) {
  bytes = bytes.substr(0, kVoiceBytes);
  const bool enough = bytes.size() == kVoiceBytes;
  if (kPreface.starts_with(bytes.substr(0, kPreface.size())))
    return bytes.size() >= kPreface.size() ? Voice::Http2 : Voice::Unknown;
  if (const Voice voice = tls(bytes); voice != Voice::Other) return voice;
  if (bytes.starts_with("PRI ")) return Voice::Http1;  // a preface gone wrong is HTTP's to refuse
  while (!bytes.empty() && (bytes.front() == '\r' || bytes.front() == '\n')) bytes.remove_prefix(1);
  for (const auto method : kMethods) {
    if (method.starts_with(bytes)) return Voice::Likely;
    if (bytes.starts_with(method) && bytes[method.size()] == ' ') return Voice::Http1;
  }
  const auto strange = [](char c) { return (uint8_t(c) < 0x20 && c != '\t' && c != '\r') || uint8_t(c) >= 0x7f; };
  const auto end = std::find_if(bytes.begin(), bytes.end(), strange);
  if (end == bytes.end()) return enough ? Voice::Other : Voice::Unlikely;
  auto line = bytes.substr(0, size_t(end - bytes.begin()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return *end == '\n' && ends_with_version(line) ? Voice::Http1 : Voice::Other;
}

}  // namespace outrider::http
