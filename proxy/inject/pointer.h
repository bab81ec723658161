#pragma once
// Parts of JSON pointers (RFC 6901).

#include <string>
#include <string_view>

namespace outrider::inject {

std::string pointer_part(std::string_view key);  // "outrider.dev/inject" as "outrider.dev~1inject"

}  // namespace outrider::inject
