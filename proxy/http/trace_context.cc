#include "http/trace_context.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/text.h"

namespace outrider::http {

namespace {

using Sampled = TraceContext::Sampled;

constexpr size_t kIdDigits = 32, kSpanDigits = 16;
constexpr size_t kParentLength = 55;  // of version 00: "00-" 32 "-" 16 "-" 2
constexpr size_t kMostMembers = 32, kMostKey = 256, kMostValue = 256, kMostTenant = 241, kMostSystem = 14;
constexpr uint8_t kSampledFlag = 1, kRandomFlag = 2;

// Lower case alone, as all of these want it.
std::optional<uint64_t> hex(std::string_view digits) {
  uint64_t value = 0;
  for (const char c : digits) {
    const int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return {};
    value = value << 4 | uint64_t(digit);
  }
  return value;
}

// Eight digits at a time: a nibble into each byte, then those above 9 further on.
char* put_hex(char* at, uint32_t value) {
  constexpr uint64_t kEach = 0x0101010101010101;
  uint64_t digits = value;
  digits = (digits | digits << 16) & 0x0000ffff0000ffff;
  digits = (digits | digits << 8) & 0x00ff00ff00ff00ff;
  digits = (digits | digits << 4) & 0x0f0f0f0f0f0f0f0f;
  const uint64_t letters = ((digits + 6 * kEach) >> 4) & kEach;
  digits += '0' * kEach + letters * ('a' - '0' - 10);
  if constexpr (std::endian::native == std::endian::little) digits = __builtin_bswap64(digits);
  std::memcpy(at, &digits, sizeof digits);
  return at + sizeof digits;
}

char* put_hex(char* at, uint64_t value) { return put_hex(put_hex(at, uint32_t(value >> 32)), uint32_t(value)); }

char* put_ids(char* at, const TraceContext& context) {
  at = put_hex(put_hex(at, context.high), context.low);
  *at++ = '-';
  return put_hex(at, context.span);
}

// An id of 16 or 32 digits, of which not all are 0.
bool read_ids(std::string_view trace, std::string_view span, TraceContext& context) {
  if ((trace.size() != kIdDigits && trace.size() != kSpanDigits) || span.size() != kSpanDigits) return false;
  const auto high = hex(trace.substr(0, trace.size() - kSpanDigits)), low = hex(trace.substr(trace.size() - kSpanDigits));
  const auto of_span = hex(span);
  if (!high || !low || !of_span || (*high | *low) == 0 || *of_span == 0) return false;
  context.high = *high;
  context.low = *low;
  context.span = *of_span;
  return true;
}

std::optional<Sampled> decision(std::string_view text) {
  if (text == "1" || text == "true") return Sampled::Yes;  // the words are of the first B3
  if (text == "0" || text == "false") return Sampled::No;
  if (text == "d") return Sampled::Debug;
  return {};
}

bool is_key_char(char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_' || c == '-' || c == '*' || c == '/'; }

bool all_key_chars(std::string_view text) { return std::all_of(text.begin(), text.end(), is_key_char); }

// "key", or "tenant@system". Level 2 lets keys begin with digits, too.
bool is_state_key(std::string_view key) {
  if (key.empty()) return false;
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const size_t at = key.find('@');
  if (at == key.npos) return key.size() <= kMostKey && (is_letter(key[0]) || is_digit(key[0])) && all_key_chars(key);
  const auto tenant = key.substr(0, at), system = key.substr(at + 1);
  return !tenant.empty() && tenant.size() <= kMostTenant && (is_letter(tenant[0]) || is_digit(tenant[0])) &&
         all_key_chars(tenant) && !system.empty() && system.size() <= kMostSystem && is_letter(system[0]) &&
         all_key_chars(system);
}

bool is_state_value(std::string_view value) {
  return !value.empty() && value.size() <= kMostValue && value.back() != ' ' &&
         std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~' && c != ',' && c != '='; });
}

// "b3", or the beginning of "x-b3-...".
bool may_be_b3(const Field& field) {
  if (field.id != HeaderId::Other) return false;
  const auto name = field.name;
  return name.size() == 2 ? name[1] == '3' : name.size() > 9 && name[3] == '3' && name[4] == '-';
}

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view text) {
  if (text.size() < kParentLength) return {};
  const auto version = hex(text.substr(0, 2)), flags = hex(text.substr(53, 2));
  if (!version || *version == 0xff || !flags || text[2] != '-' || text[35] != '-' || text[52] != '-') return {};
  if (text.size() > kParentLength && (*version == 0 || text[kParentLength] != '-')) return {};
  TraceContext context;
  if (!read_ids(text.substr(3, kIdDigits), text.substr(36, kSpanDigits), context)) return {};
  context.sampled = *flags & kSampledFlag ? Sampled::Yes : Sampled::No;
  context.random = (*flags & kRandomFlag) != 0;
  return context;
}

bool is_tracestate(std::string_view list) {
  size_t members = 0;
  while (!list.empty()) {
    const auto member = trim(next_part(list, ','));
    if (member.empty()) continue;  // may be, and counts as none
    const size_t equals = member.find('=');
    if (++members > kMostMembers || equals == member.npos || !is_state_key(member.substr(0, equals)) ||
        !is_state_value(member.substr(equals + 1)))
      return false;
  }
  return members > 0;
}

std::optional<TraceContext> parse_b3(std::string_view text) {
  TraceContext context;
  if (const auto alone = decision(text)) return context.sampled = *alone, context;
  const auto trace = next_part(text, '-'), span = next_part(text, '-');
  if (!read_ids(trace, span, context)) return {};
  if (text.empty()) return context;
  const auto sampled = decision(next_part(text, '-'));
  if (!sampled) return {};
  context.sampled = *sampled;
  if (!text.empty() && (text.size() != kSpanDigits || !hex(text))) return {};  // the parent's parent, of no use to us
  return context;
}

std::optional<TraceContext> parse_b3_fields(std::string_view trace, std::string_view span, std::string_view sampled,
                                            std::string_view flags) {
  TraceContext context;
  if ((!trace.empty() || !span.empty()) && !read_ids(trace, span, context)) return {};
  if (flags == "1") {
    context.sampled = Sampled::Debug;
  } else if (!sampled.empty()) {
    const auto said = decision(sampled);
    if (!said) return {};
    context.sampled = *said;
  }
  if (!context && context.sampled == Sampled::Undecided) return {};
  return context;
}

std::optional<TraceContext> read_traceparent(const HeaderMap& headers) {
  if (!headers.has_any(set_of(HeaderId::Traceparent))) return {};
  const Field* only = nullptr;
  for (const Field& field : headers.fields()) {
    if (field.id != HeaderId::Traceparent) continue;
    if (only) return {};
    only = &field;
  }
  return only ? parse_traceparent(only->value) : std::nullopt;
}

B3Fields find_b3(const HeaderMap& headers) {
  B3Fields found;
  const struct {
    std::string_view name;
    std::string_view* value;
  } all[] = {{"b3", &found.single},
             {"x-b3-traceid", &found.trace},
             {"x-b3-spanid", &found.span},
             {"x-b3-sampled", &found.sampled},
             {"x-b3-flags", &found.flags}};
  for (const Field& field : headers.fields()) {
    if (!may_be_b3(field)) continue;
    found.any |= equals_ignore_case(field.name, "x-b3-parentspanid");
    for (const auto& each : all) {
      if (!equals_ignore_case(field.name, each.name)) continue;
      found.any = true;
      found.twice |= !each.value->empty();
      *each.value = field.value;
    }
  }
  return found;
}

std::optional<TraceContext> read_b3(const B3Fields& fields) {
  if (!fields.any || fields.twice) return {};
  if (!fields.single.empty()) return parse_b3(fields.single);
  return parse_b3_fields(fields.trace, fields.span, fields.sampled, fields.flags);
}

std::string_view read_tracestate(const HeaderMap& headers) {
  if (!headers.has_any(set_of(HeaderId::Tracestate))) return {};
  std::string_view list;
  for (const Field& field : headers.fields())
    if (field.id == HeaderId::Tracestate) list = list.empty() ? field.value : headers.arena().concat(list, ",", field.value);
  return is_tracestate(list) ? list : std::string_view{};
}

std::string_view write_traceparent(const TraceContext& context, Arena& arena) {
  char* const text = static_cast<char*>(arena.allocate(kParentLength, 1));
  char* at = std::copy_n("00-", 3, text);
  at = put_ids(at, context);
  *at++ = '-';
  *at++ = '0';
  *at = char('0' + ((context.is_sampled() ? kSampledFlag : 0) | (context.random ? kRandomFlag : 0)));
  return {text, kParentLength};
}

std::string_view write_b3(const TraceContext& context, Arena& arena) {
  constexpr size_t kLength = kIdDigits + 1 + kSpanDigits + 2;
  char* const text = static_cast<char*>(arena.allocate(kLength, 1));
  char* at = put_ids(text, context);
  if (context.sampled == Sampled::Undecided) return {text, size_t(at - text)};
  *at++ = '-';
  *at++ = context.sampled == Sampled::Debug ? 'd' : context.is_sampled() ? '1' : '0';
  return {text, size_t(at - text)};
}

std::string_view write_trace_id(const TraceContext& context, Arena& arena) {
  char* const text = static_cast<char*>(arena.allocate(kIdDigits, 1));
  put_hex(put_hex(text, context.high), context.low);
  return {text, kIdDigits};
}

std::string_view write_span_id(uint64_t span, Arena& arena) {
  char* const text = static_cast<char*>(arena.allocate(kSpanDigits, 1));
  put_hex(text, span);
  return {text, kSpanDigits};
}

bool is_in_share(const TraceContext& context, double share) {
  if (share >= 1) return true;
  return (context.low >> 1) < uint64_t(share * 0x1p63);
}

}  // namespace outrider::http
