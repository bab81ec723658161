#include "base/text.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace outrider {

namespace {

// lower() of eight characters at once: the top bit of a byte tells whether it is in A to Z, and is 0x20 two bits lower.
uint64_t lowered(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  const uint64_t low = word & ~kTops;
  const uint64_t from_a = low + kOnes * (0x80 - 'A'), past_z = low + kOnes * (0x7f - 'Z');
  return word | ((from_a & ~past_z & ~word & kTops) >> 2);
}

template <class Word>
uint64_t load(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

}  // namespace

bool equals_ignore_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  size_t at = 0;
  for (; at + 8 <= a.size(); at += 8)
    if (lowered(load<uint64_t>(a.data() + at)) != lowered(load<uint64_t>(b.data() + at))) return false;
  if (at + 4 <= a.size()) {
    if (lowered(load<uint32_t>(a.data() + at)) != lowered(load<uint32_t>(b.data() + at))) return false;
    at += 4;
  }
  for (; at < a.size(); ++at)
    if (lower(a[at]) != lower(b[at])) return false;
  return true;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view next_part(std::string_view& rest, char separator) {
  const size_t at = rest.find(separator);
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return part;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (size_t from = 0;;) {
    const size_t at = text.find(separator, from);
    out.push_back(trim(text.substr(from, at == std::string_view::npos ? at : at - from)));
    if (at == std::string_view::npos) return out;
    from = at + 1;
  }
}

std::optional<uint64_t> parse_number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (!is_digit(c)) return std::nullopt;
    if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, uint64_t(c - '0'), &value))
      return std::nullopt;
  }
  return value;
}

std::optional<double> parse_decimal(std::string_view text) {
  const size_t dot = text.find('.');
  const auto whole = parse_number(text.substr(0, dot));
  if (!whole) return std::nullopt;
  if (dot == std::string_view::npos) return double(*whole);
  double value = double(*whole), unit = 0.1;
  const auto fraction = text.substr(dot + 1);
  if (fraction.empty()) return std::nullopt;
  for (char c : fraction) {
    if (!is_digit(c)) return std::nullopt;
    value += (c - '0') * unit;
    unit /= 10;
  }
  return value;
}

bool list_contains(std::string_view list, std::string_view token) {
  while (!list.empty())
    if (equals_ignore_case(trim(next_part(list, ',')), token)) return true;
  return false;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    out += kDigits[uint8_t(c) >> 4];
    out += kDigits[uint8_t(c) & 15];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view hex) {
  const auto digit = [](char c) { return is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1; };
  if (hex.size() % 2) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]), low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += char(high * 16 + low);
  }
  return out;
}

namespace {

// Length of the well-formed UTF-8 sequence at the start of `text` (Unicode 15, table 3-7); 0 when there is none.
size_t utf8_length(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : uint8_t(0); };
  const auto tail = [&](size_t i) { return (at(i) & 0xC0) == 0x80; };
  const uint8_t c = at(0);
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return tail(1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if ((c == 0xE0 && at(1) < 0xA0) || (c == 0xED && at(1) > 0x9F)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if ((c == 0xF0 && at(1) < 0x90) || (c == 0xF4 && at(1) > 0x8F)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

size_t utf8_prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t n = utf8_length(text.substr(at));
    if (n == 0) break;
    at += n;
  }
  return at;
}

void append_json(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const char c = text.front();
    size_t n = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (uint8_t(c) < 0x20 || c == 0x7f) {
      out += "\\u00";
      out += kDigits[uint8_t(c) >> 4];
      out += kDigits[uint8_t(c) & 15];
    } else if ((n = utf8_length(text)) != 0) {
      // U+0080 to U+009F are controls too: some terminals act on them.
      if (n == 2 && uint8_t(c) == 0xC2 && uint8_t(text[1]) < 0xA0) {
        out += "\\u00";
        out += kDigits[uint8_t(text[1]) >> 4];
        out += kDigits[uint8_t(text[1]) & 15];
      } else {
        out.append(text.substr(0, n));
      }
    } else {
      out += "\xEF\xBF\xBD";
      n = 1;
    }
    text.remove_prefix(n);
  }
  out += '"';
}

size_t edit_distance(std::string_view a, std::string_view b, size_t limit) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > limit) return limit + 1;
  std::vector<size_t> row(a.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t j = 1; j <= b.size(); ++j) {
    size_t diagonal = row[0];
    row[0] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
      const size_t replace = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[i];
      row[i] = std::min({row[i] + 1, row[i - 1] + 1, replace});
    }
  }
  return std::min(row[a.size()], limit + 1);
}

}  // namespace outrider
