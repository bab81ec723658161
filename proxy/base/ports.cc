#include "base/ports.h"

#include "base/text.h"

namespace outrider {

std::optional<uint16_t> parse_port(std::string_view text) {
  const auto number = parse_number(text);
  if (!number || *number == 0 || *number > 65535) return std::nullopt;
  return uint16_t(*number);
}

std::optional<PortRange> PortRange::parse(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = parse_port(trim(text.substr(0, dash)));
  const auto last = dash == text.npos ? first : parse_port(trim(text.substr(dash + 1)));
  if (!first || !last) return std::nullopt;
  return PortRange{*first, *last};
}

}  // namespace outrider
