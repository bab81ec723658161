#pragma once
// What verbs that stay have in common.

#include "config/load.h"
#include "server/arguments.h"

namespace outrider::server {

// The proxy that `sources` say, until it has ended; the exit code. `verb` is for messages.
int run_with(const char* verb, const Arguments& arguments, config::Sources sources);

}  // namespace outrider::server
