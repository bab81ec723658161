#pragma once
// A file that lists endpoints and nothing else, as `endpoints` of a cluster does.

#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"

namespace outrider::config {

// All of it, or why none of it: "/etc/web.yaml:3:5: expected host:port, got "x"", the first thing that is wrong. `[]` is a list;
// an empty file is none, for it may be half of one.
std::string read_endpoint_list(std::string_view text, const std::string& file, std::vector<Endpoint>& to);

}  // namespace outrider::config
