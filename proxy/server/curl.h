#pragma once
// A command that repeats a request somebody has seen.

#include <string>
#include <string_view>

#include <rapidjson/document.h>

namespace outrider::server {

// One word of POSIX sh, whatever is in it but NUL: what is not printable ASCII is spelled out, so that neither the shell nor a
// terminal acts on it.
std::string in_shell(std::string_view text);

// What controls a terminal, or looks like something else on it, as \x1b.
std::string printable(std::string_view text);

// `seen`: a line of /tap. Comments say what is missing, one a line; then the command, if there is one. Text of any origin is
// safe to be pasted into a shell.
std::string curl_of(const rapidjson::Value& seen);

}  // namespace outrider::server
