#pragma once
// The scalars of the language: durations, sizes, shares, addresses, names. No value: the text is not one.

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace outrider::config {

using std::chrono::microseconds;

std::optional<microseconds> duration_of(std::string_view text);  // "250ms", "1m30s", "1.5s", "0"
std::optional<uint64_t> size_of(std::string_view text);          // "64KiB", "10MB", "512B", "0"
std::optional<double> share_of(std::string_view text);           // "5%" is 0.05
std::optional<bool> switch_of(std::string_view text);            // on, true; off, false
inline bool is_off(std::string_view text) { return text == "off" || text == "false"; }

std::string duration_text(microseconds duration);
std::string size_text(uint64_t size);
std::string share_text(double share);

struct AddressRule {
  bool names = false;    // host:port, where somebody looks names up
  bool wildcard = true;  // ":8080", "0.0.0.0:80"
  bool unix_path = true;
  bool port_zero = true;  // whichever is free
};
// Empty: fine. Otherwise what is wrong: 'expected ..., got "x"'. "localhost" becomes 127.0.0.1 in `text`.
std::string check_address(std::string& text, AddressRule rule);
std::string check_path(std::string& text);  // not empty; begins with /, has no query

bool is_label(std::string_view text);  // a service's name or namespace: a-z 0-9 and '-', at most 63
bool is_name(std::string_view text);   // of a listener, route, cluster: letters, digits, . _ - /, at most 128
bool is_token(std::string_view text);  // of a field, a cookie (RFC 9110 5.6.2)
bool is_host(std::string_view text);   // example.com, "*.example.com", "[::1]"; no port

}  // namespace outrider::config
