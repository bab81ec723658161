#include "http/cookie.h"

#include "base/text.h"

namespace outrider::http {

std::optional<std::string_view> find_cookie(const HeaderMap& headers, std::string_view name) {
  if (!headers.find(HeaderId::Cookie)) return {};
  for (const Field& field : headers.fields()) {
    if (field.id != HeaderId::Cookie) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      std::string_view value = trim(next_part(rest, ';'));
      if (trim(next_part(value, '=')) == name) return trim(value);
    }
  }
  return {};
}

}  // namespace outrider::http
