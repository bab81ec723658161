#pragma once
// The small rules of RFC 9110 and RFC 9112 that both reading and writing need.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "http/message.h"

namespace outrider::http {

// Why a message is not taken: the status a server answers with, and a literal of a closed set. Empty: nothing wrong.
struct Refusal {
  uint16_t status = 0;
  const char* what = nullptr;
  explicit operator bool() const { return what != nullptr; }
};

bool is_token_char(char c);
bool is_token(std::string_view text);        // RFC 9110 5.6.2: one or more
bool is_protocol(std::string_view text);     // what Upgrade offers: token ["/" token] (RFC 9110 7.8)
bool is_field_value(std::string_view text);  // no control character but TAB: cannot end its line
bool is_target(std::string_view text);       // visible ASCII: cannot end its place in a request line
// uri-host [":" port] without user information; the host may be empty (RFC 9112 3.2).
bool is_authority(std::string_view text);

bool is_clean(const Field& field);  // neither its name nor its value can end its line
// As it may be written: what is not visible ASCII is percent-encoded.
std::string_view written_target(std::string_view text, Arena& arena);
std::optional<uint64_t> declared_length(const HeaderMap& headers);          // where there is one that means something
const Field* find_named(std::span<const Field> fields, const Field& like);  // the first of the same name

struct RequestLine {
  std::string_view method, target;
  Version version = Version::Http11;
};

// `line` is without its CRLF.
Refusal read_request_line(std::string_view line, RequestLine& out);
// Fills method, form, scheme, authority and path; the arena of `head` holds what had to be put together.
Refusal read_target(const RequestLine& line, RequestHead& head);

struct StatusLine {
  uint16_t status = 0;
  Version version = Version::Http11;
  std::string_view reason;
};

Refusal read_status_line(std::string_view line, StatusLine& out);

}  // namespace outrider::http
