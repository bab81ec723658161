#pragma once
// Accept-Encoding (RFC 9110 12.5.3).

#include <optional>
#include <vector>

#include "filters/compress/encoder.h"
#include "http/header_map.h"

namespace outrider::filters {

// The one of `offered` that the client likes best, of equals the first; null: none, or it would rather have it as it is.
std::optional<Coding> accepted_coding(const http::HeaderMap& headers, const std::vector<Coding>& offered);

}  // namespace outrider::filters
