#include "http/request_key.h"

#include <utility>

#include "http/cookie.h"

namespace outrider::http {

namespace {

std::optional<uint64_t> key_of(std::string_view text) {
  if (text.empty()) return {};
  return hash(text);
}

}  // namespace

RequestKey RequestKey::parse(std::string_view text) {
  static constexpr std::pair<std::string_view, Kind> kWords[] = {
      {"source", Kind::Source}, {"identity", Kind::Identity}, {"host", Kind::Host}, {"path", Kind::Path}};
  for (const auto& [word, kind] : kWords)
    if (text == word) return {kind, ""};
  if (text.starts_with("header.")) return {Kind::Header, std::string(text.substr(7))};
  if (text.starts_with("cookie.")) return {Kind::Cookie, std::string(text.substr(7))};
  return {};
}

std::optional<uint64_t> RequestKey::of(const RequestHead& head, const Asker& asker) const {
  switch (kind) {
    case Kind::Nothing: break;
    case Kind::Source: return key_of(asker.ip);
    case Kind::Identity: return key_of(asker.identity);
    case Kind::Host: return key_of(without_port(head.authority));
    case Kind::Path: return key_of(head.path.substr(0, head.path.find('?')));
    case Kind::Header: return key_of(head.headers.value(name));
    case Kind::Cookie: return key_of(find_cookie(head.headers, name).value_or(""));
  }
  return {};
}

std::string_view without_port(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.find(']', colon) != std::string_view::npos) return authority;
  return authority.substr(0, colon);
}

}  // namespace outrider::http
