#include "base/base64.h"

#include "base/text.h"

namespace outrider {

namespace {

const char* digits(Base64 form) {
  return form == Base64::Url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                             : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

int value_of(char c, Base64 form) {
  if (is_digit(c)) return c - '0' + 52;
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c == (form == Base64::Url ? '-' : '+')) return 62;
  return c == (form == Base64::Url ? '_' : '/') ? 63 : -1;
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text, Base64 form) {
  if (form == Base64::Padded) {
    if (text.size() % 4 != 0) return std::nullopt;
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    const int value = value_of(c, form);
    if (value < 0) return std::nullopt;
    bits = bits << 6 | uint32_t(value);
    have += 6;
    if (have >= 8) bytes += char(uint8_t(bits >> (have -= 8)));
  }
  if (bits & ((1u << have) - 1)) return std::nullopt;  // bits that stand for nothing
  return bytes;
}

std::string encode_base64(std::string_view bytes, Base64 form) {
  std::string text;
  uint32_t bits = 0;
  int have = 0;
  for (const char c : bytes) {
    bits = bits << 8 | uint8_t(c);
    for (have += 8; have >= 6;) text += digits(form)[bits >> (have -= 6) & 63];
  }
  if (have > 0) text += digits(form)[bits << (6 - have) & 63];
  while (form == Base64::Padded && text.size() % 4 != 0) text += '=';
  return text;
}

}  // namespace outrider
