#pragma once
// What flags say of an injection.

#include <string>

#include "inject/settings.h"
#include "server/arguments.h"

namespace outrider::server {

// Of the flags of `inject`, those that are there. `error`: one of them is none.
inject::Settings injection_settings(const Arguments& arguments, std::string& error);

}  // namespace outrider::server
