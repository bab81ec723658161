#pragma once
// What of a configuration is decided once, when the process starts.

#include <string>
#include <vector>

#include "config/document.h"

namespace outrider::config {

// Paths whose values differ and which a reload cannot change: "registry.bind". Empty: all of `after` can be served at once.
std::vector<std::string> needs_restart(const Document& before, const Document& after);

}  // namespace outrider::config
