#include "http/grpc.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace outrider::http {

using std::chrono::milliseconds;

namespace {

constexpr std::string_view kGrpc = "application/grpc", kWeb = "-web", kText = "-text";
constexpr size_t kMostDigits = 8;
constexpr int64_t kMostInOneUnit = 99'999'999;
constexpr milliseconds kYear = std::chrono::hours(24 * 365);
constexpr size_t kLongestMessage = 1024;

std::string_view write_number(int64_t number, Arena& arena, std::string_view unit = {}) {
  char digits[kMostDigits];
  const char* const end = std::to_chars(digits, digits + kMostDigits, number).ptr;
  return arena.concat({digits, size_t(end - digits)}, unit);
}

bool drop_prefix(std::string_view& text, std::string_view prefix) {
  if (text.size() < prefix.size() || !equals_ignore_case(text.substr(0, prefix.size()), prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool ends_a_type(std::string_view rest) { return rest.empty() || rest[0] == ';' || rest[0] == '+' || rest[0] == ' '; }

}  // namespace

bool is_grpc(const HeaderMap& headers) {
  std::string_view type = headers.value(HeaderId::ContentType);
  return drop_prefix(type, kGrpc) && ends_a_type(type);
}

bool is_grpc_web(const HeaderMap& headers) {
  std::string_view type = headers.value(HeaderId::ContentType);
  if (!drop_prefix(type, kGrpc) || !drop_prefix(type, kWeb)) return false;
  drop_prefix(type, kText);
  return ends_a_type(type);
}

GrpcStatus grpc_status_of(uint16_t http_status) {
  switch (http_status) {
    case 400:
    case 500: return GrpcStatus::Internal;
    case 401: return GrpcStatus::Unauthenticated;
    case 403: return GrpcStatus::PermissionDenied;
    case 404:
    case 501: return GrpcStatus::Unimplemented;
    case 408:
    case 504: return GrpcStatus::DeadlineExceeded;
    case 413:
    case 429:
    case 431: return GrpcStatus::ResourceExhausted;
    case 502:
    case 503: return GrpcStatus::Unavailable;
    default: return GrpcStatus::Unknown;
  }
}

const char* name_of(GrpcStatus status) {
  static constexpr const char* kNames[] = {
      "ok",        "cancelled",      "unknown",           "invalid_argument",   "deadline_exceeded",
      "not_found", "already_exists", "permission_denied", "resource_exhausted", "failed_precondition",
      "aborted",   "out_of_range",   "unimplemented",     "internal",           "unavailable",
      "data_loss", "unauthenticated"};
  static_assert(std::size(kNames) == size_t(GrpcStatus::Count));
  return kNames[size_t(status)];
}

std::optional<GrpcStatus> grpc_status_in(const HeaderMap& headers) {
  const Field* field = headers.find(HeaderId::GrpcStatus);
  if (!field) return {};
  const auto number = parse_number(field->value);
  return number && *number < uint64_t(GrpcStatus::Count) ? GrpcStatus(*number) : GrpcStatus::Unknown;
}

bool is_grpc_failure(GrpcStatus status) {
  switch (status) {
    case GrpcStatus::Unknown:
    case GrpcStatus::DeadlineExceeded:
    case GrpcStatus::ResourceExhausted:
    case GrpcStatus::Unimplemented:
    case GrpcStatus::Internal:
    case GrpcStatus::Unavailable:
    case GrpcStatus::DataLoss: return true;
    default: return false;
  }
}

std::optional<milliseconds> parse_grpc_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > kMostDigits + 1) return {};
  const auto number = parse_number(text.substr(0, text.size() - 1));
  if (!number || *number == 0) return {};
  const auto n = int64_t(*number);
  switch (text.back()) {
    case 'H': return std::min<milliseconds>(std::chrono::hours(n), kYear);
    case 'M': return std::min<milliseconds>(std::chrono::minutes(n), kYear);
    case 'S': return std::min<milliseconds>(std::chrono::seconds(n), kYear);
    case 'm': return milliseconds(n);
    case 'u': return std::chrono::ceil<milliseconds>(std::chrono::microseconds(n));
    case 'n': return std::chrono::ceil<milliseconds>(std::chrono::nanoseconds(n));
    default: return {};
  }
}

std::string_view write_grpc_timeout(milliseconds timeout, Arena& arena) {
  const int64_t ms = std::clamp<int64_t>(timeout.count(), 1, kYear.count());
  return ms <= kMostInOneUnit ? write_number(ms, arena, "m") : write_number((ms + 999) / 1000, arena, "S");
}

std::string_view write_grpc_message(std::string_view text, Arena& arena) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  text = text.substr(0, utf8_prefix(text.substr(0, kLongestMessage)));
  char* const out = arena.array<char>(3 * text.size());
  size_t n = 0;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out[n++] = c;
      continue;
    }
    for (const char part : {'%', kDigits[uint8_t(c) >> 4], kDigits[uint8_t(c) & 15]}) out[n++] = part;
  }
  return {out, n};
}

void set_grpc_status(HeaderMap& headers, GrpcStatus status, std::string_view message) {
  headers.set_view(HeaderId::GrpcStatus, write_number(int64_t(status), headers.arena()));
  if (!message.empty()) headers.set_view(HeaderId::GrpcMessage, write_grpc_message(message, headers.arena()));
}

// A byte of flags, four of length, the message.
uint32_t GrpcFrames::pass(std::string_view bytes) {
  uint32_t longest = 0;
  while (!bytes.empty()) {
    if (left_ > 0) {
      const size_t n = size_t(std::min<uint64_t>(left_, bytes.size()));
      left_ -= n;
      bytes.remove_prefix(n);
      continue;
    }
    if (head_ > 0) length_ = length_ << 8 | uint8_t(bytes.front());
    bytes.remove_prefix(1);
    if (++head_ < 5) continue;
    longest = std::max(longest, length_);
    left_ = length_;
    head_ = 0;
  }
  return longest;
}

}  // namespace outrider::http
