#pragma once
// What is to be matched, as a configuration says it.

#include "filter/options.h"
#include "filter/tap_match.h"

namespace outrider::filter {

// The map below `match`: {status: 5xx, header: {x-tap: "1"}}; lists are alternatives. Not there: everything matches.
bool read_match(Options& options, TapMatch& match);

}  // namespace outrider::filter
