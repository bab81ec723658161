#pragma once
// Secrets that lie in files: `file:/path`. What is in them is for whoever uses them; others are shown that it is the same, or
// not.

#include <string>
#include <string_view>

namespace outrider::config {

bool is_secret(std::string_view text);  // "file:/path"

// "<file:/path sha256:ab12>": two bytes of the digest, which say nothing of the secret; "<file:/path unreadable>" where it cannot
// be read by us, now. Reads the file, 1 MiB of it at most.
std::string shown_secret(std::string_view text);

// Of what is shown, what was written; of anything else, itself.
std::string_view written_secret(std::string_view text);

}  // namespace outrider::config
