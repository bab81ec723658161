#pragma once
// What an injector was told, as options of the filter `inject`, and the other way round.

#include <string>

#include "filter/options.h"
#include "inject/settings.h"

namespace outrider::filters {

// False: something is wrong with an option, which is the complaint.
bool read_settings(filter::Options& options, inject::Settings& settings);

// "image: \"outrider:1.0\", capture: redirect": of a map of options that read_settings() makes the same of. What the request says
// itself is not in it (namespace_name).
std::string options_text(const inject::Settings& settings);

}  // namespace outrider::filters
