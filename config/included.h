#pragma once
// Files that a configuration takes in besides its own: what `routes_from` names.

#include <string>
#include <vector>

namespace outrider::config {

struct Included {
  std::string file, text;
  bool operator==(const Included&) const = default;
};

constexpr size_t kMostIncluded = 16 << 20;  // bytes, of all of them

// The files a path stands for: itself; of a folder those in it that end in .yaml, .yml or .json, by their names. A name that
// begins with a dot is none: editors and ConfigMaps keep such beside their files.
std::vector<std::string> files_at(const std::string& path);

// Empty: read, as far as one byte more than `most`. Otherwise why not. "-" is standard input.
std::string slurp(const std::string& path, std::string& text, size_t most);

}  // namespace outrider::config
