#pragma once
// What may stand where the cursor is in a command line: verbs, flags, their values, and names that a running proxy knows.

#include <string>
#include <vector>

namespace outrider::server {

// `words`: behind "outrider", up to the one at the cursor, which is what has been written of it, or empty. A line each: the word
// and, behind a tab, what it is; or ":files", ":folders", ":commands" where the shell knows better. By the table of verbs;
// clusters and services come from the proxy at --admin, for which no more than a second is waited. Nothing is printed on failure.
std::string complete(const std::vector<std::string>& words);

}  // namespace outrider::server
