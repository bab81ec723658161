#pragma once
// What flags say of an injection.

#include <string>

#include "inject/settings.h"
#include "server/arguments.h"

namespace outrider::server {

// Of the flags of `inject`, those that are there; `set_flag` is the one for keys of a sidecar. `error`: one of them is none.
inject::Settings injection_settings(const Arguments& arguments, std::string& error, std::string_view set_flag = "--set");

}  // namespace outrider::server
