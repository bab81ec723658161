#include "base/protobuf.h"

namespace outrider::protobuf {

namespace {

enum Kind : uint64_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 128; value >>= 7) out += char(value | 128);
  out += char(value);
}

void append_key(std::string& out, uint32_t number, Kind kind) { append_varint(out, uint64_t(number) << 3 | kind); }

void append_fixed(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i, value >>= 8) out += char(value);
}

}  // namespace

std::optional<uint64_t> Reader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !left_.empty(); shift += 7) {
    const auto byte = uint8_t(left_.front());
    left_.remove_prefix(1);
    value |= uint64_t(byte & 127) << shift;
    if (byte < 128) return value;
  }
  return {};
}

std::optional<std::string_view> Reader::take(uint64_t size) {
  if (size > left_.size()) return {};
  const auto taken = left_.substr(0, size_t(size));
  left_.remove_prefix(size_t(size));
  return taken;
}

std::optional<Reader::Field> Reader::next() {
  while (!broken_ && !left_.empty()) {
    broken_ = true;
    const auto key = varint();
    if (!key || *key >> 3 == 0) return {};
    Field field{.number = *key >> 3};
    const Kind kind = Kind(*key & 7);
    if (kind == Varint) {
      if (!(field.value = varint())) return {};
    } else {
      const auto size = kind == Fixed64 ? 8 : kind == Fixed32 ? 4 : kind == Bytes ? varint() : std::nullopt;
      const auto bytes = size ? take(*size) : std::nullopt;
      if (!bytes) return {};
      field.bytes = *bytes;
    }
    broken_ = false;
    if (kind == Fixed64) {
      uint64_t bits = 0;
      for (size_t i = 8; i-- > 0;) bits = bits << 8 | uint8_t(field.bytes[i]);
      field.fixed64 = bits;
      field.bytes = {};
    }
    if (kind != Fixed32) return field;
  }
  return {};
}

void append_number(std::string& out, uint32_t number, uint64_t value) {
  append_key(out, number, Varint);
  append_varint(out, value);
}

void append_fixed64(std::string& out, uint32_t number, uint64_t value) {
  append_key(out, number, Fixed64);
  append_fixed(out, value, 8);
}

void append_fixed32(std::string& out, uint32_t number, uint32_t value) {
  append_key(out, number, Fixed32);
  append_fixed(out, value, 4);
}

size_t size_of_number(uint64_t value) {
  size_t size = 1;
  for (; value >= 128; value >>= 7) ++size;
  return size;
}

void append_head(std::string& out, uint32_t number, size_t size) {
  append_key(out, number, Bytes);
  append_varint(out, size);
}

void append_bytes(std::string& out, uint32_t number, std::string_view bytes) {
  append_head(out, number, bytes.size());
  out += bytes;
}

std::string write_bytes(uint32_t number, std::string_view bytes) {
  std::string out;
  append_bytes(out, number, bytes);
  return out;
}

}  // namespace outrider::protobuf
