#pragma once
// Regular expressions: those of RE2, which takes linear time whatever it is given.

#include <memory>
#include <string>

namespace re2 {
class RE2;
}

namespace outrider::config {

// One that is none, or that would take too much memory, is not ok() and says why.
std::shared_ptr<const re2::RE2> compile_regex(const std::string& text);

}  // namespace outrider::config
