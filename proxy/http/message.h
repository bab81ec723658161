#pragma once
// Requests and responses as the rest of the program sees them, the same shape whatever the wire said.

#include "http/header_map.h"

namespace outrider::http {

enum class Way : uint8_t { Request, Response };
enum class Method : uint8_t { Get, Head, Post, Put, Delete, Connect, Options, Trace, Patch, Other };
enum class Version : uint8_t { Http10, Http11, Http2 };
enum class Form : uint8_t { Origin, Absolute, Authority, Asterisk };  // how the target was written (RFC 9112 3.2)

Method method_of(std::string_view text);      // case matters (RFC 9110 9.1)
bool is_idempotent(Method method);            // RFC 9110 9.2.2
std::string_view reason_of(uint16_t status);  // "OK"; empty for codes without a registered phrase
bool may_have_body(uint16_t status);          // false for 1xx, 204, 304

// Host stays a field in its place, and `authority` is a view of it (or of the absolute target's authority).
struct RequestHead {
  explicit RequestHead(Arena& arena) : headers(arena) {}
  Method method = Method::Other;
  Version version = Version::Http11;
  Form form = Form::Origin;
  std::string_view method_text, scheme, authority;
  std::string_view path;      // with its query: "/a?b"; "*" for Asterisk
  std::string_view protocol;  // HTTP/1 Upgrade token or :protocol; else empty
  bool tunnel() const { return method == Method::Connect || !protocol.empty(); }
  void clear();
  HeaderMap headers;
};

struct ResponseHead {
  explicit ResponseHead(Arena& arena) : headers(arena) {}
  uint16_t status = 0;
  Version version = Version::Http11;
  std::string_view reason;
  void clear();
  HeaderMap headers;
};

}  // namespace outrider::http
