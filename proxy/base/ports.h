#pragma once
// Ports of TCP and UDP as people write them.

#include <cstdint>
#include <optional>
#include <string_view>

namespace outrider {

std::optional<uint16_t> parse_port(std::string_view text);  // "1" to "65535"

struct PortRange {
  uint16_t first = 0, last = 0;  // both of them, too
  bool operator==(const PortRange&) const = default;
  // "80", "8000-8010", with blanks around each. As it is written: the second may be the smaller one.
  static std::optional<PortRange> parse(std::string_view text);
};

}  // namespace outrider
