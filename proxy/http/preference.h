#pragma once
// What a client would rather have (RFC 9110 12.4.2).

#include <string_view>

namespace outrider::http {

// Of what stands behind an item of a list: "0.5" of ";q=0.5"; 1 where nothing is said, 0 where it cannot be read.
double weight_of(std::string_view parameters);

}  // namespace outrider::http
