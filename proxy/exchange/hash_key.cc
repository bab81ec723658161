#include "exchange/hash_key.h"

#include "exchange/router.h"
#include "http/cookie.h"

namespace outrider::exchange {

namespace {

std::optional<uint64_t> of(std::string_view text) {
  if (text.empty()) return {};
  return hash(text);
}

}  // namespace

std::optional<uint64_t> hash_key(const upstream::HashBy& by, const http::RequestHead& head, std::string_view source) {
  using Kind = upstream::HashBy::Kind;
  switch (by.kind) {
    case Kind::Nothing: break;
    case Kind::Source: return of(source);
    case Kind::Host: return of(without_port(head.authority));
    case Kind::Path: return of(head.path.substr(0, head.path.find('?')));
    case Kind::Header: return of(head.headers.value(by.name));
    case Kind::Cookie: return of(http::find_cookie(head.headers, by.name).value_or(""));
  }
  return {};
}

}  // namespace outrider::exchange
