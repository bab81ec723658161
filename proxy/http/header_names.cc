// Numbers for the names we act on.

#include <array>

#include "base/text.h"
#include "http/header_map.h"

namespace outrider::http {

namespace {

// clang-format off
constexpr std::array<std::string_view, size_t(HeaderId::Count)> kNames{
    "", "Host", "Connection", "Content-Length", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Expect",
    "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Date", "Server", "Via",
    "Authorization", "Cookie", "Set-Cookie", "User-Agent", "Accept", "Content-Type", "Content-Encoding", "Location",
    "Referer", "Origin", "Retry-After", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
    "x-forwarded-client-cert",
    "X-Request-Id", "traceparent", "tracestate", "x-outrider-reason",
    "grpc-status", "grpc-message", "grpc-timeout", "x-outrider-attempt", "x-outrider-mirror",
    "x-outrider-load", "x-outrider-timeout-ms"};
// clang-format on

constexpr size_t kSlots = 256;

constexpr size_t slot_of(std::string_view name) {
  const auto lowered = [](char c) { return c >= 'A' && c <= 'Z' ? unsigned(c + 32) : unsigned(uint8_t(c)); };
  return (name.size() * 5 + lowered(name.front()) + lowered(name.back()) * 8) % kSlots;
}

// A perfect hash: no two of our names share a slot, so a look-up compares once.
constexpr std::array<HeaderId, kSlots> make_slots() {
  std::array<HeaderId, kSlots> slots{};
  for (size_t i = 1; i < kNames.size(); ++i) slots[slot_of(kNames[i])] = HeaderId(i);
  return slots;
}
constexpr auto kBySlot = make_slots();

constexpr bool is_perfect() {
  for (size_t i = 1; i < kNames.size(); ++i)
    if (kBySlot[slot_of(kNames[i])] != HeaderId(i)) return false;
  return true;
}
static_assert(is_perfect(), "two names in one slot: choose other multipliers in slot_of()");

}  // namespace

HeaderId header_id(std::string_view name) {
  if (name.empty()) return HeaderId::Other;
  const HeaderId id = kBySlot[slot_of(name)];
  return equals_ignore_case(name, kNames[size_t(id)]) ? id : HeaderId::Other;
}

std::string_view header_name(HeaderId id) { return id < HeaderId::Count ? kNames[size_t(id)] : std::string_view{}; }

}  // namespace outrider::http
