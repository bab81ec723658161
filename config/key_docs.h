#pragma once
// What config/README.md says of each key: the one place where it is said, compiled into the program for the schema.

#include <span>
#include <string>
#include <string_view>

namespace outrider::config {

std::span<const std::string_view> readme_lines();  // made of config/README.md by CMake

struct KeyDoc {
  std::string range, about, example;  // example: "timeout: 2s"
};

// Of a key as the README names it: "clusters.<name>.timeout"; empty where it has no line.
KeyDoc doc_of(std::string_view path);

}  // namespace outrider::config
