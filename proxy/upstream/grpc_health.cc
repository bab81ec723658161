#include "upstream/grpc_health.h"

#include <cstdint>
#include <optional>

namespace outrider::upstream {

namespace {

constexpr size_t kFrame = 5;          // a byte that says "compressed", and the length of the message
constexpr uint64_t kStatusField = 1;  // HealthCheckResponse.status; the request's service has the same number
constexpr uint64_t kServing = 1;
enum WireType : uint64_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7) out += char(value | 128);
  return out += char(value);
}

std::optional<uint64_t> take_varint(std::string_view& from) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
    const auto byte = uint8_t(from.front());
    from.remove_prefix(1);
    value |= uint64_t(byte & 127) << shift;
    if (byte < 128) return value;
  }
  return {};
}

bool skip(std::string_view& from, uint64_t n) {
  if (n > from.size()) return false;
  from.remove_prefix(size_t(n));
  return true;
}

bool skip_field(std::string_view& from, uint64_t type) {
  switch (type) {
    case Varint: return take_varint(from).has_value();
    case Fixed64: return skip(from, 8);
    case Fixed32: return skip(from, 4);
    case Bytes: {
      const auto length = take_varint(from);
      return length && skip(from, *length);
    }
    default: return false;
  }
}

}  // namespace

std::string grpc_health_question(std::string_view service) {
  std::string message;
  if (!service.empty()) message = varint(kStatusField << 3 | Bytes) + varint(service.size()) + std::string(service);
  std::string framed(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) framed += char(message.size() >> shift);
  return framed + message;
}

bool says_serving(std::string_view answer) {
  if (answer.size() < kFrame || answer.front() != '\0') return false;
  uint64_t length = 0;
  for (const char byte : answer.substr(1, kFrame - 1)) length = length << 8 | uint8_t(byte);
  answer.remove_prefix(kFrame);
  if (answer.size() != length) return false;
  uint64_t status = 0;
  while (!answer.empty()) {
    const auto key = take_varint(answer);
    if (!key) return false;
    if (*key == (kStatusField << 3 | Varint)) {
      const auto value = take_varint(answer);
      if (!value) return false;
      status = *value;
    } else if (!skip_field(answer, *key & 7)) {
      return false;
    }
  }
  return status == kServing;
}

}  // namespace outrider::upstream
