#pragma once
// The query of a path.

#include <optional>
#include <string>
#include <string_view>

namespace outrider::http {

// The value of the first parameter of that name in the query of `path` ("/a?x=1&y=2"), as forms encode it: %41 is A and a plus
// is a space (WHATWG URL 5.1); both sides decoded. "?x" has it, empty. What is badly encoded stands for itself.
std::optional<std::string> find_parameter(std::string_view path, std::string_view name);
std::string decode_parameter(std::string_view text);  // one name or value

}  // namespace outrider::http
