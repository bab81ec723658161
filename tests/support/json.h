#pragma once
// Whether a text is one JSON value (RFC 8259), and nothing more: strict, and independent of the writers it checks.

#include <cstdint>
#include <string_view>

namespace outrider::test {

class JsonCheck {
 public:
  explicit JsonCheck(std::string_view text) : rest_(text) {}
  bool whole() {
    blank();
    const bool ok = value(0);
    blank();
    return ok && rest_.empty();
  }

 private:
  void blank() {
    while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_[0]) != std::string_view::npos) rest_.remove_prefix(1);
  }
  bool eat(std::string_view what) {
    if (!rest_.starts_with(what)) return false;
    rest_.remove_prefix(what.size());
    return true;
  }
  bool value(int depth) {
    if (depth > 100) return false;
    if (rest_.starts_with('"')) return string();
    if (eat("{")) return list('}', [&] { return string() && (blank(), eat(":")) && (blank(), value(depth + 1)); });
    if (eat("[")) return list(']', [&] { return value(depth + 1); });
    return eat("true") || eat("false") || eat("null") || number();
  }
  template <class F>
  bool list(char end, F item) {
    const std::string_view close(&end, 1);
    blank();
    if (eat(close)) return true;
    for (;;) {
      blank();
      if (!item()) return false;
      blank();
      if (eat(close)) return true;
      if (!eat(",")) return false;
    }
  }
  size_t digits() {
    size_t n = 0;
    for (; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; ++n) rest_.remove_prefix(1);
    return n;
  }
  bool number() {
    eat("-");
    const bool zero = rest_.starts_with('0');
    const size_t n = digits();
    if (n == 0 || (zero && n > 1)) return false;
    if (eat(".") && digits() == 0) return false;
    if (eat("e") || eat("E")) {
      if (!eat("+")) eat("-");
      return digits() > 0;
    }
    return true;
  }
  bool string() {
    if (!eat("\"")) return false;
    while (!rest_.empty()) {
      const auto c = uint8_t(rest_[0]);
      if (c == '"') return eat("\"");
      if (c < 0x20) return false;
      rest_.remove_prefix(1);
      if (c == '\\' && !escape()) return false;
      if (c >= 0x80 && !tail(c)) return false;
    }
    return false;
  }
  bool escape() {
    if (eat("u")) {
      for (int i = 0; i < 4; ++i) {
        if (rest_.empty() || std::string_view("0123456789abcdefABCDEF").find(rest_[0]) == std::string_view::npos) return false;
        rest_.remove_prefix(1);
      }
      return true;
    }
    if (rest_.empty() || std::string_view("\"\\/bfnrt").find(rest_[0]) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool tail(uint8_t first) {  // the rest of a UTF-8 sequence, by its value
    const int n = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC2 || first > 0xF4) return false;
    uint32_t code = first & (0x3F >> n);
    for (int i = 0; i < n; ++i) {
      if (rest_.empty() || (uint8_t(rest_[0]) & 0xC0) != 0x80) return false;
      code = code << 6 | (uint8_t(rest_[0]) & 0x3F);
      rest_.remove_prefix(1);
    }
    return code >= (n == 3 ? 0x10000u : n == 2 ? 0x800u : 0x80u) && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
  }
  std::string_view rest_;
};

inline bool is_json(std::string_view text) { return JsonCheck(text).whole(); }

}  // namespace outrider::test
