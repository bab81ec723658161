#pragma once

#include <optional>
#include <string_view>

#include "http/header_map.h"

namespace outrider::http {

// The value of the first cookie of that name, as it is written (RFC 6265 4.2.1); names have case. In the fields' memory.
std::optional<std::string_view> find_cookie(const HeaderMap& headers, std::string_view name);

}  // namespace outrider::http
