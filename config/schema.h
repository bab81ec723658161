#pragma once
// The language as a JSON Schema (draft-07), for editors: made of the keys as the parser reads them (Key, parse.h) and of what the
// README says of them.

#include <string>
#include <string_view>
#include <vector>

namespace outrider::config {

// `filters`: the names there are. Whatever load() accepts is valid by it, and not everything else is refused: what depends on
// two keys, on files or on numbers inside of texts is for `config validate`.
std::string schema(const std::vector<std::string_view>& filters);

}  // namespace outrider::config
