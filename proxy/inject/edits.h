#pragma once
// Edits of a text that make one tree of another, and leave every other byte as it is.

#include <string>
#include <string_view>
#include <vector>

#include "inject/render.h"
#include "inject/tree.h"

namespace outrider::inject {

struct Edit {
  size_t begin = 0, end = 0;
  std::string text;  // in place of what is there
};

struct Edits {
  std::vector<Edit> list;  // in order, none within another
  std::string error;       // "/spec/containers/0: ..."; then there are none
};

// `before` was read from `text`; `after` is a copy of it that was changed.
Edits edits_between(std::string_view text, const Node& before, const Node& after, const Style& style);
std::string edited(std::string_view text, const std::vector<Edit>& edits);

}  // namespace outrider::inject
