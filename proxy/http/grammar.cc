#include "http/grammar.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"

namespace outrider::http {

namespace {

constexpr std::array<bool, 256> make_table(std::string_view others) {
  std::array<bool, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[uint8_t(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[uint8_t(c)] = table[uint8_t(c - 32)] = true;
  for (const char c : others) table[uint8_t(c)] = true;
  return table;
}

constexpr auto kToken = make_table("!#$%&'*+-.^_`|~");
constexpr auto kRegName = make_table("-._~!$&'()*+,;=%");  // unreserved, sub-delims and percent-encodings
constexpr auto kIpLiteral = make_table("-._~!$&'()*+,;=:%");

bool all_of(std::string_view text, const std::array<bool, 256>& table) {
  return std::all_of(text.begin(), text.end(), [&](char c) { return table[uint8_t(c)]; });
}

bool is_port(std::string_view text) {
  const auto number = parse_number(text);
  return text.empty() || (text.size() <= 5 && number && *number <= 65535);
}

constexpr Refusal kBadLine{400, "bad_request_line"};
constexpr Refusal kBadTarget{400, "bad_target"};
constexpr Refusal kBadStatusLine{502, "bad_status_line"};

}  // namespace

bool is_token_char(char c) { return kToken[uint8_t(c)]; }

bool is_token(std::string_view text) { return !text.empty() && all_of(text, kToken); }

bool is_protocol(std::string_view text) {
  const size_t slash = text.find('/');
  return is_token(text.substr(0, slash)) && (slash == std::string_view::npos || is_token(text.substr(slash + 1)));
}

// Eight bytes at a time: a byte below 0x20, or 0x7f, sets its top bit in `low` or `del`.
bool is_field_value(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  const auto clean = [](char c) { return (uint8_t(c) >= 0x20 && c != 0x7f) || c == '\t'; };
  while (text.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, text.data(), 8);
    const uint64_t low = (word - kOnes * 0x20) & ~word & kTops;
    const uint64_t flipped = word ^ (kOnes * 0x7f);
    const uint64_t del = (flipped - kOnes) & ~flipped & kTops;
    if ((low | del) && !std::all_of(text.begin(), text.begin() + 8, clean)) return false;
    text.remove_prefix(8);
  }
  return std::all_of(text.begin(), text.end(), clean);
}

bool is_target(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_authority(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || close == 1 || !all_of(text.substr(1, close - 1), kIpLiteral)) return false;
    const auto rest = text.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
  }
  const size_t colon = std::min(text.find(':'), text.size());
  return all_of(text.substr(0, colon), kRegName) && (colon == text.size() || is_port(text.substr(colon + 1)));
}

bool is_clean(const Field& field) {
  return field.clean || ((field.id != HeaderId::Other || is_token(field.name)) && is_field_value(field.value));
}

std::string_view written_target(std::string_view text, Arena& arena) {
  if (is_target(text)) return text;
  static constexpr char kDigits[] = "0123456789ABCDEF";
  char* const out = arena.array<char>(3 * text.size());
  size_t n = 0;
  for (const char c : text) {
    if (is_target({&c, 1})) out[n++] = c;
    else
      for (const char d : {'%', kDigits[uint8_t(c) >> 4], kDigits[uint8_t(c) & 15]}) out[n++] = d;
  }
  return {out, n};
}

std::optional<uint64_t> declared_length(const HeaderMap& headers) {
  const Field* field = headers.find(HeaderId::ContentLength);
  return field ? parse_number(field->value) : std::nullopt;
}

const Field* find_named(std::span<const Field> fields, const Field& like) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) {
    return field.id == like.id && (like.id != HeaderId::Other || equals_ignore_case(field.name, like.name));
  });
  return found == fields.end() ? nullptr : &*found;
}

Refusal read_request_line(std::string_view line, RequestLine& out) {
  const size_t first = line.find(' ');
  if (first == std::string_view::npos) return kBadLine;
  out.method = line.substr(0, first);
  if (!is_token(out.method)) return {400, "bad_method"};
  const size_t last = line.rfind(' ');
  if (last == first) return {400, "missing_version"};  // HTTP/0.9
  out.target = line.substr(first + 1, last - first - 1);
  const auto version = line.substr(last + 1);
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) || version[6] != '.' || !is_digit(version[7]))
    return kBadLine;
  if (version[5] != '1' || version[7] > '1') return {505, "version_not_supported"};
  out.version = version[7] == '1' ? Version::Http11 : Version::Http10;
  if (out.target.empty() || out.target.find(' ') != std::string_view::npos) return kBadLine;
  if (!is_target(out.target)) return kBadTarget;
  if (out.target.find('#') != std::string_view::npos) return {400, "fragment_in_target"};
  return {};
}

Refusal read_target(const RequestLine& line, RequestHead& head) {
  head.method_text = line.method;
  head.method = method_of(line.method);
  head.version = line.version;
  const auto target = line.target;
  if (head.method == Method::Connect) {
    const size_t colon = target.rfind(':');
    if (!is_authority(target) || colon == std::string_view::npos || colon == 0 || colon + 1 == target.size() ||
        target.back() == ']')
      return kBadTarget;
    head.form = Form::Authority;
    head.authority = target;
    return {};
  }
  head.path = target;
  if (target.front() == '/') {
    head.form = Form::Origin;
    return {};
  }
  if (target == "*") {
    head.form = Form::Asterisk;
    return head.method == Method::Options ? Refusal{} : kBadTarget;
  }
  const size_t colon = target.find("://");
  if (colon == std::string_view::npos) return kBadTarget;
  head.form = Form::Absolute;
  head.scheme = target.substr(0, colon);
  if (!equals_ignore_case(head.scheme, "http") && !equals_ignore_case(head.scheme, "https")) return {400, "scheme_not_supported"};
  const auto rest = target.substr(colon + 3);
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  head.authority = rest.substr(0, end);
  if (!is_authority(head.authority) || head.authority.empty() || head.authority.front() == ':') return kBadTarget;
  head.path = rest.substr(end);
  if (head.path.empty()) head.path = head.method == Method::Options ? "*" : "/";  // RFC 9112 3.2.4
  else if (head.path.front() == '?') head.path = head.headers.arena().concat("/", head.path);
  return {};
}

Refusal read_status_line(std::string_view line, StatusLine& out) {
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || (line[7] != '0' && line[7] != '1') || line[8] != ' ')
    return kBadStatusLine;
  const auto status = parse_number(line.substr(9, 3));
  if (!status || *status < 100) return kBadStatusLine;
  if (line.size() > 12 && line[12] != ' ') return kBadStatusLine;  // no reason and no space: common, harmless
  out.status = uint16_t(*status);
  out.version = line[7] == '1' ? Version::Http11 : Version::Http10;
  out.reason = line.size() > 13 ? line.substr(13) : std::string_view{};
  return is_field_value(out.reason) ? Refusal{} : kBadStatusLine;
}

}  // namespace outrider::http
