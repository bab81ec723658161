#include "http/query.h"

#include "base/text.h"

namespace outrider::http {

std::string decode_parameter(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' ? from_hex(text.substr(i + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) out += *byte, i += 2;
    else out += text[i] == '+' ? ' ' : text[i];
  }
  return out;
}

std::optional<std::string> find_parameter(std::string_view path, std::string_view name) {
  const size_t mark = path.find('?');
  if (mark == std::string_view::npos) return {};
  for (std::string_view rest = path.substr(mark + 1); !rest.empty();) {
    std::string_view value = next_part(rest, '&');
    const std::string_view given = next_part(value, '=');
    if (given == name || decode_parameter(given) == name) return decode_parameter(value);
  }
  return {};
}

}  // namespace outrider::http
