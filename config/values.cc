#include "config/values.h"

#include <arpa/inet.h>

#include <array>
#include <cmath>
#include <cstdio>

#include "base/text.h"

namespace outrider::config {

namespace {

struct Unit {
  std::string_view name;
  uint64_t worth;
};

constexpr std::array kTimes{Unit{"us", 1},       Unit{"ms", 1000},      Unit{"s", 1000000},
                            Unit{"m", 60000000}, Unit{"h", 3600000000}, Unit{"d", 86400000000}};
constexpr std::array kSizes{Unit{"B", 1},           Unit{"KB", 1000},        Unit{"MB", 1000000},
                            Unit{"GB", 1000000000}, Unit{"KiB", 1ull << 10}, Unit{"MiB", 1ull << 20},
                            Unit{"GiB", 1ull << 30}};
constexpr double kMost = 1e15;

// The number and the unit at the start of `rest`, which are removed.
template <class Units>
std::optional<double> next_quantity(std::string_view& rest, const Units& units) {
  size_t digits = 0, letters = 0;
  while (digits < rest.size() && (is_digit(rest[digits]) || rest[digits] == '.')) ++digits;
  while (digits + letters < rest.size() && is_alpha(rest[digits + letters])) ++letters;
  const auto number = parse_decimal(rest.substr(0, digits));
  if (!number) return std::nullopt;
  for (const Unit& unit : units)
    if (unit.name == rest.substr(digits, letters)) {
      rest.remove_prefix(digits + letters);
      const double value = *number * double(unit.worth);
      return value <= kMost ? std::optional(value) : std::nullopt;
    }
  return std::nullopt;
}

std::string shortest(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace

std::optional<microseconds> duration_of(std::string_view text) {
  if (text == "0") return microseconds(0);
  double total = 0;
  do {
    const auto part = next_quantity(text, kTimes);
    if (!part) return std::nullopt;
    total += *part;
  } while (!text.empty() && total <= kMost);
  return total <= kMost ? std::optional(microseconds(std::llround(total))) : std::nullopt;
}

std::optional<uint64_t> size_of(std::string_view text) {
  if (text == "0") return 0;
  const auto value = next_quantity(text, kSizes);
  if (!value || !text.empty()) return std::nullopt;
  return uint64_t(std::llround(*value));
}

std::optional<double> share_of(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  const auto value = parse_decimal(text.substr(0, text.size() - 1));
  return value && *value <= 100 ? std::optional(*value / 100) : std::nullopt;
}

std::optional<bool> switch_of(std::string_view text) {
  if (text == "on" || text == "true") return true;
  return is_off(text) ? std::optional(false) : std::nullopt;
}

std::string duration_text(microseconds duration) {
  const uint64_t value = uint64_t(duration.count());
  if (value == 0) return "0";
  for (size_t i = kTimes.size(); i-- > 0;)
    if (value % kTimes[i].worth == 0) return std::to_string(value / kTimes[i].worth) + std::string(kTimes[i].name);
  return std::to_string(value) + "us";
}

std::string size_text(uint64_t size) {
  for (int shift : {30, 20, 10})
    if (size && size % (uint64_t(1) << shift) == 0)
      return std::to_string(size >> shift) + (shift == 30 ? "GiB" : shift == 20 ? "MiB" : "KiB");
  return std::to_string(size) + (size ? "B" : "");
}

std::string share_text(double share) { return shortest(share * 100) + "%"; }

std::string check_address(std::string& text, AddressRule rule) {
  const auto wrong = [&](const std::string& expected) { return "expected " + expected + ", got \"" + text + "\""; };
  if (text.starts_with("unix:")) {
    if (!rule.unix_path) return wrong("ip:port");
    return text.size() > 5 && text.size() < 5 + 108 ? "" : wrong("unix: and a path of at most 107 bytes");
  }
  const size_t colon = text.rfind(':');
  const std::string form = rule.names ? "host:port" : rule.wildcard ? "ip:port or :port" : "ip:port";
  if (colon == text.npos) {
    const bool number = parse_number(text).has_value();
    return wrong(form) + (number && rule.wildcard ? " (did you mean \":" + text + "\"?)" : "");
  }
  const auto port = parse_number(std::string_view(text).substr(colon + 1));
  if (!port || *port > 65535 || (*port == 0 && !rule.port_zero)) return wrong(form + " with a port up to 65535");
  std::string host = text.substr(0, colon);
  unsigned char bytes[16];
  if (host.empty() || host == "*") return rule.wildcard && host.empty() ? "" : wrong(form);
  if (host.front() == '[') {
    if (host.back() != ']' || inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), bytes) != 1)
      return wrong("[IPv6 address]:port");
    return "";
  }
  if (host.find(':') != host.npos) return wrong("[IPv6 address]:port");
  if (inet_pton(AF_INET, host.c_str(), bytes) == 1) return "";
  if (host == "localhost" && !rule.names) {
    text = "127.0.0.1" + text.substr(colon);
    return "";
  }
  if (!is_host(host) || host.front() == '*') return wrong(form);
  // Four numbers that inet_pton refused were meant as an address, not as a name.
  if (host.find_first_not_of("0123456789.") == host.npos) return wrong(form);
  return rule.names ? "" : wrong(form);
}

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  for (char c : text)
    if (!(is_digit(c) || c == '-' || (c >= 'a' && c <= 'z'))) return false;
  return true;
}

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 128) return false;
  for (char c : text)
    if (!(is_digit(c) || is_alpha(c) || c == '.' || c == '_' || c == '-' || c == '/')) return false;
  return true;
}

bool is_token(std::string_view text) {
  for (char c : text)
    if (!(is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos)) return false;
  return !text.empty();
}

bool is_host(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    unsigned char bytes[16];
    return inet_pton(AF_INET6, std::string(text.substr(1, text.size() - 2)).c_str(), bytes) == 1;
  }
  if (text.starts_with("*.")) text.remove_prefix(2);
  if (text.empty() || text.size() > 253) return false;
  for (std::string_view label : split(text, '.')) {
    if (label.empty() || label.size() > 63) return false;
    for (char c : label)
      if (!(is_digit(c) || is_alpha(c) || c == '-' || c == '_')) return false;
  }
  return true;
}

std::string check_path(std::string& text) {
  if (text.front() == '/' && text.find_first_of("?# \t\r\n") == text.npos) return "";
  return "expected a path that begins with / and has no query, got \"" + text + "\"" +
         (is_name(text) ? " (did you mean \"/" + text + "\"?)" : "");
}

}  // namespace outrider::config
