#pragma once
// The configuration in force, as YAML.

#include "config/document.h"

namespace outrider::config {

struct ShowOptions {
  bool origin = false;    // behind each value where it came from
  bool defaults = false;  // values nobody set too
};

// Reads back as the same configuration. Values that came from a variable are shown as that variable, secrets in files as
// <file:/path sha256:ab12>, which tells one content from another. Begins with comments on what its reader should know (clear
// text).
std::string show(const Document& document, ShowOptions options = {});

}  // namespace outrider::config
