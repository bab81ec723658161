#pragma once
// Whether anything that a configuration is read from is another than it was.

#include <string>
#include <utility>
#include <vector>

#include "config/included.h"
#include "identity/file_mark.h"

namespace outrider::server {

// Its file and all that it takes in, at one time; files of a folder that come and go are a difference, too. A value.
class ConfigMarks {
 public:
  static ConfigMarks of(const std::string& file, const std::vector<std::string>& taken_in) {
    ConfigMarks marks;
    marks.all_.emplace_back(file, identity::FileMark::of(file));
    for (const auto& path : taken_in)
      for (const auto& each : config::files_at(path)) marks.all_.emplace_back(each, identity::FileMark::of(each));
    return marks;
  }
  bool operator==(const ConfigMarks&) const = default;

 private:
  std::vector<std::pair<std::string, identity::FileMark>> all_;
};

}  // namespace outrider::server
