#include "exchange/span.h"

#include "base/protobuf.h"
#include "base/text.h"

namespace outrider::exchange {

using protobuf::append_bytes;

namespace {

constexpr size_t kMostText = 1024;  // of an attribute; also what bounds a span

// Fields of the message, and of those inside it.
enum Field : uint32_t {
  TraceId = 1,
  SpanId = 2,
  TraceState = 3,
  ParentSpanId = 4,
  Name = 5,
  KindField = 6,
  Start = 7,
  End = 8,
  Attributes = 9,
  Links = 13,
  Status = 15,
  Flags = 16
};
enum OfAttribute : uint32_t { Key = 1, Value = 2 };
enum OfValue : uint32_t { Text = 1, Integer = 3 };
enum OfStatus : uint32_t { Message = 2, Code = 3 };
constexpr uint64_t kError = 2;
constexpr uint32_t kSampled = 1, kRandom = 2, kKnowsRemote = 0x100, kRemote = 0x200;

std::string bytes_of(uint64_t id) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += char(id >> shift);
  return bytes;
}

uint64_t nanoseconds(WallTime at) {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count());
}

uint32_t flags_of(const http::TraceContext& context) {
  return (context.is_sampled() ? kSampled : 0) | (context.random ? kRandom : 0);
}

// Valid UTF-8, or whoever reads it refuses all of the message. `changed` is where it goes when it has to be another.
std::string_view readable(std::string_view text, std::string& changed) {
  text = text.substr(0, kMostText);
  const size_t good = utf8_prefix(text);
  if (good == text.size()) return text;
  if (text.size() == kMostText && text.size() - good < 4) return text.substr(0, good);  // half a character
  changed.clear();
  for (const char c : text) changed += uint8_t(c) < 0x80 ? c : '?';
  return changed;
}

// All sizes of what has one of `of_value` bytes for its value; the value itself follows.
void append_head_of(std::string& out, uint32_t number, std::string_view key, size_t of_value) {
  const size_t of_key = 1 + protobuf::size_of_number(key.size()) + key.size();
  protobuf::append_head(out, number, of_key + 1 + protobuf::size_of_number(of_value) + of_value);
  append_bytes(out, Key, key);
  protobuf::append_head(out, Value, of_value);
}

}  // namespace

void append_attribute(std::string& out, uint32_t number, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  std::string changed;
  const auto text = readable(value, changed);
  append_head_of(out, number, key, 1 + protobuf::size_of_number(text.size()) + text.size());
  append_bytes(out, Text, text);
}

Span::Span(const http::TraceContext& context, uint64_t parent, bool remote, Kind kind, std::string_view name, WallTime start,
           WallTime end) {
  out_.reserve(1024);
  append_bytes(out_, TraceId, bytes_of(context.high) + bytes_of(context.low));
  append_bytes(out_, SpanId, bytes_of(context.span));
  if (parent) append_bytes(out_, ParentSpanId, bytes_of(parent));
  std::string changed;
  append_bytes(out_, Name, readable(name, changed));
  protobuf::append_number(out_, KindField, uint64_t(kind));
  protobuf::append_fixed64(out_, Start, nanoseconds(start));
  protobuf::append_fixed64(out_, End, nanoseconds(std::max(start, end)));
  protobuf::append_fixed32(out_, Flags, flags_of(context) | kKnowsRemote | (remote ? kRemote : 0));
}

void Span::text(std::string_view key, std::string_view value) { append_attribute(out_, Attributes, key, value); }

void Span::number(std::string_view key, uint64_t value) {
  append_head_of(out_, Attributes, key, 1 + protobuf::size_of_number(value));
  protobuf::append_number(out_, Integer, value);
}

void Span::link(const http::TraceContext& to) {
  std::string link = protobuf::write_bytes(TraceId, bytes_of(to.high) + bytes_of(to.low));
  append_bytes(link, SpanId, bytes_of(to.span));
  append_bytes(out_, Links, link);
}

void Span::state(std::string_view tracestate) {
  std::string changed;
  if (!tracestate.empty()) append_bytes(out_, TraceState, readable(tracestate, changed));
}

void Span::failed(std::string_view why) {
  std::string status, changed;
  if (!why.empty()) append_bytes(status, Message, readable(why, changed));
  protobuf::append_number(status, Code, kError);
  append_bytes(out_, Status, status);
}

}  // namespace outrider::exchange
