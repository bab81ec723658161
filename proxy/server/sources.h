#pragma once
// Where a verb's configuration comes from, as its flags say.

#include "config/load.h"
#include "server/arguments.h"

namespace outrider::server {

// -c, --set and the environment.
config::Sources plain_sources(const Arguments& arguments);

enum class Plain : bool { File, NoFile };  // what a plain word is

// These or the plain word, and --service, --bootstrap, --listen with --to. `error` is set when they
// do not fit together.
config::Sources sources_of(const Arguments& arguments, std::string& error, Plain plain = Plain::File);

}  // namespace outrider::server
