#pragma once
// A look at a running proxy, for the verbs stat and top.

#include <optional>

#include "base/time.h"
#include "server/arguments.h"
#include "server/rates.h"

namespace outrider::server {

// Asks /stat, and with `endpoints` /clusters. Null: nobody answers, or there is no such cluster; that has been said, and `code`
// is what to exit with.
std::optional<Look> look_at(const char* verb, const Arguments& arguments, bool endpoints, int& code);

// Cells of a table; "-" where nothing has passed.
std::string rate_text(double number);
std::string share_text(double share);
std::string ms_text(double ms);
std::string count_text(double count);

// The flag as a duration; null: it is none, which has been said.
std::optional<milliseconds> duration_flag(const char* verb, const Arguments& arguments, const char* flag, milliseconds otherwise);

}  // namespace outrider::server
