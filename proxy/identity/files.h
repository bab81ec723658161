#pragma once
// Small files that matter: read with a bound, written so that nobody ever sees half of one.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "identity/outcome.h"

namespace outrider::identity {

// Up to `most` bytes. The reason names the file.
Outcome<std::string> read_file(const std::string& path, size_t most = 1 << 20);

enum class Existing : bool { Replace, Keep };  // Keep: a file that is there already is an error

// Writes a new file beside `path` with exactly the permissions `mode`, flushes it to disk and renames it to `path`.
Outcome<Done> write_file(const std::string& path, std::string_view bytes, unsigned mode, Existing existing = Existing::Replace);

// Creates the folder and those above it; there already is fine.
Outcome<Done> make_folder(const std::string& path);

}  // namespace outrider::identity
