#pragma once
// ASCII text without locale: case, trimming, splitting, numbers.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrider {

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_alpha(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

bool equals_ignore_case(std::string_view a, std::string_view b);  // letters of ASCII
std::string to_lower(std::string_view text);
std::string_view trim(std::string_view text);  // spaces and tabs, both ends

// The part before `separator`, which is removed from `rest` together with the separator; the whole of it at the end.
std::string_view next_part(std::string_view& rest, char separator);
std::vector<std::string_view> split(std::string_view text, char separator);  // parts trimmed, empty ones kept

// Whole string, decimal, no sign, no overflow.
std::optional<uint64_t> parse_number(std::string_view text);
std::optional<double> parse_decimal(std::string_view text);  // digits[.digits]

// True when `token` stands in a comma-separated list (RFC 9110 5.6.1), whatever its case.
bool list_contains(std::string_view list, std::string_view token);

std::string to_hex(std::string_view bytes);
std::optional<std::string> from_hex(std::string_view hex);

// How many bytes at the start are well-formed UTF-8: all of them, when they are.
size_t utf8_prefix(std::string_view text);

// Appends a JSON string literal with its quotes (RFC 8259); bytes that are not UTF-8 become U+FFFD.
void append_json(std::string& out, std::string_view text);

// Distance of Levenshtein, for "did you mean"; stops counting above `limit` and returns limit + 1.
size_t edit_distance(std::string_view a, std::string_view b, size_t limit);

}  // namespace outrider
