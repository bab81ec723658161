#pragma once
// Where a verb's configuration comes from, as its flags say.

#include "config/load.h"
#include "server/arguments.h"

namespace outrider::server {

enum class Plain : bool { File, NoFile };  // what a plain word is

// -c or the plain word, --set, --service, --bootstrap, --listen with --to, and the environment. `error` is set when they
// do not fit together.
config::Sources sources_of(const Arguments& arguments, std::string& error, Plain plain = Plain::File);

}  // namespace outrider::server
