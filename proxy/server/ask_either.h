#pragma once
// Questions that a running proxy answers, and its configuration alone does, too.

#include <functional>
#include <optional>
#include <string>

#include "config/document.h"
#include "server/arguments.h"

namespace outrider::server {

using LookUp = std::function<std::optional<std::string>(const config::Document&)>;  // JSON, or null and its own error

// With -c or --set by that configuration, whose complaints go to standard error; else by the proxy at --admin, whose `page`
// it is. Null: `error` says why. Blocking; the command line's thread.
std::optional<std::string> ask_either(const Arguments& arguments, const std::string& page, const LookUp& look_up,
                                      std::string& error);

}  // namespace outrider::server
