#include "filters/grpc_web/base64.h"

#include <array>
#include <utility>

namespace outrider::filters {

namespace {

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNone = 64;
constexpr size_t kPiece = 96 * 1024;  // of which the text has room in one block

constexpr std::array<uint8_t, 256> kValues = [] {
  std::array<uint8_t, 256> values{};
  values.fill(kNone);
  for (uint8_t i = 0; i < 64; ++i) values[uint8_t(kDigits[i])] = i;
  return values;
}();

// Three bytes to four characters; of less than three the rest is padding.
char* write_group(const uint8_t* bytes, size_t count, char* out) {
  const uint32_t bits = uint32_t(bytes[0] << 16 | (count > 1 ? bytes[1] << 8 : 0) | (count > 2 ? bytes[2] : 0));
  for (size_t i = 0; i < 4; ++i) *out++ = i <= count ? kDigits[bits >> (18 - 6 * i) & 63] : '=';
  return out;
}

}  // namespace

Buffer encode_base64(Buffer& bytes) {
  Buffer text(bytes.pool());
  std::array<uint8_t, 3> group;
  size_t count = 0;
  while (!bytes.empty()) {
    const auto run = bytes.front().substr(0, kPiece);
    char* const begin = text.reserve((count + run.size() + 2) / 3 * 4).data();
    char* out = begin;
    for (const char c : run) {
      group[count++] = uint8_t(c);
      if (count == 3) out = write_group(group.data(), std::exchange(count, 0), out);
    }
    text.commit(size_t(out - begin));
    bytes.drop(run.size());
  }
  if (count > 0) {
    write_group(group.data(), count, text.reserve(4).data());
    text.commit(4);
  }
  return text;
}

bool Base64Decoder::decode(Buffer& text) {
  Buffer bytes(text.pool());
  while (!text.empty()) {
    const auto run = text.front();
    char* const begin = bytes.reserve((run.size() + 3) / 4 * 3).data();
    char* out = begin;
    for (const char c : run)
      if (!take(c, out)) return false;
    bytes.commit(size_t(out - begin));
    text.drop(run.size());
  }
  text = std::move(bytes);
  return true;
}

// Bits behind the last byte are zero: every text has one reading only.
bool Base64Decoder::take(char c, char*& out) {
  const uint8_t value = kValues[uint8_t(c)];
  if (c == '=' ? count_ < 2 : value == kNone || padding_ > 0) return false;
  padding_ += c == '=';
  bits_ = bits_ << 6 | (c == '=' ? 0 : value);
  if (++count_ < 4) return true;
  const uint8_t unused = padding_ == 2 ? 16 : padding_ == 1 ? 8 : 0;
  if (bits_ & ((1u << unused) - 1)) return false;
  for (int i = 0; i < 3 - padding_; ++i) *out++ = char(bits_ >> (16 - 8 * i));
  *this = {};
  return true;
}

}  // namespace outrider::filters
